"""The subject file: a few lines of TOML that a person can write by hand. A wrong key is named, never ignored."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.data import DatabaseUrl, Fork, Hook, Mask, Side, Subject
from sapwood.site.upgrades.masking.rules import RULES

MAX_SUBJECT_BYTES = 1_000_000
MAX_NAME = 200
DRIVERS: Final = ("django", "tutor")
TECHNIQUES: Final = ("auto", "physical", "logical", "template", "file-copy", "sample")
HOOK_TIMEOUT_S: Final = 300.0
MAX_TIMEOUT_S: Final = 86_400
HOOKS: Final = ("stop", "start", "switch", "maintenance_on", "maintenance_off")
_VENDORS: Final = {
    "sqlite": "sqlite3",
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgres": "postgresql",
    "postgresql": "postgresql",
}
_TOP: Final = {
    "name", "driver", "settings", "pythonpath", "database_url", "databases",
    "current", "target", "automatic", "shadow", "checks", "hooks", "facts", "fork", "forks", "mask",
}  # fmt: skip
_SIDE: Final = {"python", "settings", "requirements", "exclude_newer", "release"}
_FORK: Final = {"repo", "upstream", "target", "head"}
MAX_FORKS: Final = 50
# What a Tutor root says by itself, nobody writes down a second time.
_TUTOR_TOP: Final = {
    "name", "driver", "root", "plugins_root", "via", "current", "target", "automatic", "shadow", "hooks",
    "fork", "forks",
}  # fmt: skip
_TUTOR_TECHNIQUES: Final = ("auto", "physical", "logical")
_TUTOR_HOOKS: Final = ("maintenance_on", "maintenance_off")
_TUTOR_SIDE: Final = {"tutor"}


class SubjectError(SapwoodError):
    """The file that describes a deployment cannot be used as it stands."""

    code = "upgrades.subject"
    exit_code = 2


def read_subject(path: Path) -> Subject:
    """Read a subject file; raises SubjectError with the key that is wrong."""
    raw = _load(path)
    here = path.resolve().parent
    if raw.get("driver") == "tutor":
        return _tutor(raw, path.resolve(), here)
    _known(raw, _TOP, "")
    driver = _text(raw, "driver", "")
    _one_of(driver, DRIVERS, "driver")
    shadow, checks = _table(raw, "shadow"), _table(raw, "checks")
    _known(shadow, {"technique"}, "shadow.")
    _known(checks, {"packs", "base_url"}, "checks.")
    technique = _text(shadow, "technique", "shadow.", "auto")
    _one_of(technique, TECHNIQUES, "shadow.technique")
    settings = _text(raw, "settings", "")
    return Subject(
        path=path.resolve(),
        name=_name(raw),
        driver=driver,
        pythonpath=tuple(here / part for part in _texts(raw, "pythonpath", "")),
        databases=_databases(raw, here),
        current=_side(raw, "current", here, settings),
        target=_side(raw, "target", here, settings),
        technique=technique,
        packs=_texts(checks, "packs", "checks."),
        base_url=_address(checks),
        mask=_mask(raw, here),
        hooks=_hooks(raw),
        automatic=_automatic(raw, here, settings),
        facts=here / facts if (facts := _text(raw, "facts", "", "")) else None,
        forks=tuple(_forks(raw, here)),
    )


def _automatic(raw: Mapping[str, Any], here: Path, settings: str) -> Side | None:
    """What a new release means here: a side with {version} or {tag} where the release's own goes."""
    return _names_release(_side(raw, "automatic", here, settings)) if "automatic" in raw else None


def _names_release(side: Side) -> Side:
    if not any(
        "{version}" in text or "{tag}" in text for text in (str(side.python), str(side.tutor), *side.requirements)
    ):
        raise SubjectError(
            "automatic names no release", hint='Write {version} where it goes: requirements = ["campus=={version}"].'
        )
    return side


def _tutor(raw: Mapping[str, Any], path: Path, here: Path) -> Subject:
    """A deployment by Tutor: its root, and the Tutor of each side."""
    _known(raw, _TUTOR_TOP, "")
    sides = []
    for name in ("current", "target", *(["automatic"] if "automatic" in raw else [])):
        table = _table(raw, name)
        _known(table, _TUTOR_SIDE, f"{name}.")
        sides.append(Side(python=None, settings="", tutor=here / _text(table, "tutor", f"{name}.")))
    plugins_root = _text(raw, "plugins_root", "", "")
    shadow = _table(raw, "shadow")
    _known(shadow, {"technique"}, "shadow.")
    technique = _text(shadow, "technique", "shadow.", "auto")
    _one_of(technique, _TUTOR_TECHNIQUES, "shadow.technique")
    _known(_table(raw, "hooks"), _TUTOR_HOOKS, "hooks.")
    return Subject(
        path=path,
        name=_name(raw),
        driver="tutor",
        pythonpath=(),
        databases={},
        current=sides[0],
        target=sides[1],
        technique=technique,
        hooks=_hooks(raw),
        root=here / _text(raw, "root", ""),
        plugins_root=here / plugins_root if plugins_root else None,
        via=tuple(here / part for part in _texts(raw, "via", "")),
        forks=tuple(_forks(raw, here)),
        automatic=_names_release(sides[2]) if "automatic" in raw else None,
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SUBJECT_BYTES + 1)
    except OSError as error:
        raise SubjectError(f"{path} cannot be read: {error.strerror}", hint="Give the subject's file.") from None
    if len(content) > MAX_SUBJECT_BYTES:
        raise SubjectError(f"{path} is larger than {MAX_SUBJECT_BYTES:,} bytes", hint="Give the subject's file.")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SubjectError(f"{path} is not TOML: {error}", hint="Correct that place.") from None


def _name(raw: Mapping[str, Any]) -> str:
    name = _text(raw, "name", "")
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise SubjectError(f"name must be one line of at most {MAX_NAME} characters", hint="Shorten it.")
    return name


def _databases(raw: Mapping[str, Any], here: Path) -> dict[str, DatabaseUrl]:
    found = {}
    if "database_url" in raw:
        found["default"] = _database(_text(raw, "database_url", ""), "database_url", here)
    for alias, url in _table(raw, "databases").items():
        key = f"databases.{alias}"
        if not re.fullmatch(r"[\w-]{1,63}", alias):
            raise SubjectError(f"{key!a} is not the name of a database", hint="Use its alias in DATABASES.")
        if not isinstance(url, str):
            raise SubjectError(f"{key} must be an address", hint="Write it like database_url.")
        if alias in found:
            raise SubjectError(f"{key} stands beside database_url", hint="Keep one of the two.")
        found[alias] = _database(url, key, here)
    return found


def _database(url: str, key: str, here: Path) -> DatabaseUrl:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url(key) from None
    vendor = _VENDORS.get(parts.scheme)
    if vendor is None:
        raise _bad_url(key)
    if vendor == "sqlite3":
        # sqlite:///relative and sqlite:////absolute, as the field writes them.
        place = unquote(parts.path.removeprefix("/"))
        if not place:
            raise _bad_url(key)
        return DatabaseUrl(vendor, str(here / place))
    name, socket = unquote(parts.path.removeprefix("/")), _socket(parts.query, key)
    if not name or not (parts.hostname or socket):
        raise _bad_url(key)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return DatabaseUrl(vendor, name, parts.hostname or "", port, user, password, str(here / socket) if socket else "")


def _socket(query: str, key: str) -> str:
    """A Unix socket instead of a host: its file (MySQL, MariaDB), or the folder that it is in (PostgreSQL)."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    place = given.pop("socket", "")
    if given:
        raise SubjectError(f"{key} holds an option that is not known", hint="Only ?socket=PATH may stand behind it.")
    return place


def _bad_url(key: str) -> SubjectError:
    # The address itself is not shown: it may hold a password.
    return SubjectError(
        f"{key} is not a database address", hint="Write sqlite:///FILE, mysql://USER@HOST:PORT/NAME or postgresql://…"
    )


def _address(checks: Mapping[str, Any]) -> str:
    """The address at which the site answers, for checks that only read."""
    url = _text(checks, "base_url", "checks.", "")
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
        good = good and not (parts.username or parts.query or parts.fragment) and url.isprintable()
    except ValueError:
        good = False
    if url and not good:
        raise SubjectError("checks.base_url is not an address", hint="Write https://campus.example.org.")
    return url.rstrip("/")


def _side(raw: Mapping[str, Any], name: str, here: Path, settings: str) -> Side:
    table = _table(raw, name)
    _known(table, _SIDE, f"{name}.")
    python = _text(table, "python", f"{name}.", "")
    requirements = _texts(table, "requirements", f"{name}.")
    if bool(python) == bool(requirements):
        raise SubjectError(
            f"{name} needs either python or requirements", hint="Name the interpreter of that environment."
        )
    if any(text.lstrip().startswith("-") or not text.isprintable() for text in requirements):
        raise SubjectError(f"{name}.requirements may name packages only", hint='Write ["Django>=5.2,<5.3", …].')
    newest = _text(table, "exclude_newer", f"{name}.", "")
    if newest and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(T[0-9:.]+(Z|[+-]\d{2}:\d{2}))?", newest):
        raise SubjectError(f"{name}.exclude_newer must be a day", hint='Write "2026-05-01".')
    return Side(
        python=here / python if python else None,
        settings=_text(table, "settings", f"{name}.", settings),
        requirements=requirements,
        exclude_newer=newest,
        release=_text(table, "release", f"{name}.", ""),
    )


def _forks(raw: Mapping[str, Any], here: Path) -> Iterator[Fork]:
    """`[fork]` for one clone, `[[forks]]` for several."""
    given: Any = raw.get("forks", [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given) or len(given) > MAX_FORKS:
        raise SubjectError("forks must be a list of tables", hint="Write [[forks]] on a line of its own.")
    found = {f"forks[{number}].": one for number, one in enumerate(given)}
    if "fork" in raw:
        found["fork."] = _table(raw, "fork")
    for place, table in found.items():
        _known(table, _FORK, place)
        named = {key: _text(table, key, place, "HEAD" if key == "head" else None) for key in sorted(_FORK)}
        for key, name in named.items():
            if not name or not name.isprintable():
                raise SubjectError(f"{place}{key} must name something", hint="See the how-to on forks.")
        yield Fork(here / named["repo"], named["upstream"], named["target"], named["head"])


def _mask(raw: Mapping[str, Any], here: Path) -> Mask:
    """Rules of the file itself, then those of the files that it names, which yield to them."""
    table = _table(raw, "mask")
    _known(table, {"rules", "defaults", "include"}, "mask.")
    defaults = table.get("defaults", True)
    if not isinstance(defaults, bool):
        raise SubjectError("mask.defaults must be true or false", hint="Without it, it is true.")
    rules = dict(_rules(table, "mask."))
    for name in _texts(table, "include", "mask."):
        more = _load(here / name)
        _known(more, {"rules"}, f"{name}: ")
        rules |= {key: rule for key, rule in _rules(more, f"{name}: ") if key not in rules}
    return Mask(rules, defaults)


def _rules(table: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """`"table.column" = "rule"`, or the columns under a table of their own."""
    waiting = list(reversed(list(_table(table, "rules", place).items())))
    while waiting:
        key, rule = waiting.pop()
        if isinstance(rule, Mapping):
            waiting += [(f"{key}.{name}", one) for name, one in reversed(list(rule.items()))]
            continue
        if "." not in key or not key.isprintable():
            raise SubjectError(f"{place}rules.{key} names no column", hint='Write "table.column" = "rule".')
        if not isinstance(rule, str) or rule not in RULES:
            raise SubjectError(f"{place}rules.{key} cannot be {rule!r}", hint=f"One of: {', '.join(RULES)}.")
        yield key, rule


def _hooks(raw: Mapping[str, Any]) -> dict[str, Hook]:
    table = _table(raw, "hooks")
    _known(table, HOOKS, "hooks.")
    return {name: _hook(table, name) for name in table}


def _hook(table: Mapping[str, Any], name: str) -> Hook:
    """A list of words, or a table of these and a limit: `stop = {argv = ["prog", "word"], timeout_s = 60}`."""
    given: Any = table[name]
    place = f"hooks.{name}."
    limit: Any = HOOK_TIMEOUT_S
    if not isinstance(given, Mapping):
        argv = _texts(table, name, "hooks.")
    else:
        _known(given, {"argv", "timeout_s"}, place)
        argv, limit = _texts(given, "argv", place), given.get("timeout_s", HOOK_TIMEOUT_S)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit <= MAX_TIMEOUT_S:
        raise SubjectError(f"{place}timeout_s must be seconds", hint=f"A number up to {MAX_TIMEOUT_S:,}.")
    if not argv:
        raise SubjectError(f"hooks.{name} names no command", hint='Write ["program", "word", …].')
    return Hook(argv, float(limit))


def _known(table: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    names = sorted(known)
    for key in table:
        if key not in names:
            raise SubjectError(f"{place}{key} is not a key of a subject file", hint=f"Known here: {', '.join(names)}.")


def _one_of(value: str, known: Iterable[str], key: str) -> None:
    if value not in known:
        raise SubjectError(f"{key} cannot be {value!r}", hint=f"One of: {', '.join(known)}.")


def _table(raw: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, Mapping):
        raise SubjectError(f"{place}{key} must be a table", hint=f"Write [{place}{key}] on a line of its own.")
    return value


def _text(table: Mapping[str, Any], key: str, place: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if value is None:
        raise SubjectError(f"{place}{key} is missing", hint="See the how-to on upgrades.")
    if not isinstance(value, str) or "\0" in value:
        raise SubjectError(f"{place}{key} must be text", hint="Put it in quotes.")
    return value


def _texts(table: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and "\0" not in item for item in value):
        raise SubjectError(f"{place}{key} must be a list of texts", hint='Write ["…", "…"].')
    return tuple(value)
