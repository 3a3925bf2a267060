"""What the subject's code can reach while it is looked at or rehearsed, in words of upgrades.

`core.isolation` does it. Where this machine gives no namespaces, `drivers/inside.py` refuses what it can see, and the
report says what that leaves open.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sapwood.core.isolation import (
    MARK,
    RUNTIME,
    Ability,
    Confinement,
    Kind,
    end_marked,
    mark,
    probe,
    real,
    shut_in,
    wrap,
)
from sapwood.site.upgrades.data import DatabaseUrl

__all__ = [
    "MARK",
    "Ability",
    "Confinement",
    "Kind",
    "Level",
    "confinement",
    "described",
    "end_marked",
    "guard",
    "mark",
    "probe",
    "wrap",
]

CONTROL: Final = (
    "docker.sock",
    "docker",
    "containerd",
    "podman",
    "redis",
    "redis.sock",
    "memcached",
    "rabbitmq",
    "dbus",
)


class Level(StrEnum):
    """How much of production is in reach: it may be read, or nothing of it."""

    READING = "reading"
    SHADOW = "shadow"


def confinement(
    level: Level, *, databases: Mapping[str, DatabaseUrl], production: Iterable[DatabaseUrl], scratch: Path
) -> Confinement:
    """What code needs that works on `databases` with a folder for itself; `production` is what it must not reach."""
    servers = [url for url in databases.values() if url.vendor != "sqlite3"]
    if level is Level.READING and servers:
        control = [place / name for place in RUNTIME for name in CONTROL]
        return Confinement("host", (scratch,), hidden=real(control))
    writable = {scratch}
    if level is Level.SHADOW:
        # SQLite keeps its journal beside the file, so the whole folder must be writable.
        writable |= {Path(url.name).parent for url in databases.values() if url.vendor == "sqlite3"}
    return shut_in(
        writable=writable,
        sockets={Path(url.socket) for url in servers if url.socket},
        named={Path(url.socket) for url in production if url.socket},
    )


def guard(confined: Confinement, ability: Ability) -> dict[str, Any] | None:
    """What `drivers/inside.py` is to let through by itself; None where production must be read."""
    if confined.network == "host":
        return None
    paths = [*confined.visible, *confined.writable]
    return {"loopback": ability.kind is Kind.NAMESPACES, "sockets": [str(path) for path in paths]}


def described(ability: Ability) -> dict[str, Any]:
    """For the report: what a rehearsal's code could not reach, what it could, and why."""
    if ability.kind is Kind.NAMESPACES:
        held = [
            "the network, this machine's own addresses and abstract sockets included",
            "sockets in /run, in /tmp and in every folder where one was open",
            "writing outside the shadow's folder",
            "other processes, shared memory, devices",
        ]
        left = [
            "reading files that this account may read",
            "a socket that a container keeps in a folder which is none of the usual places and in no database address",
        ]
        return {"kind": ability.kind.value, "held": held, "not_held": left, "why": ""}
    held = [
        "the databases of the settings: each is replaced by its shadow",
        "connections that Python itself makes",
        "mail, tasks and caches of the settings",
    ]
    left = [
        "connections made by libraries in C, among them database clients, to addresses that the settings do not name",
        "programs that the code starts",
        "writing to files that this account may write",
    ]
    return {"kind": ability.kind.value, "held": held, "not_held": left, "why": ability.why}
