"""The django driver as the contract has it: any Django project in two environments. `django.py` asks these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from sapwood.core.clock import Clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades.applying import Run
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.drivers.base import Asked, Command, Driver, Looked, Planned, Store
from sapwood.site.upgrades.engines.base import Say, engine_for
from sapwood.site.upgrades.foretold import rehearse
from sapwood.site.upgrades.journal import Journal
from sapwood.site.upgrades.judging import as_data, for_the_page, judge, lines
from sapwood.site.upgrades.planning import Plan, counted, make_plan
from sapwood.site.upgrades.preflight import Preflight
from sapwood.site.upgrades.rehearsing import Rehearsal
from sapwood.site.upgrades.ways import commands_of

HOOKS = {
    "before": (("maintenance_on", "Close the site"), ("stop", "Stop what writes")),
    "after": (("switch", "Switch to the new environment"), ("start", "Start"), ("maintenance_off", "Open the site")),
}


class DjangoDriver(Driver):
    """Any Django project in two environments."""

    name = "django"

    @override
    def facts(self, subject: Subject, asked: Asked) -> Mapping[str, Any]:
        found = make_plan(subject, asked.work / "plan")
        return {"current": found.current, "target": found.target}

    @override
    def stores(self, subject: Subject, asked: Asked) -> tuple[Store, ...]:
        found = [_database(subject, alias) for alias in subject.databases]
        return (
            *found,
            Store(
                "media",
                "uploads",
                None,
                size_why="the settings name its folder, and the upgrade of the database does not touch it",
                no_way_back="Uploads are not backed up here; a rehearsal holds back migrations that write to them.",
            ),
            Store(
                "subject file",
                "configuration",
                subject.path.stat().st_size,
                no_way_back="Settings and environments are the operator's: both stand side by side, none is changed.",
            ),
        )

    @override
    def commands(self, subject: Subject, asked: Asked) -> tuple[Command, ...]:
        found = judge(subject, asked)
        return (
            *commands_of(found.way, "before"),
            *_hooks(subject, "before"),
            *_migrations(subject, found.require_plan()),
            *commands_of(found.way, "during"),
            *_hooks(subject, "after"),
            *commands_of(found.way, "after"),
        )

    @override
    def plan(self, subject: Subject, asked: Asked) -> Planned:
        found, stores = judge(subject, asked), self.stores(subject, asked)
        return Planned(found.verdict, as_data(found, stores), tuple(lines(found, stores)))

    @override
    def preflight(self, subject: Subject, asked: Asked) -> Preflight:
        return judge(subject, asked).before

    @override
    def require_rehearsal(self, subject: Subject) -> None:
        for url in subject.databases.values():
            engine_for(url)

    @override
    def freeze(self, subject: Subject, asked: Asked) -> Plan:
        return make_plan(subject, asked.work / "plan")

    @override
    def look(self, subject: Subject, asked: Asked, *, count: bool = False) -> Looked:
        found = judge(subject, asked, count=count)
        tables = counted(found.seen.current.one("tables")) if count and found.plan is not None else ()
        told = for_the_page(found, self.stores(subject, asked)) if found.plan is not None else {}
        return Looked(found.plan, found.refused, found.before, tables, told)

    @override
    def rehearse(self, subject: Subject, asked: Asked, say: Say) -> Rehearsal:
        say("looking at everything before")
        found = judge(subject, asked)
        return rehearse(
            subject,
            work=asked.work,
            now=asked.now,
            say=say,
            plan=found.require_plan(),
            before=found.before,
            about=found.about(),
            masking=asked.masking,
        )

    @override
    def upgrade(self, subject: Subject, journal: Journal, clock: Clock, say: Say) -> Run:
        return Run(subject, journal, clock=clock, say=say)


def _database(subject: Subject, alias: str) -> Store:
    url = subject.databases[alias]
    try:
        size, why = engine_for(url).size(url), ""
    except SapwoodError as error:
        size, why = None, error.message
    return Store(
        f"database {alias}",
        "sql",
        size,
        size_why=why,
        backup="a base backup while the site is up, and one when nothing writes",
        restore="the backup put back by the engine's own way, timed in the rehearsal",
        verify="every table counted and compared with what was backed up",
    )


def _hooks(subject: Subject, when: str) -> tuple[Command, ...]:
    return tuple(
        Command(name, when, title, subject.hooks[name].argv, "the subject file names it", ("subject file",))
        for name, title in HOOKS[when]
        if name in subject.hooks
    )


def _migrations(subject: Subject, found: Plan) -> tuple[Command, ...]:
    python = str(subject.target.python or Path("python"))
    return tuple(
        Command(
            f"migrate {migration.label}",
            "during",
            migration.line,
            (python, "-m", "django", "migrate", migration.app, migration.name),
            "the target has it and the database has not",
            ("django",),
        )
        for migration in found.migrations
    )
