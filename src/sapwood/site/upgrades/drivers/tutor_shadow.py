"""The shadow of a Tutor site: a second project with a root, secrets, ports, data and a network of its own."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Phrase
from sapwood.site.facts.api import TutorRoot
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.drivers.inside import NO_SECRET, SECRET
from sapwood.site.upgrades.drivers.tutor_place import NO_ADDRESS, Place, PlaceError, openings
from sapwood.site.upgrades.drivers.tutor_sides import Seen

LOCAL: Final = "env/local"
OVERRIDES: Final = (
    "docker-compose.override.yml",
    "docker-compose.prod.override.yml",
    "docker-compose.jobs.override.yml",
)
NETWORK: Final = "docker-compose.prod.override.yml"  # the last that Tutor gives to compose
JOBS: Final = "docker-compose.jobs.yml"
WORTHLESS: Final = "sapwood-rehearsal"
DATABASE_WORDS: Final = ("MYSQL", "MARIADB", "POSTGRES", "MONGODB")
# An internal network alone lets a container reach whatever listens on this machine, production's own ports among it,
# by the bridge's address (measured with Docker 20.10). Without such an address nobody leads anywhere.
SHUT: Final = {"internal": True, "driver_opts": {NO_ADDRESS: "true"}}
# The address is one of RFC 5737. That a connection gets no answer would prove nothing: there must be no way at all.
NO_WAY_OUT: Final = (
    "import errno, socket, sys\n"
    "try:\n    socket.create_connection(('192.0.2.1', 9), 20).close()\n"
    "except OSError as error:\n    sys.exit(0 if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH) else 3)\n"
    "sys.exit(3)"
)


class EscapeError(SapwoodError):
    """A copy of the site could reach or change something outside of itself."""

    code = "upgrades.not_isolated"


@contextmanager
def shadow_of(
    seen: Seen, folder: Path, *, keep_passwords: bool, log: Path
) -> Iterator[tuple[Place, dict[str, list[str]]]]:
    """A shadow with nothing in it yet, and which secrets it has anew; gone at the end, whatever happens."""
    root = folder / "root"
    root.mkdir(mode=0o755)  # the folder above lets nobody in; the accounts of containers come by mounts
    (folder / container.CONTAINERS).touch()
    config, replaced = shadow_config(seen, folder, keep_passwords=keep_passwords)
    _write(root / "config.yml", yaml.safe_dump(config, allow_unicode=True))
    place = Place(
        root,
        container.project_of(folder),
        folder,
        plugins_root=seen.subject.plugins_root,
        secrets=(*secret_values(seen.root), *secret_values(root)),
        image=seen.current.images.get("DOCKER_IMAGE_OPENEDX", ""),
        kept_log=log,
    )
    try:
        place.save(seen.current.program)
        place.secrets = (*place.secrets, *secret_values(root))  # those that Tutor made
        for name in OVERRIDES:
            _override(seen.root / LOCAL / name, root / LOCAL / name, network=name == NETWORK)
        yield place, replaced
    finally:
        remove(folder, place)


def remove(folder: Path, place: Place | None = None) -> None:
    """Remove the shadow of a private folder from the engine, and its data, whose owners may be others."""
    container.remove_project(container.project_of(folder), folder)
    data = folder / "root" / "data"
    if data.is_dir() and os.geteuid() != 0 and place is not None:
        with suppress(SapwoodError):
            place.folders("empty", data)


def require_isolated(place: Place, program: Path) -> None:
    """Raise EscapeError unless what compose would run, jobs too, can neither reach nor change anything else."""
    found = openings(place.model(program), place.root)
    jobs = place.root / LOCAL / JOBS
    if jobs.exists():
        found += openings(place.model(program, "-f", str(jobs)), place.root)
    if found:
        raise EscapeError(
            Phrase("A copy would not be shut in: %(why)s", why=Phrase.listed(list(dict.fromkeys(found))[:5])),
            hint=Phrase("Look at the site's own patches and override files of compose."),
        )


def require_no_way_out(place: Place, program: Path) -> None:
    """Raise EscapeError when a container of the shadow has a route to anywhere outside."""
    try:
        place.tutor(program, "local", "run", "--no-deps", "lms", "python", "-c", NO_WAY_OUT, limit_s=600)
    except container.CommandFailedError as error:
        raise EscapeError(
            Phrase("It was not shown that the copy's network has no way out: %(why)s", why=error.message),
            hint=error.hint,
        ) from None


def shadow_config(seen: Seen, folder: Path, *, keep_passwords: bool) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The site's configuration with other names, ports and secrets; which secrets were replaced and kept."""
    config, replaced = dict(read_config(seen.root)), {"replaced": list[str](), "kept": list[str]()}
    for name in list(config):
        if not is_secret(name) and name not in seen.current.generated:
            continue
        if keep_passwords and any(word in name for word in DATABASE_WORDS):
            replaced["kept"].append(name)  # they stand in the copied files of the databases
        elif name in seen.current.generated:
            del config[name]  # Tutor makes another one
            replaced["replaced"].append(name)
        elif isinstance(config[name], str) and config[name]:
            config[name] = WORTHLESS
            replaced["replaced"].append(name)
    project = container.project_of(folder)
    # Tutor stops whatever platform of this root's configuration has another name: the development one too.
    config |= {"LOCAL_PROJECT_NAME": project, "DEV_PROJECT_NAME": f"{project}-dev"}
    config |= {"CADDY_HTTP_PORT": free_port(), "ENABLE_WEB_PROXY": False}
    return config, replaced


def read_config(root: Path) -> Mapping[str, Any]:
    """The configuration of a root, with the types that its YAML says."""
    text = TutorRoot(root).text("config.yml")
    try:
        found = yaml.safe_load(text or "")
    except yaml.YAMLError:
        found = None
    if not isinstance(found, dict):
        raise PlaceError(Phrase("config.yml cannot be read"), hint=Phrase("Does `tutor config save` read it?"))
    return found


def is_secret(name: str) -> bool:
    """Whether a setting of this name holds one."""
    words = set(name.upper().split("_"))
    return bool(words & SECRET) and not words & NO_SECRET


def secret_values(root: Path) -> tuple[str, ...]:
    """Every text of the configuration that must not be seen in a log."""
    found = read_config(root)
    return tuple(text for name, value in found.items() if is_secret(str(name)) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _override(own: Path, goal: Path, *, network: bool) -> None:
    """The operator's own file for compose, if there is one, and on top that no network leads out."""
    content: dict[str, Any] = {}
    if own.exists():
        try:
            found = yaml.safe_load(own.read_text(encoding="utf-8"))
        except (yaml.YAMLError, OSError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise PlaceError(Phrase("%(file)s cannot be read", file=own), hint=Phrase("Is it YAML?"))
        content = found
    if network:
        content = content | {"networks": (content.get("networks") or {}) | {"default": SHUT}}
    if content:
        _write(goal, yaml.safe_dump(content, allow_unicode=True))


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def free_port() -> int:
    """A port that nobody has; nothing of the shadow listens on it, but Tutor wants one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
