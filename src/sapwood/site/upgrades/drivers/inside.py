"""What runs inside the subject's own environment: one file with nothing to install, Python 3.8, Django 3.2 or later.

It reads one request (JSON) from the file named first and writes answers (JSON lines) to the file named second, so that
settings which print, or libraries which log, disturb nothing. It changes no database but those that the request
names; every database of the subject's settings that the request does not name makes it stop.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import importlib
import json
import os
import re
import sys
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any

SETTINGS = "sapwood_inside_settings"
SAMPLE = 50
SMALL = 30000
DUPLICATE_ENTRY = 1062
DEPTH = 20
MAX_TEXT = 2000
DDL = 500
MAX_DDL = 20000


class RefusedError(Exception):
    """The request cannot be carried out here; code and message go to the operator."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Answers:
    """JSON lines, each flushed: whoever reads sees progress, and a killed process leaves whole lines."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
        self.lock = threading.RLock()

    def say(self, event: str, **values: Any) -> None:
        with self.lock:
            self.file.write(json.dumps(dict(values, event=event), default=str) + "\n")
            self.file.flush()


HELD: list[str] = []
HELD_WORDS = "held back by the rehearsal"
MAX_HELD = 50


def hold_back(guard: dict[str, Any], answers: Answers) -> None:
    """Refuse each connection that Python itself makes, but those to the shadow, and say what was wanted.

    A client written in C raises no audit event: only namespaces hold it.
    """

    def hook(event: str, given: Any) -> None:
        wanted = ""
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            wanted = refused_address(guard, given[0].family, given[1])
        elif event == "socket.getaddrinfo" and given[0] and not local(given[0]) and not numeric(given[0]):
            wanted = "name " + str(given[0])
        if not wanted:
            return
        if wanted not in HELD and len(HELD) < MAX_HELD:
            answers.say("held", wanted=wanted[:200])
        HELD.append(wanted)
        raise ConnectionRefusedError(errno.ECONNREFUSED, HELD_WORDS)

    sys.addaudithook(hook)


def refused_address(guard: dict[str, Any], family: int, address: Any) -> str:
    """The address in words, or nothing where it may be reached."""
    import socket

    if address is None or family == getattr(socket, "AF_NETLINK", None):
        return ""
    if family == socket.AF_UNIX:
        path = os.fsdecode(address)
        shown = any(path == place or path.startswith(place.rstrip("/") + "/") for place in guard["sockets"])
        return "" if shown else "socket " + path
    if family in {socket.AF_INET, socket.AF_INET6} and guard["loopback"] and local(address[0]):
        return ""
    return "address " + (":".join(str(part) for part in address[:2]) if isinstance(address, tuple) else str(address))


def local(host: Any) -> bool:
    return str(host) in {"localhost", "::1"} or str(host).startswith("127.")


def numeric(host: Any) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(os.fsdecode(host).partition("%")[0])
    except (ValueError, TypeError):
        return False
    return True


def was_held(error: BaseException | None) -> bool:
    """Whether an error comes of what a rehearsal holds back, and says nothing about the real upgrade."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.EROFS, errno.ENETUNREACH, errno.EHOSTUNREACH}:
            return True
        if any(words in str(error) for words in (HELD_WORDS, "Network is unreachable", "Read-only file system")):
            return True
        error = error.__cause__ or error.__context__
    return False


# A word of these in the name of a setting makes its text a secret, unless one of the others says that it is not.
SECRET = {"SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "TOKENS", "CREDENTIALS", "KEY", "KEYS"}
NO_SECRET = {"PUBLIC", "HEADER", "PREFIX", "FUNCTION", "HASHERS", "VALIDATORS", "NAME", "CLASS", "MODEL", "URL"}
# What rows may have been written with: with another value they could not be read.
FOR_ROWS = ("CRYPT", "FERNET", "CIPHER", "SALT")
CIPHERS = (
    "django_cryptography", "encrypted_fields", "encrypted_model_fields", "fernet_fields", "mirage", "secured_fields",
)  # fmt: skip
SECRETS: dict[str, list[str]] = {"replaced": [], "kept": []}


def replace_secrets(module: Any) -> None:
    """Give the secrets of the settings worthless values, the same in every run; what must stay is named."""
    from importlib.util import find_spec

    encrypts = any(find_spec(name) for name in CIPHERS)
    for name in sorted(vars(module)):
        if name.isupper() and name not in {"DATABASES", "CACHES"}:
            setattr(module, name, without_secrets(name, getattr(module, name), name.upper(), 0, encrypts))


def without_secrets(path: str, value: Any, name: str, depth: int, encrypts: bool) -> Any:  # noqa: FBT001 - a fact
    if isinstance(value, dict) and type(value) is dict and depth < 6:  # noqa: PLR2004
        return {
            key: without_secrets(path + "." + str(key), item, str(key).upper(), depth + 1, encrypts)
            for key, item in value.items()
        }
    if type(value) in {list, tuple} and depth < 6:  # noqa: PLR2004
        return type(value)(without_secrets(path, item, name, depth + 1, encrypts) for item in value)
    if not isinstance(value, (str, bytes)) or not value:
        return value
    words = set(name.replace("-", "_").split("_"))
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not words & SECRET or words & NO_SECRET:
        return without_password(path, text) if text is value else value
    parsed = text.lstrip().startswith(("-----BEGIN", "{", "[")) or (
        text.count(".") > 0 and all(part.isidentifier() for part in text.split("."))
    )
    if parsed or any(word in name for word in FOR_ROWS) or (encrypts and name.startswith("SECRET_KEY")):
        note("kept", path)
        return value
    note("replaced", path)
    made = "sapwood-rehearsal-" + hashlib.sha256(path.encode()).hexdigest()[:40]
    return made.encode() if isinstance(value, bytes) else made


def without_password(path: str, text: str) -> str:
    """An address with a worthless password in the place of its own; any other text as it is."""
    found = re.sub(r"(://[^/\s:@]*:)[^@/\s]+(?=@)", r"\1sapwood-rehearsal", text)
    if found != text:
        note("replaced", path)
    return found


def note(what: str, path: str) -> None:
    if path not in SECRETS[what]:
        SECRETS[what].append(path)


def wrap_settings(request: dict[str, Any]) -> None:
    """A settings module that stands before the subject's own: same values, other ends.

    Databases are those of the request. For the upgrade itself (`real`) that is all. Otherwise mail goes to files, tasks
    and messages nowhere, caches to this process's memory; local media are read where they lie and written to the
    scratch folder.
    """
    sys.path[:0] = request.get("pythonpath", [])
    base = importlib.import_module(request["settings"])
    module: Any = types.ModuleType(SETTINGS)
    for name in dir(base):
        if name.isupper():
            setattr(module, name, getattr(base, name))
    if request["databases"] is not None:  # in a container the settings lead to the shadow by themselves
        module.DATABASES = mapped(getattr(base, "DATABASES", {}), request["databases"])
    sys.modules[SETTINGS] = module
    os.environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    if request.get("real"):
        return
    scratch = request["scratch"]
    module.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    module.EMAIL_FILE_PATH = str(Path(scratch) / "mail")
    caches = getattr(base, "CACHES", None) or {"default": {}}
    module.CACHES = {
        alias: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sapwood-" + alias}
        for alias in caches
    }
    for name in ("BROKER_URL", "CELERY_BROKER_URL"):
        setattr(module, name, "memory://")
    for name in ("CELERY_RESULT_BACKEND", "CELERY_ALWAYS_EAGER", "CELERY_TASK_ALWAYS_EAGER"):
        if hasattr(module, name):
            delattr(module, name)
    if hasattr(base, "TASKS"):
        module.TASKS = {alias: dict(value, BACKEND=dummy_tasks(value)) for alias, value in base.TASKS.items()}
    media(module, base, scratch)
    if "serve" in request["verbs"]:
        to_be_served(module, base, request["origin"])
    if request.get("rehearsal"):
        replace_secrets(module)


def mapped(configs: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Every database of the settings, with the place of the shadow."""
    for alias in configs:
        if alias not in given:
            raise RefusedError("upgrades.unmapped_database", f"the database {alias!r} of the settings is not mapped")
    return {alias: database(config, given[alias]) for alias, config in configs.items()}


def database(config: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """One database's settings with the place of the shadow, and its own options where the kind is the same."""
    own = dict(config)
    if not any(name in str(own.get("ENGINE", "")) for name in FAMILIES[given["vendor"]]):
        own["ENGINE"] = "django.db.backends." + given["vendor"]
        own.pop("OPTIONS", None)
    elsewhere = PLACES | (ENCRYPTION if given.get("by_socket") else set())
    if "OPTIONS" in own:
        own["OPTIONS"] = {name: value for name, value in own["OPTIONS"].items() if name not in elsewhere}
    for name in ("HOST", "PORT", "USER", "PASSWORD", "REPLICA", "TEST", "CONN_MAX_AGE"):
        own.pop(name, None)
    own.update({name: value for name, value in given.items() if name.isupper()})
    return own


# Backends that wrap one of Django's keep their engine: PostGIS, SpatiaLite, those that measure or pool.
FAMILIES = {
    "sqlite3": ("sqlite", "spatialite"),
    "mysql": ("mysql", "mariadb"),
    "postgresql": ("postgresql", "postgis", "psqlextra"),
}
# Options that would lead a driver back to the subject's own server; a private socket knows no encryption.
PLACES = {
    *("host", "hostaddr", "port", "unix_socket", "user", "password", "passwd", "db", "database", "dbname"),
    *("read_default_file", "read_default_group", "service", "passfile", "pool"),
}
ENCRYPTION = {"ssl", "ssl_mode", "ssl_ca", "sslmode", "sslrootcert", "sslcert", "sslkey"}


def careful_connections(request: dict[str, Any]) -> None:
    """On every connection: nothing waits a day for a lock, and what is only read cannot be written."""
    from django.db.backends.signals import connection_created

    wait = int(request["lock_wait_s"])
    read_only = {alias for alias, given in (request["databases"] or {}).items() if given.get("read_only")}

    def prepare(connection: Any, **_more: Any) -> None:
        statements = []
        if connection.vendor == "mysql":
            statements.append(f"SET SESSION lock_wait_timeout={wait}, SESSION innodb_lock_wait_timeout={wait}")
            statements += ["SET SESSION TRANSACTION READ ONLY"] * (connection.alias in read_only)
        elif connection.vendor == "postgresql":
            statements.append(f"SET lock_timeout = '{wait}s'")
            statements += ["SET default_transaction_read_only = on"] * (connection.alias in read_only)
        if statements:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    connection_created.connect(prepare, weak=False)


def dummy_tasks(value: dict[str, Any]) -> str:
    package = "django_tasks" if "django_tasks" in str(value.get("BACKEND", "")) else "django.tasks"
    return package + ".backends.dummy.DummyBackend"


def media(module: Any, base: Any, scratch: str) -> None:
    """Uploads: read from where they lie, written to the scratch folder; stores elsewhere start empty."""
    folder = str(Path(scratch) / "media")
    root = getattr(base, "MEDIA_ROOT", "") or ""
    module.SHADOW_MEDIA_BELOW = str(root)
    module.MEDIA_ROOT = folder
    place = SETTINGS + ".Overlay"
    storages = getattr(base, "STORAGES", None)
    if storages is not None:
        local = {"default", *[alias for alias in storages if alias != "staticfiles"]}
        module.STORAGES = dict(storages, **{alias: {"BACKEND": place} for alias in local})
    else:
        module.DEFAULT_FILE_STORAGE = place
    module.__getattr__ = lambda name: overlay_class() if name == "Overlay" else _missing(name)


def to_be_served(module: Any, base: Any, origin: str) -> None:
    """Settings under which an application answers at whatever address the checks use, without collected files."""
    module.ALLOWED_HOSTS = ["*"]
    if origin.startswith("http://"):
        module.SECURE_SSL_REDIRECT = False
    files = "django.contrib.staticfiles.storage.StaticFilesStorage"  # a manifest is there only after collectstatic
    if isinstance(getattr(module, "STORAGES", None), dict):
        module.STORAGES = dict(module.STORAGES, staticfiles={"BACKEND": files})
    elif hasattr(base, "STATICFILES_STORAGE"):
        module.STATICFILES_STORAGE = files


def _missing(name: str) -> Any:
    raise AttributeError(name)


def overlay_class() -> Any:
    from django.conf import settings
    from django.core.files.storage import FileSystemStorage

    base: Any = FileSystemStorage

    class Overlay(base):  # type: ignore[misc] # its private half is untyped
        """Reads fall through to the subject's own folder; nothing is written or removed there."""

        def _below(self, name: str) -> Any:
            root = getattr(settings, "SHADOW_MEDIA_BELOW", "")
            return FileSystemStorage(location=root) if root and not FileSystemStorage.exists(self, name) else None

        def _open(self, name: str, mode: str = "rb") -> Any:
            below = self._below(name) if mode == "rb" else None
            return below._open(name, mode) if below else super()._open(name, mode)

        def exists(self, name: str) -> bool:
            below = self._below(name)
            return super().exists(name) or bool(below and below.exists(name))

        def size(self, name: str) -> int:
            below = self._below(name)
            return int(below.size(name) if below else super().size(name))

    return Overlay


def setup(request: dict[str, Any]) -> None:
    wrap_settings(request)
    import django

    gc.disable()  # nothing of what is loaded now is ever garbage, and to look for some takes a fifth of the time
    django.setup()
    gc.freeze()
    gc.enable()
    careful_connections(request)


def facts(_request: dict[str, Any], answers: Answers) -> None:
    """What this environment is: interpreter, packages, apps, databases. No value of a setting leaves."""
    import platform
    from importlib import metadata

    import django
    from django.apps import apps
    from django.conf import settings

    packages = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name:
            packages[name.lower().replace("_", "-")] = found.version
    answers.say(
        "facts",
        python=platform.python_version(),
        django=django.get_version(),
        packages=dict(sorted(packages.items())),
        apps=sorted(config.label for config in apps.get_app_configs()),
        settings={name: digest(getattr(settings, name)) for name in dir(settings) if name.isupper() and ours(name)},
        databases={alias: connection_facts(alias) for alias in settings.DATABASES},
        secrets=SECRETS,
    )


# Settings whose texts are no secret and say what an upgrade changes; their values must also look like it.
TOLD = {
    "ASGI_APPLICATION", "AUTHENTICATION_BACKENDS", "AUTH_USER_MODEL", "DATABASE_ROUTERS", "DATE_FORMAT",
    "DEFAULT_AUTO_FIELD", "DEFAULT_CHARSET", "FILE_UPLOAD_HANDLERS", "FORM_RENDERER", "INSTALLED_APPS", "LANGUAGE_CODE",
    "MIDDLEWARE", "PASSWORD_HASHERS", "ROOT_URLCONF", "SECURE_CROSS_ORIGIN_OPENER_POLICY", "SECURE_REFERRER_POLICY",
    "SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE", "LANGUAGE_COOKIE_SAMESITE", "TEST_RUNNER", "TIME_ZONE",
    "WSGI_APPLICATION", "X_FRAME_OPTIONS",
}  # fmt: skip
TOLD_ENDS = ("BACKEND", "ENGINE", "CLASS", "SERIALIZER", "STORAGE", "MODULE", "RUNNER", "RENDERER")
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]{0,120}\Z")
KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}\Z")
MAX_SETTINGS = 5000
MAX_SOURCES = 40000
MAX_SOURCE = 1000000
MAX_TOGGLES = 5000
ANNOTATION = re.compile(
    rb"^[ \t]*#[ \t]*\.\.[ \t]+(toggle|setting)_(name|default|implementation|target_removal_date):[ \t]*(.*?)[ \t\r]*$",
    re.MULTILINE,
)


def configuration(request: dict[str, Any], answers: Answers) -> None:
    """Every effective setting by a digest that only this look knows, its value where it may be told, and the toggles.

    `own` says that the subject sets it, `known` that Django has it. Toggles are what the sources of installed apps
    annotate (https://docs.openedx.org/projects/edx-toggles).
    """
    from django.conf import global_settings

    base = importlib.import_module(request["settings"])
    own = {name for name in dir(base) if name.isupper()}
    known = {name for name in dir(global_settings) if name.isupper()}
    found: dict[str, Any] = {}
    for name in sorted(own | known):
        value = getattr(base if name in own else global_settings, name)
        for path, item in flattened(name, value, 0):
            if len(found) >= MAX_SETTINGS:
                break
            text = json.dumps(stable(item)).encode("utf-8", "replace")
            row = {
                "digest": hashlib.sha256(request["salt"].encode() + text).hexdigest(),
                "own": name in own,
                "known": name in known,
            }
            if may_be_told(path, item):
                row["value"] = list(item) if isinstance(item, (list, tuple)) else item
            found[path] = row
    answers.say("configuration", settings=found, toggles=toggles())


def flattened(path: str, value: Any, depth: int) -> Any:
    """A setting, or the parts of one that is a table of names."""
    if isinstance(value, dict) and value and depth < 2 and all(KEY.match(str(key)) for key in value):  # noqa: PLR2004
        for key, item in value.items():
            yield from flattened(path + "." + str(key), item, depth + 1)
    else:
        yield path, value


def may_be_told(path: str, value: Any) -> bool:
    """Whether a value is no secret, by its name and by its shape; when in doubt it is one."""
    words = {word for part in path.upper().split(".") for word in part.split("_")}
    name = path.rpartition(".")[2].upper()
    told = name in TOLD or name.endswith(TOLD_ENDS)
    if words & SECRET and name not in TOLD:
        return False
    if value is None or isinstance(value, (bool, int, float)):
        return True
    if isinstance(value, str):
        return told and bool(PLAIN.match(value))
    items = value if isinstance(value, (list, tuple)) else ()
    return told and bool(items) and all(isinstance(one, str) and PLAIN.match(one) for one in items)


def toggles() -> dict[str, dict[str, str]]:
    """What the sources of the installed apps annotate, by kind and name."""
    found: dict[str, dict[str, str]] = {}
    for number, path in enumerate(sources()):
        if number >= MAX_SOURCES or len(found) >= MAX_TOGGLES:
            break
        with contextlib.suppress(OSError):
            with path.open("rb") as file:
                text = file.read(MAX_SOURCE)
            row: dict[str, str] = {}
            for kind, key, said in ANNOTATION.findall(text) if b"_name:" in text else ():
                words = said.decode("utf-8", "replace")[:200]
                if key == b"name":
                    row = found.setdefault(kind.decode() + " " + words, {}) if words else {}
                else:
                    row.setdefault(key.decode(), words)
    return found


def sources() -> Any:
    """The Python files of the packages that the installed apps stand in; Django's own annotate nothing."""
    from django.apps import apps

    tops = {config.name.partition(".")[0] for config in apps.get_app_configs()} - {"django"}
    for top in sorted(tops):
        module = sys.modules.get(top)
        for folder in sorted(getattr(module, "__path__", ())):
            for place, folders, files in os.walk(folder):
                folders.sort()
                for name in sorted(files):
                    if name.endswith(".py"):
                        yield Path(place) / name


def installed(_request: dict[str, Any], answers: Answers) -> None:
    """Every distribution with what it requires, and which one each app comes from."""
    import platform
    from importlib import metadata

    from django.apps import apps

    found: dict[str, dict[str, Any]] = {}
    homes: dict[str, str] = {}
    wanted = {config.name.partition(".")[0] for config in apps.get_app_configs()}
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if not name or name in found:
            continue
        found[name] = {
            "version": one.version,
            "python": one.metadata["Requires-Python"],
            "requires": list(one.requires or ()),
        }
        tops = (one.read_text("top_level.txt") or "").split()
        files = "" if tops else "\n" + (one.read_text("RECORD") or "")
        for top in wanted - set(homes):
            if top in tops or "\n" + top + "/" in files:
                homes[top] = name
    full = platform.python_version()
    answers.say(
        "installed",
        distributions=found,
        apps={config.label: homes.get(config.name.partition(".")[0], "") for config in apps.get_app_configs()},
        markers={
            "implementation_name": sys.implementation.name,
            "implementation_version": full,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": full,
            "python_version": ".".join(full.split(".")[:2]),
            "sys_platform": sys.platform,
        },
    )


def ours(name: str) -> bool:
    """Whether a setting is the subject's, and not one that this file or Django's defaults put there."""
    return name not in {
        "DATABASES",
        "CACHES",
        "MEDIA_ROOT",
        "EMAIL_BACKEND",
        "EMAIL_FILE_PATH",
    } and not name.startswith("SHADOW_")


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(stable(value)).encode("utf-8", "replace")).hexdigest()[:16]


def stable(value: Any, depth: int = 0) -> Any:
    """A value as JSON that is the same in every process: no addresses, no order of a set, no lazy text."""
    if depth > DEPTH:
        return "…"
    if isinstance(value, dict):
        return [[stable(key, depth + 1), stable(item, depth + 1)] for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [stable(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(stable(item, depth + 1)) for item in value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def connection_facts(alias: str) -> dict[str, Any]:
    from django.db import connections

    connection = connections[alias]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("select sqlite_version()")
        else:
            cursor.execute("select version()")
        version = cursor.fetchone()[0]
    return {"vendor": connection.vendor, "version": str(version), "atomic_ddl": connection.features.can_rollback_ddl}


def tables(request: dict[str, Any], answers: Answers) -> None:
    """What every database is made of, as a digest; and, where asked, how many rows and bytes each table has."""
    from django.db import connections

    found: dict[str, dict[str, Any]] = {}
    for alias in connections:
        connection = connections[alias]
        with connection.cursor() as cursor:
            found[alias] = {"schema": hashlib.sha256(schema_text(connection, cursor).encode()).hexdigest()}
            if request.get("count"):
                found[alias]["tables"] = list(sizes(connection, cursor))
    answers.say("tables", databases=found)


def schema_text(connection: Any, cursor: Any) -> str:
    """Tables, columns, indexes and constraints as text that is the same as long as they are."""
    if connection.vendor == "sqlite":
        cursor.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%%' ORDER BY 1, 2", [])
        return json.dumps(cursor.fetchall())
    introspection, described = connection.introspection, []
    for name in sorted(introspection.table_names(cursor)):
        columns = [list(row) for row in introspection.get_table_description(cursor, name)]
        constraints = sorted(introspection.get_constraints(cursor, name).items())
        described.append([name, columns, constraints])
    return json.dumps(described, default=str, sort_keys=True)


def sizes(connection: Any, cursor: Any) -> Any:
    """Rows are counted: what servers keep about them may be wrong by half (InnoDB). Bytes are the server's word."""
    known: dict[str, int] = {}
    if connection.vendor == "mysql":
        cursor.execute(
            "SELECT table_name, data_length + index_length FROM information_schema.tables "
            "WHERE table_schema = DATABASE()"
        )
        known = dict(cursor.fetchall())
    elif connection.vendor == "postgresql":
        cursor.execute(
            "SELECT relname, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"
        )
        known = dict(cursor.fetchall())
    for name in sorted(connection.introspection.table_names(cursor)):
        cursor.execute("SELECT COUNT(*) FROM " + connection.ops.quote_name(name))  # noqa: S608 - quoted
        size = known.get(name)
        yield {"name": name, "rows": cursor.fetchone()[0], "size_bytes": None if size is None else int(size)}


def relations(_request: dict[str, Any], answers: Answers) -> None:
    """Which column points at which, as the models say: a database need not declare it (MyISAM, `db_constraint`)."""
    from django.apps import apps
    from django.db import connections, router

    models = [model for model in apps.get_models(include_auto_created=True) if usable(model)]
    answers.say(
        "relations",
        databases={
            alias: [list(row) for model in models if router.allow_migrate_model(alias, model) for row in points(model)]
            for alias in connections
        },
    )


def points(model: Any) -> Any:
    for field in model._meta.local_concrete_fields:
        if field.remote_field is not None and hasattr(field, "target_field"):
            target = field.target_field
            yield model._meta.db_table, field.column, target.model._meta.db_table, target.column


def columns(_request: dict[str, Any], answers: Answers) -> None:
    """What the models say about each column: which kind of field it is, and what Django itself uses it for."""
    from django.apps import apps
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.sessions.base_session import AbstractBaseSession

    found = []
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy:
            continue
        roles: dict[str, str] = {}
        if issubclass(model, AbstractBaseUser):
            roles = {getattr(model, "EMAIL_FIELD", ""): "user's address", "password": "user's password"}
            roles[str(getattr(model, "USERNAME_FIELD", ""))] = "user's name"
        elif issubclass(model, AbstractBaseSession):
            roles = {"session_key": "session", "session_data": "session"}
        elif meta.label == "admin.LogEntry":
            roles = {"object_repr": "log", "change_message": "log"}
        for field in meta.local_concrete_fields:
            to = getattr(field, "target_field", None) if field.remote_field else None
            found.append(
                {
                    "table": meta.db_table,
                    "column": field.column,
                    "model": meta.label,
                    "field": field.name,
                    "classes": [one.__name__ for one in type(field).__mro__[:-2]],
                    "role": roles.get(field.name, ""),
                    "choices": bool(field.choices),
                    "to": [to.model._meta.db_table, to.column] if to is not None else None,
                }
            )
    answers.say("columns", columns=found)


def executor_for(alias: str) -> Any:
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    return MigrationExecutor(connections[alias])


def source_of(migration: Any) -> str | None:
    module = sys.modules.get(type(migration).__module__)
    return getattr(module, "__file__", None)


def described(migration: Any) -> dict[str, Any]:
    path = source_of(migration) or ""
    with contextlib.suppress(OSError):
        with Path(path).open("rb") as file:
            sha = hashlib.sha256(file.read()).hexdigest()
        return {
            "app": migration.app_label,
            "name": migration.name,
            "path": path,
            "sha256": sha,
            "atomic": migration.atomic,
        }
    return {
        "app": migration.app_label,
        "name": migration.name,
        "path": path,
        "sha256": None,
        "atomic": migration.atomic,
    }


def plan(request: dict[str, Any], answers: Answers) -> None:
    """What `migrate` would run here, in order, and what stands in its way."""
    alias = request.get("alias", "default")
    executor = executor_for(alias)
    loader = executor.loader
    graph = loader.graph
    problems = []
    try:
        loader.check_consistent_history(executor.connection)
    except Exception as error:  # InconsistentMigrationHistory
        problems.append({"code": "migrations.inconsistent", "message": scrub(error)})
    for app, names in sorted(loader.detect_conflicts().items()):
        problems.append({"code": "migrations.several_leaves", "message": f"{app}: {', '.join(sorted(names))}"})
    applied = set(loader.applied_migrations)
    known = set(loader.disk_migrations) | {old for one in loader.replacements.values() for old in one.replaces}
    for app, name in sorted(applied - known):
        problems.append({"code": "migrations.unknown_applied", "message": f"{app}.{name}"})
    pending = []
    if not any(problem["code"] == "migrations.several_leaves" for problem in problems):
        pending = [migration for migration, _backwards in executor.migration_plan(graph.leaf_nodes())]
    answers.say(
        "plan",
        pending=[
            dict(described(migration), depends_on=[".".join(key) for key in parents(graph, migration)])
            for migration in pending
        ],
        applied=len(applied),
        applied_digest=digest(applied),
        problems=problems,
        memory_bytes=peak_bytes(),
    )


def peak_bytes() -> int | None:
    """The most memory that this process ever took: what a migration takes at least."""
    try:
        import resource
    except ImportError:
        return None
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def preflight(_request: dict[str, Any], answers: Answers) -> None:
    """What must be known of every database before an upgrade; what cannot be found out is an error in words."""
    from django.db import connections

    for alias in connections:
        connection = connections[alias]
        connection.ensure_connection()  # a server that this Django does not take refuses here
        found: dict[str, Any] = {"vendor": connection.vendor, "errors": {}}
        for name, look in LOOKS[connection.vendor].items():
            try:
                with connection.cursor() as cursor:
                    found[name] = look(connection, cursor)
            except Exception as error:
                found["errors"][name] = scrub(error)
                connection.close()
        answers.say("preflight", alias=alias, migrations=recorded(alias), **found)


def rows_of(cursor: Any, sql: str) -> list[dict[str, Any]]:
    cursor.execute(sql)
    names = [column[0].lower() for column in cursor.description]
    return [{name: row[place] for place, name in enumerate(names)} for row in cursor.fetchall()]


def first_of(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchone()[0]


def skew(cursor: Any, sql: str) -> float:
    """Seconds that the server's clock is before this machine's."""
    began = time.time()
    theirs = float(first_of(cursor, sql))
    return theirs - (began + time.time()) / 2


LOOKS: dict[str, dict[str, Any]] = {
    "sqlite": {
        "version": lambda _, cursor: first_of(cursor, "SELECT sqlite_version()"),
        "charset": lambda _, cursor: first_of(cursor, "PRAGMA encoding"),
        "journal": lambda _, cursor: first_of(cursor, "PRAGMA journal_mode"),
    },
    "mysql": {
        "version": lambda _, cursor: first_of(cursor, "SELECT VERSION()"),
        "wrong_charset": lambda _, cursor: [
            row["name"]
            for row in rows_of(
                cursor,
                "SELECT DISTINCT table_name AS name FROM information_schema.columns "
                "WHERE table_schema = DATABASE() AND character_set_name IN ('utf8', 'utf8mb3') ORDER BY 1",
            )
        ],
        "lock_timeout_s": lambda _, cursor: first_of(cursor, "SELECT @@session.lock_wait_timeout"),
        "transactions": lambda _, cursor: rows_of(
            cursor,
            "SELECT t.trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, t.trx_started, NOW()) AS seconds, "
            "p.user AS user, p.command AS doing FROM information_schema.innodb_trx t "
            "LEFT JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
            "WHERE t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY 2 DESC",
        ),
        "skew_s": lambda _, cursor: skew(cursor, "SELECT UNIX_TIMESTAMP(NOW(6))"),
        "places": lambda _, cursor: rows_of(cursor, "SELECT @@datadir AS data, @@tmpdir AS temporary")[0],
        "sizes": lambda _, cursor: rows_of(
            cursor,
            "SELECT COALESCE(SUM(data_length + index_length), 0) AS whole, "
            "COALESCE(MAX(data_length + index_length), 0) AS largest "
            "FROM information_schema.tables WHERE table_schema = DATABASE()",
        )[0],
        "schemas": lambda _, cursor: rows_of(
            cursor,
            "SELECT s.schema_name AS name, COALESCE(SUM(t.data_length + t.index_length), 0) AS bytes "
            "FROM information_schema.schemata s "
            "LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name "
            "WHERE s.schema_name NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') "
            "AND s.schema_name <> DATABASE() GROUP BY s.schema_name ORDER BY 1",
        ),
    },
    "postgresql": {
        "version": lambda _, cursor: first_of(cursor, "SHOW server_version"),
        "charset": lambda _, cursor: first_of(cursor, "SHOW server_encoding"),
        "lock_timeout_s": lambda _, cursor: first_of(
            cursor, "SELECT setting::int / 1000.0 FROM pg_settings WHERE name = 'lock_timeout'"
        ),
        "sees_all": lambda _, cursor: first_of(
            cursor, "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')"
        ),
        "transactions": lambda _, cursor: rows_of(
            cursor,
            "SELECT pid AS id, EXTRACT(EPOCH FROM clock_timestamp() - xact_start)::int AS seconds, usename AS user, "
            "state AS doing FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database() "
            "AND xact_start IS NOT NULL ORDER BY 2 DESC",
        ),
        "skew_s": lambda _, cursor: skew(cursor, "SELECT EXTRACT(EPOCH FROM clock_timestamp())"),
        "places": lambda _, cursor: rows_of(
            cursor, "SELECT current_setting('data_directory') AS data, current_setting('data_directory') AS temporary"
        )[0],
        "sizes": lambda _, cursor: rows_of(
            cursor,
            "SELECT pg_database_size(current_database()) AS whole, "
            "COALESCE((SELECT MAX(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r'), 0) AS largest",
        )[0],
        "schemas": lambda _, cursor: rows_of(
            cursor,
            "SELECT datname AS name, CASE WHEN has_database_privilege(datname, 'CONNECT') "
            "THEN pg_database_size(datname) END AS bytes FROM pg_database "
            "WHERE NOT datistemplate AND datname <> current_database() ORDER BY 1",
        ),
    },
}


def recorded(alias: str) -> dict[str, Any]:
    """What this environment makes of the migrations that the database says were applied, and of its schema."""
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder

    connection = connections[alias]
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    applied = set(MigrationRecorder(connection).applied_migrations())
    on_disk = loader.disk_migrations
    known = set(on_disk) | {tuple(old) for one in on_disk.values() for old in one.replaces}
    found: dict[str, Any] = {
        "applied": sorted(".".join(key) for key in applied),
        "unknown": sorted(".".join(key) for key in applied - known),
        "half": sorted(
            ".".join(key)
            for key, one in on_disk.items()
            if one.replaces and key not in applied and half_applied(one, applied, on_disk)
        ),
    }
    try:
        executor = executor_for(alias)
        found["leaves"] = {app: sorted(names) for app, names in sorted(executor.loader.detect_conflicts().items())}
        executor.loader.check_consistent_history(connection)
        if not found["leaves"]:
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
            found["pending"] = [f"{one.app_label}.{one.name}" for one, _backwards in plan]
        state = executor._create_project_state(with_applied_migrations=True)
        found["schema"] = list(differences(state, connection))
    except Exception as error:
        found["broken"] = type(error).__name__ + ": " + scrub(error)
    return found


def half_applied(squash: Any, applied: set[Any], on_disk: Any) -> bool:
    """Some of what a squash replaces was applied, and what was not is gone from the disk: nothing can finish it."""
    replaced = {tuple(key) for key in squash.replaces}
    return bool(replaced & applied) and bool(replaced - applied - set(on_disk))


def differences(state: Any, connection: Any) -> Any:
    """Where the tables are not as the recorded migrations say: a fake, a hand-made change, a fork's column."""
    from django.db import router

    with connection.cursor() as cursor:
        there = set(connection.introspection.table_names(cursor))
        for model in sorted(state.apps.get_models(include_auto_created=True), key=lambda one: one._meta.label_lower):
            if not usable(model) or not router.allow_migrate_model(connection.alias, model):
                continue
            table = model._meta.db_table
            if table not in there:
                yield {"kind": "table", "model": model._meta.label, "name": table}
                continue
            columns = {row.name: row for row in connection.introspection.get_table_description(cursor, table)}
            wanted = {field.column for field in model._meta.local_concrete_fields}
            for name in sorted(wanted - set(columns)):
                yield {"kind": "column", "model": model._meta.label, "name": name}
            for name in sorted(set(columns) - wanted):
                if not columns[name].null_ok and columns[name].default is None:
                    yield {"kind": "foreign", "model": model._meta.label, "name": name}


def parents(graph: Any, migration: Any) -> list[Any]:
    node = graph.node_map[migration.app_label, migration.name]
    return sorted(tuple(parent.key) for parent in node.parents)


# What changes nothing that would have to be taken back.
READS = r"\s*(SELECT|SHOW|SET|EXPLAIN|DESCRIBE|PRAGMA|SAVEPOINT|RELEASE|ROLLBACK)\b"


class Meter:
    """Times every statement of one migration; keeps the slowest, without the values in them."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.sql_s = 0.0
        self.statements = 0
        self.changes = 0
        self.slowest: list[tuple[float, str]] = []
        self.ddl: list[str] = []

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        began = time.perf_counter()
        try:
            found = execute(sql, params, many, context)
            self.changes += not re.match(READS, str(sql), re.IGNORECASE)
            return found
        finally:
            took = time.perf_counter() - began
            self.sql_s += took
            self.statements += 1
            self.slowest = sorted([*self.slowest, (took, str(sql)[:300])], reverse=True)[:3]
            if (
                str(sql).lstrip()[:6].upper() in {"ALTER ", "CREATE", "DROP T", "DROP I", "RENAME"}
                and len(self.ddl) < DDL
            ):
                self.ddl.append(inlined(str(sql), params))
            self.watch.statement(str(sql))


def inlined(sql: str, params: Any) -> str:
    """A statement on the schema with its parameters, which are defaults from the code."""
    for value in params or ():
        plain = value is None or isinstance(value, (int, float))
        text = "NULL" if value is None else str(value) if plain else "'" + str(value).replace("'", "''") + "'"
        sql = sql.replace("%s", text, 1)
    return sql[:MAX_DDL]


class Watch:
    """Which columns with masked values a migration changes, tests or reads; renamed ones are followed."""

    def __init__(self, masked: dict[str, list[str]]) -> None:
        self.tables = {table: set(names) for table, names in masked.items()}
        self.found: set[str] = set()
        self.known: set[str] = set()
        self.reading = False

    def begin(self, migration: Any, state: Any) -> None:
        """Look at what a migration declares, before it runs."""
        self.found, self.known = set(), set()
        operations = list(flat(migration.operations)) if self.tables else []
        # What is no operation of Django's own, or runs code, is judged by its statements.
        self.reading = any(
            type(one).__name__ in {"RunPython", "RunSQL"} or not type(one).__module__.startswith("django.")
            for one in operations
        )
        for operation in operations:
            name = getattr(operation, "model_name", None) or getattr(operation, "name", None) or ""
            model = state.models.get((migration.app_label, str(name).lower()))
            table = model and (model.options.get("db_table") or model.app_label + "_" + model.name.lower())
            if table in self.tables:
                self.found |= {table + "." + column for column in declared(operation, model) & self.tables[table]}

    def statement(self, sql: str) -> None:
        """Look at a statement that ran; the same one again says nothing new."""
        if not self.tables or sql in self.known:
            return
        if len(self.known) < DDL:
            self.known.add(sql)
        plain = re.sub('[`"]', "", sql)
        for old, new in re.findall(r"(?:ALTER TABLE|RENAME TABLE|,)\s*([\w.]+) (?:RENAME )?TO ([\w.]+)", plain):
            if old in self.tables:
                self.tables.setdefault(new, set()).update(self.tables[old])
        for table, old, new in re.findall(r"ALTER TABLE (\S+) (?:RENAME COLUMN|CHANGE) (\S+) (?:TO )?(\S+)", plain):
            if old in self.tables.get(table, ()):
                self.tables[table].add(new)
        if self.reading and " new__" not in plain:  # not the copy that Django makes of a table of SQLite's
            words = set(re.findall(r"\w+", plain))
            for table in words & set(self.tables):
                self.found |= {table + "." + column for column in words & self.tables[table]}


def declared(operation: Any, model: Any) -> set[str]:
    """The columns whose values an operation puts to a test: another type, collation or uniqueness, or a constraint."""
    fields = dict(model.fields)
    kind = type(operation).__name__
    if kind == "AlterField":
        old, new = fields.get(operation.name), operation.field
        if old is None or tested(old) == tested(new):
            return set()
        return {column_of(operation.name, old)}
    if kind == "AlterUniqueTogether":
        before = {tuple(group) for group in model.options.get("unique_together") or ()}
        names = {name for group in operation.unique_together or () if tuple(group) not in before for name in group}
    elif kind == "AddConstraint":
        names = set(re.findall(r"\w+", repr(operation.constraint)))
    else:
        return set()
    return {column_of(name, field) for name, field in fields.items() if name in names}


def tested(field: Any) -> tuple[Any, ...]:
    return field.get_internal_type(), field.unique, getattr(field, "db_collation", None)


def column_of(name: str, field: Any) -> str:
    return str(field.db_column or (name + "_id" if field.remote_field and not field.many_to_many else name))


def migrate(request: dict[str, Any], answers: Answers) -> None:
    """Run what is pending, one migration at a time; after a failure go on with what does not depend on it.

    `only` names the migrations to run, without which everything runs; `failed` those that did not; `stop` ends the run
    at the first failure; `signals` is False for a part of an upgrade that another part follows. `masked` names the
    columns whose values are not the real ones, by table.
    """
    from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal

    alias = request.get("alias", "default")
    executor = executor_for(alias)
    connection = executor.connection
    leaves = executor.loader.graph.leaf_nodes()
    pending = [migration for migration, _backwards in executor.migration_plan(leaves)]
    if "only" in request:
        wanted = set(request["only"])
        pending = [one for one in pending if one.app_label + "." + one.name in wanted]
    signals = request.get("signals", True)
    graph = executor.loader.graph
    began = time.perf_counter()
    connection.prepare_database()
    executor.recorder.ensure_schema()
    state = executor._create_project_state(with_applied_migrations=True)
    if signals:
        emit_pre_migrate_signal(0, False, alias, apps=state.apps, plan=[(one, False) for one in pending])
    answers.say("ready", pending=len(pending), state_s=time.perf_counter() - began)
    watch = Watch(request.get("masked") or {})
    failed: set[tuple[str, ...]] = {tuple(label.split(".", 1)) for label in request.get("failed", [])}
    for number, migration in enumerate(pending, 1):
        key = (migration.app_label, migration.name)
        name = {"app": key[0], "name": key[1], "number": number}
        if failed & set(graph.forwards_plan(key)):
            failed.add(key)
            answers.say("skipped", **name)
            continue
        answers.say("started", **name)
        watch.begin(migration, state)
        meter, began, held = Meter(watch), time.perf_counter(), len(HELD)
        try:
            with connection.execute_wrapper(meter):
                state = executor.apply_migration(state, migration)
        except Exception as error:
            answers.say(
                "failed",
                after_failure=bool(failed),
                held_back=len(HELD) > held or was_held(error),
                masked_reads=sorted(watch.found),
                **dict(name, **failure(error, meter, began)),
            )
            failed.add(key)
            if request.get("stop"):
                break
            executor = executor_for(alias)
            connection = executor.connection
            state = executor._create_project_state(with_applied_migrations=True)
            continue
        took = time.perf_counter() - began
        answers.say(
            "done",
            seconds=took,
            sql_seconds=meter.sql_s,
            state_seconds=max(0.0, took - meter.sql_s),
            statements=meter.statements,
            ddl=meter.ddl,
            slowest=[{"seconds": seconds, "sql": sql} for seconds, sql in meter.slowest],
            masked_reads=sorted(watch.found),
            after_failure=bool(failed),
            **name,
        )
    began = time.perf_counter()
    if signals and not failed:
        emit_post_migrate_signal(0, False, alias, apps=state.apps, plan=[(one, False) for one in pending])
    masked = {table: sorted(names) for table, names in watch.tables.items()}
    answers.say("finished", failed=len(failed), post_s=time.perf_counter() - began, masked=masked)


def failure(error: Exception, meter: Meter, began: float) -> dict[str, Any]:
    cause = error.__cause__ or error
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else None
    number = number or getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    took = time.perf_counter() - began
    return {
        "seconds": took,
        "sql_seconds": meter.sql_s,
        "state_seconds": max(0.0, took - meter.sql_s),
        "ddl": meter.ddl,
        "statement": last_statement(error),
        "error": type(error).__name__,
        "error_code": number,
        "changes": meter.changes,
        "message": scrub(error),
    }


def last_statement(error: Exception) -> str:
    """The statement that failed, from the frame that ran it: bound values are not part of it."""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        values = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_name in {"execute", "_execute"} and isinstance(values.get("sql"), str):
            found = values["sql"]
        trace = trace.tb_next
    return found[:MAX_TEXT]


def scrub(error: BaseException) -> str:
    """An error's words without the values in them: what stands in quotes may be data about a person."""
    text = str(error)
    for pattern in (
        r"(Duplicate entry )'.*'( for key)",
        r"((?:Truncated i|I)ncorrect [\w ]+ value:? )'.*'( for (?:column|function))",
        r"((?:Duplicate entry|ncorrect [\w ]+ value:?) )'.*()",  # a server cuts a long message off
        r"(invalid input [^:]*: )\".*\"()",
        r"(out of range: |value )\".*\"()",
        r"(Key \([^)]*\)=)\(.*\)()",
        r"(Failing row contains )\(.*\)()",
        r"(\nDETAIL:  Token ).*()",
        r"(\nCONTEXT:).*()",
        r"(with base \d+: |to float: |but got )['\"].*['\"]()",
        r"(\u201c).*(\u201d)",
    ):
        text = re.sub(pattern, r"\1…\2", text, flags=re.DOTALL)
    return re.sub(r"[\w.+-]+@[\w.-]+", "…@…", text)[:MAX_TEXT]


def check(request: dict[str, Any], answers: Answers) -> None:
    """Read, find, save and insert rows of every model of the target: what a green migration does not show."""
    from django.apps import apps
    from django.db import connections

    alias = request.get("alias", "default")
    connection = connections[alias]
    tables = set(connection.introspection.table_names())
    models = [model for model in apps.get_models(include_auto_created=True) if usable(model)]
    answers.say("ready", models=len(models))
    for model in sorted(models, key=lambda one: one._meta.label_lower):
        Checks(model, connection, tables, answers).run()
    stale_names(connection, tables, answers)
    answers.say("finished")


def serve(request: dict[str, Any], answers: Answers) -> None:
    """Serve the application on a Unix socket until this process is ended: the one door between two networks."""
    from django.apps import apps
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.servers.basehttp import get_internal_wsgi_application

    application = get_internal_wsgi_application()
    if apps.is_installed("django.contrib.staticfiles") and settings.STATIC_URL:
        from django.contrib.staticfiles.handlers import StaticFilesHandler

        with contextlib.suppress(ImproperlyConfigured):
            application = StaticFilesHandler(application)
    server = unix_server(request["socket"], request["origin"])
    server.set_app(application)
    answers.say("serving")
    server.serve_forever(poll_interval=5)


def unix_server(path: str, origin: str) -> Any:
    """A WSGI server with a thread for each request, on a socket, that says it stands at an address."""
    import socket
    import socketserver
    from urllib.parse import urlsplit
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    parts = urlsplit(origin)
    default = 443 if parts.scheme == "https" else 80

    class Handler(WSGIRequestHandler):
        timeout = 60

        def get_stderr(self) -> Any:
            return sys.stderr

        def log_message(self, *_given: Any) -> None:
            """Requests are the checks' own to tell."""

    base: Any = WSGIServer

    class Server(socketserver.ThreadingMixIn, base):  # type: ignore[misc] # its address may be a path too
        address_family = socket.AF_UNIX
        daemon_threads = True

        def server_bind(self) -> None:
            # The name of a socket may have 107 bytes; by way of its folder the path may be as long as it likes.
            folder = os.open(str(Path(path).parent), os.O_PATH | os.O_DIRECTORY)
            try:
                self.socket.bind(f"/proc/self/fd/{folder}/{Path(path).name}")
            finally:
                os.close(folder)
            self.server_name, self.server_port = parts.hostname or "localhost", parts.port or default
            self.setup_environ()
            self.base_environ["HTTPS"] = "on" if parts.scheme == "https" else "off"

        def get_request(self) -> Any:
            return self.socket.accept()[0], ("127.0.0.1", 0)

        def handle_error(self, *_given: Any) -> None:
            traceback.print_exc()

    return Server(path, Handler)


def stale_names(connection: Any, tables: set[str], answers: Answers) -> None:
    """Rows that name a model which the code does not have, through its content type.

    Where a model of the same name stands in another app, it was moved there and its rows were left behind: grants and
    generic relations are lost to the code. Where none does, the model was given up, which may be meant.
    """
    from django.apps import apps

    if not apps.is_installed("django.contrib.contenttypes"):
        return
    from django.contrib.contenttypes.models import ContentType

    if ContentType._meta.db_table not in tables:
        return
    alias = connection.alias
    there = {(one.app_label, one.model) for one in ContentType.objects.using(alias).all()}
    for row in ContentType.objects.using(alias).order_by("app_label", "model"):
        if row.model_class() is not None:
            continue
        heirs = [
            app
            for app, model in sorted(there)
            if model == row.model and app != row.app_label and found_model(apps, app, model)
        ]
        named = sum(count for _name, count in naming(row, ContentType, apps, alias, tables))
        if not named:
            continue
        detail = f"{named} rows of grants and relations name this model, which is not there"
        detail += f" any more: it is {heirs[0]}.{row.model} now" if heirs else ""
        answers.say(
            "check",
            id="contenttypes.stale",
            verdict="fail" if heirs else "unknown",
            model="contenttypes.ContentType",
            field=f"{row.app_label}.{row.model}",
            detail=detail,
        )


def found_model(apps: Any, app: str, model: str) -> bool:
    try:
        apps.get_model(app, model)
    except LookupError:
        return False
    return True


def naming(row: Any, content_type: Any, apps: Any, alias: str, tables: set[str]) -> Any:
    """The tables that name a content type, and how many of their rows do; a permission counts by its grants."""
    for model in apps.get_models(include_auto_created=True):
        if not usable(model) or model._meta.db_table not in tables or model._meta.label == "admin.LogEntry":
            continue
        permission = model._meta.label == "auth.Permission"
        for field in model._meta.local_concrete_fields:
            parent = field.remote_field.model if field.remote_field else None
            if parent is content_type and not permission:
                yield model._meta.label, model._base_manager.using(alias).filter(**{field.name: row}).count()
            elif parent is not None and getattr(parent, "_meta", None) and parent._meta.label == "auth.Permission":
                named = {field.name + "__content_type": row}
                yield model._meta.label, model._base_manager.using(alias).filter(**named).count()


def usable(model: Any) -> bool:
    return model._meta.managed and not model._meta.proxy and not model._meta.swapped


class Checks:
    """The checks of one model; each says pass, fail or unknown, with a field and no value."""

    def __init__(self, model: Any, connection: Any, tables: set[str], answers: Answers) -> None:
        self.model, self.connection, self.answers = model, connection, answers
        self.table = model._meta.db_table
        self.there = self.table in tables
        self.manager = model._base_manager.using(connection.alias)

    def say(self, check_id: str, verdict: str, field: str = "", detail: str = "") -> None:
        self.answers.say(
            "check", id=check_id, verdict=verdict, model=self.model._meta.label, field=field, detail=detail
        )

    def run(self) -> None:
        if not self.there:
            heir = handed_over(self.table, self.connection)
            if heir:
                self.say(
                    "models.table", "unknown", detail=f"its table was handed over to {heir}, where its rows are checked"
                )
            else:
                self.say("models.table", "fail", detail=f"the table {self.table} is not there")
            return
        for name in ("schema", "read"):
            if not self.guarded("models." + name, getattr(self, name)):
                return
        for name in ("lookup", "save", "insert", "orphans"):
            self.guarded("models." + name, getattr(self, name))

    def guarded(self, check_id: str, work: Any) -> bool:
        from django.db import transaction

        try:
            with transaction.atomic(using=self.connection.alias):
                found = work()
                transaction.set_rollback(True, using=self.connection.alias)
        except Exception as error:
            self.say(check_id, "fail", detail=f"{type(error).__name__}: {scrub(error)}")
            return False
        if found is None:
            self.say(check_id, "pass")
        return True

    def schema(self) -> Any:
        with self.connection.cursor() as cursor:
            columns = {row.name: row for row in self.connection.introspection.get_table_description(cursor, self.table)}
        missing = [field.name for field in self.model._meta.local_concrete_fields if field.column not in columns]
        for name in missing:
            self.say("models.schema", "fail", name, "the column is not there")
        known = {field.column for field in self.model._meta.local_concrete_fields}
        for name, row in sorted(columns.items()):
            if name not in known and not row.null_ok and row.default is None:
                self.say("models.schema", "fail", name, "a column that no model knows needs a value")
                missing.append(name)
        return missing or None

    def sample(self) -> list[Any]:
        rows = self.manager.order_by("pk")
        first = list(rows[:SAMPLE])
        return first + [row for row in rows.reverse()[:SAMPLE] if row.pk not in {one.pk for one in first}]

    def read(self) -> None:
        self.rows = self.sample()
        for row in self.rows:
            repr(row.pk)

    def lookup(self) -> Any:
        """Each row is found by each of its unique fields: a value that reads but does not match is lost to the code."""
        bad = []
        for field in self.model._meta.local_concrete_fields:
            # A UUID identifies by its nature, whether or not the table says so.
            if not (field.unique or field.get_internal_type() == "UUIDField"):
                continue
            lost = 0
            for row in self.rows:
                value = getattr(row, field.attname)
                if value is not None and not self.manager.filter(**{field.attname: value}).exists():
                    lost += 1
            if lost:
                bad.append(field.name)
                self.say(
                    "models.lookup",
                    "fail",
                    field.name,
                    f"{lost} of {len(self.rows)} rows are not found by their own value",
                )
        return bad or None

    def save(self) -> None:
        for row in self.rows[:SAMPLE]:
            row.save_base(raw=True, force_update=True, using=self.connection.alias)

    def insert(self) -> Any:
        """A copy of an existing row with values of its own where they must be unique, taken back at once."""
        if not self.rows or self.model._meta.parents:
            self.say(
                "models.insert",
                "unknown",
                detail="there is no row to copy" if not self.rows else "a child of another table",
            )
            return []
        row = self.rows[-1]
        values = {field.attname: getattr(row, field.attname) for field in self.model._meta.local_concrete_fields}
        changed: set[str] = set()
        for group in self.unique_groups():
            if changed & {field.name for field in group}:
                continue
            if any(values[field.attname] is None for field in group):
                continue  # NULL equals nothing, so the group is not violated
            for field in sorted(group, key=lambda one: one.remote_field is not None):
                value = self.free_parent(field, group, values) if field.remote_field else another(field)
                if value is not REFUSED:
                    values[field.attname] = value
                    changed.add(field.name)
                    break
            else:
                names = ", ".join(sorted(field.name for field in group))
                self.say("models.insert", "unknown", names, "no other value can be made up")
                return []
        return self.inserted(values)

    def inserted(self, values: dict[str, Any]) -> Any:
        from django.db import Error

        try:
            self.model(**values).save_base(raw=True, force_insert=True, using=self.connection.alias)
        except Exception as error:
            # The row is made up: a rule of the application's own, or a value that is taken after all, speaks against
            # the row and not against the upgrade.
            own = not isinstance(error, Error) and type(error).__module__.split(".")[0] in application_packages()
            if not own and not taken(error):
                raise
            self.say("models.insert", "unknown", detail=f"the row made up for it is refused: {type(error).__name__}")
            return []
        return None

    def unique_groups(self) -> list[list[Any]]:
        """The fields that must be unique: alone first, then together."""
        meta = self.model._meta
        fields = {field.name: field for field in meta.local_concrete_fields}
        groups = [[field] for field in fields.values() if field.unique]
        names = [list(group) for group in meta.unique_together]
        # A condition narrows the constraint; what satisfies it without one satisfies it too.
        names += [list(one.fields) for one in meta.constraints if getattr(one, "fields", None)]
        return groups + [[fields[name] for name in group if name in fields] for group in names]

    def free_parent(self, field: Any, group: list[Any], values: dict[str, Any]) -> Any:
        """A row that this one may point at without meeting another: tried among the first and the last ones."""
        parents = field.remote_field.model._base_manager.using(self.connection.alias)
        name = field.target_field.attname
        kept = {one.attname: values[one.attname] for one in group if one is not field}
        for order in ("-pk", "pk"):
            for value in parents.order_by(order).values_list(name, flat=True)[:SAMPLE]:
                if not self.manager.filter(**dict(kept, **{field.attname: value})).exists():
                    return value
        return REFUSED

    def orphans(self) -> Any:
        quote, bad = self.connection.ops.quote_name, []
        for field in self.model._meta.local_concrete_fields:
            if field.remote_field is None or not getattr(field, "db_constraint", False):
                continue
            target = field.target_field
            names = (self.table, target.model._meta.db_table, field.column, target.column)
            child, parent, own, column = (quote(name) for name in names)
            sql = (
                f"SELECT COUNT(*) FROM {child} c LEFT JOIN {parent} p ON c.{own} = p.{column} "  # noqa: S608 - quoted
                f"WHERE c.{own} IS NOT NULL AND p.{column} IS NULL"
            )
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
                count = cursor.fetchone()[0]
            if count:
                bad.append(field.name)
                self.say("models.orphans", "fail", field.name, f"{count} rows point at nothing")
        return bad or None


REFUSED = object()


def another(field: Any) -> Any:
    """A value that no row has: None lets the database number the row.

    What a field of the application's own takes is not known here.
    """
    import uuid

    forms = ("to_python", "get_prep_value", "get_db_prep_value", "from_db_value", "pre_save")
    if any(not getattr(type(field), name, another).__module__.startswith(("django.", __name__)) for name in forms):
        return REFUSED
    kind = field.get_internal_type()
    if field.primary_key and kind.endswith("AutoField"):
        return None
    if kind == "UUIDField":
        return uuid.uuid4()
    if kind in {"CharField", "SlugField", "TextField"}:
        made = uuid.uuid4().hex
        return made[: field.max_length] if field.max_length else made
    if kind.endswith("IntegerField"):
        return SMALL if kind.endswith("SmallIntegerField") else 2000000000 + uuid.uuid4().int % 100000000
    return REFUSED


def taken(error: BaseException) -> bool:
    """Whether a database refused a row because of a unique value, in its own words or numbers."""
    cause = error.__cause__ or error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    number = cause.args[0] if cause.args else None
    return state == "23505" or number == DUPLICATE_ENTRY or "UNIQUE constraint failed" in str(cause)


def application_packages() -> set[str]:
    """The packages whose exceptions are rules of the application: all but Django, the drivers and the language."""
    builtin = {"builtins", "django", "sqlite3", "MySQLdb", "pymysql", "psycopg", "psycopg2"}
    return {name.split(".")[0] for name in sys.modules} - builtin - set(getattr(sys, "stdlib_module_names", ()))


def handed_over(table: str, connection: Any) -> str:
    """The model that the target's migrations made over a table of another model, as when apps are merged; or nothing.

    A model may stay behind without a table of its own, for the foreign keys of earlier migrations. Only a model whose
    own table is there counts.
    """
    from django.apps import apps
    from django.db.migrations.loader import MigrationLoader

    there = set(connection.introspection.table_names())
    for migration in MigrationLoader(connection).disk_migrations.values():
        for operation in flat(migration.operations):
            if dict(getattr(operation, "options", None) or {}).get("db_table") != table:
                continue
            with contextlib.suppress(LookupError):
                model = apps.get_model(migration.app_label, operation.name)
                if model._meta.db_table != table and model._meta.db_table in there:
                    return str(model._meta.label)
    return ""


def flat(operations: Any) -> Any:
    for operation in operations:
        yield operation
        yield from flat(getattr(operation, "database_operations", ()))
        yield from flat(getattr(operation, "state_operations", ()))


VERBS = {
    "facts": facts,
    "tables": tables,
    "relations": relations,
    "configuration": configuration,
    "installed": installed,
    "columns": columns,
    "preflight": preflight,
    "plan": plan,
    "migrate": migrate,
    "check": check,
    "serve": serve,
}


ALIVE_S = 10.0


def leave_with(parent: int, answers: Answers) -> None:
    """Say now and then that this process lives, and end when whoever asked is gone: nobody would remove the shadow."""
    said = time.monotonic()
    while os.getppid() == parent:
        time.sleep(0.5)
        if time.monotonic() - said >= ALIVE_S:
            said = time.monotonic()
            answers.say("alive")
    os._exit(1)


def main(arguments: list[str]) -> int:
    request_path, answers_path = arguments
    with Path(request_path).open(encoding="utf-8") as file:
        request = json.load(file)
    answers = Answers(answers_path)
    threading.Thread(target=leave_with, args=(os.getppid(), answers), daemon=True).start()
    if request.get("guard"):
        hold_back(request["guard"], answers)
    try:
        setup(request)
        for verb in request["verbs"]:
            VERBS[verb](request, answers)
    except RefusedError as error:
        answers.say("refused", code=error.code, message=str(error))
        return 1
    except BaseException as error:  # settings may raise anything, SystemExit among it
        traceback.print_exc()
        answers.say("refused", code="upgrades.inside", message=f"{type(error).__name__}: {scrub(error)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
