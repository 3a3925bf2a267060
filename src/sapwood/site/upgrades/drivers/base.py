"""The contract of a driver: what planning, rehearsing and applying ask of a kind of deployment.

A driver knows one kind of deployment (a Django project, a Tutor root, a cluster). It reads without changing anything;
what would change something it hands out as commands, each with its reason and the source that says so. The tests in
`tests/test_driver_contract.py` hold every driver to what is written here.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from sapwood.core.clock import Clock
from sapwood.core.errors import SapwoodError
from sapwood.formats.certificate import Table
from sapwood.site.upgrades.applying import Run
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.engines.base import Say
from sapwood.site.upgrades.journal import Journal
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.preflight import Preflight
from sapwood.site.upgrades.rehearsing import Rehearsal

KINDS: Final = ("sql", "mongodb", "search", "cache", "uploads", "configuration")
WHEN: Final = ("before", "during", "after")


@dataclass(frozen=True)
class Asked:
    """What a question to a driver comes with. `work` is Sapwood's own folder for upgrades on this machine."""

    work: Path
    now: dt.datetime
    own: Mapping[str, Any] = field(default_factory=dict)  # Sapwood's own database, as Django's settings have it
    to: str | None = None
    catalogue: Path | None = None
    waivers: Mapping[str, str] = field(default_factory=dict)
    masking: bool = False


@dataclass(frozen=True)
class Command:
    """Something to run, as words and never as a line for a shell; empty words: a person does it.

    `place` is the release whose software must run it, `source` what says that it must be run. `unverified`: it was
    never run against a real deployment of this kind.
    """

    id: str
    when: str
    title: str
    argv: tuple[str, ...]
    reason: str
    source: tuple[str, ...]
    place: str = ""
    applies: str = "yes"
    unverified: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def automated(self) -> bool:
        """Whether Sapwood would run it, rather than ask a person to."""
        return bool(self.argv)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "when": self.when,
            "on": self.place,
            "title": self.title,
            "automated": self.automated,
            "argv": list(self.argv),
            "reason": self.reason,
            "source": list(self.source),
            "applies": self.applies,
            "unverified": self.unverified,
            **({"detail": dict(self.detail)} if self.detail else {}),
        }


@dataclass(frozen=True)
class Store:
    """Where the subject keeps something that an upgrade may change.

    Either there is a way back, and `backup`, `restore` and `verify` say how; or there is none, and `no_way_back` says
    why. `irreversible` is what the upgrade does there that only that way back undoes.
    """

    name: str
    kind: str
    size_bytes: int | None
    size_why: str = ""  # why the size is not known
    backup: str = ""
    restore: str = ""
    verify: str = ""
    no_way_back: str = ""
    irreversible: tuple[str, ...] = ()
    unverified: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "size_bytes": self.size_bytes,
            "size_why": self.size_why,
            "backup": self.backup,
            "restore": self.restore,
            "verify": self.verify,
            "no_way_back": self.no_way_back,
            "irreversible": list(self.irreversible),
            "unverified": self.unverified,
        }


@dataclass(frozen=True)
class Planned:
    """The answer to `sapwood upgrade plan`: a verdict, the same content as JSON and as lines."""

    verdict: Verdict
    data: Mapping[str, Any]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Looked:
    """One look that the button and the console rest on. `refused` is why there is no plan.

    `tables` are there where they were asked for and the driver counts them; `told` is what the plan's page shows.
    """

    plan: Plan | None
    refused: SapwoodError | None
    before: Preflight
    tables: tuple[Table, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)

    def require_plan(self) -> Plan:
        """The plan; raises what kept it from being made."""
        if self.plan is None:
            raise self.refused or SapwoodError("There is no plan", hint="See preflight.")
        return self.plan


class Driver(Protocol):
    """One kind of deployment."""

    name: str

    def facts(self, subject: Subject, asked: Asked) -> Mapping[str, Any]:
        """What both sides are: versions, packages, engines. Nothing secret."""

    def stores(self, subject: Subject, asked: Asked) -> tuple[Store, ...]:
        """Every place where the subject keeps something."""

    def commands(self, subject: Subject, asked: Asked) -> tuple[Command, ...]:
        """Every step of the upgrade in its order."""

    def plan(self, subject: Subject, asked: Asked) -> Planned:
        """What the upgrade would do and what stands in its way. Unknown is never a go."""

    def preflight(self, subject: Subject, asked: Asked) -> Preflight:
        """Whether the upgrade could begin now. Every finding has a name that stays."""

    def require_rehearsal(self, subject: Subject) -> None:
        """Raise, in one line that names what is missing, where the upgrade cannot be run, on a copy or for real."""

    def freeze(self, subject: Subject, asked: Asked) -> Plan:
        """The plan that a rehearsal and the button rest on; its digest is that of `plan`."""

    def look(self, subject: Subject, asked: Asked, *, count: bool = False) -> Looked:
        """Plan and preflight by one look; `count` for the rows of every table too, which takes its time."""

    def rehearse(self, subject: Subject, asked: Asked, say: Say) -> Rehearsal:
        """Run the upgrade on a copy, which is gone afterwards, also after a crash."""

    def upgrade(self, subject: Subject, journal: Journal, clock: Clock, say: Say) -> Run:
        """What carries out a journal that was begun: forward, or back."""
