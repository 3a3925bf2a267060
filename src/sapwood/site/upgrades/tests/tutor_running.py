"""A Tutor site that "runs" on a pretended engine: its platform is a small Django project with real rows on SQLite."""

import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from sapwood.accounts.api import create_person
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.site.facts.tests.tutor_roots import KEY, make_root
from sapwood.site.upgrades import actions, api, cli
from sapwood.site.upgrades.tests import fake_docker, fake_tutor, tutor_sites
from sapwood.site.upgrades.tests.conftest import Campus

SECRET = "c4n4ry-root-password"
SETTINGS = """
import os
from campus_settings import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SITE_DATABASE"]}}
"""


class Engine:
    """The pretended engine: what it was asked for, and what it shall make of the next call."""

    def __init__(self, folder: Path, campus: Campus) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        program(Path(fake_docker.__file__), folder / "bin" / "docker")
        (folder / "site_settings.py").write_text(SETTINGS)
        sides = {"20.": campus.folder / "old/bin/python", "21.": campus.folder / "new/bin/python"}
        (folder / "sides.json").write_text(json.dumps({start: str(path) for start, path in sides.items()}))
        (folder / "campus.json").write_text(json.dumps(str(campus.folder)))

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def forget(self) -> None:
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def containers(self, *, running: bool = True) -> set[str]:
        path = self.folder / "containers.json"
        found = json.loads(path.read_text()) if path.exists() else []
        return {one["id"] for one in found if one["running"] or not running}

    def images(self) -> set[str]:
        found = json.loads((self.folder / "containers.json").read_text())
        return {one["image"] for one in found if one["running"]}

    def when(self, *match: str, **then: Any) -> None:
        """From now on calls with all these words end so: `code`, `hang`, `words`, `touch`."""
        path = self.folder / "rules.json"
        rules = json.loads(path.read_text()) if path.exists() else []
        path.write_text(json.dumps([*rules, {"match": match, **then}]))

    def heals(self) -> None:
        (self.folder / "rules.json").unlink(missing_ok=True)


class TutorSite:
    """A root in production, its subject file, and what an operator types."""

    def __init__(self, folder: Path, campus: Campus) -> None:
        self.folder, self.campus = folder, campus
        self.engine = Engine(folder / "engine", campus)
        self.root, self.subject = folder / "root", folder / "site.toml"
        config = {"MYSQL_ROOT_PASSWORD": SECRET, "JWT_RSA_PRIVATE_KEY": KEY, "LMS_HOST": "learn.riverside.example"}
        config |= {"OPENEDX_SECRET_KEY": "c4n4ry-secret-key", "SMTP_PASSWORD": "c4n4ry-smtp", "PLUGINS": ["mfe"]}
        config |= {"OPENEDX_MYSQL_PASSWORD": "c4n4ry-platform"}
        make_root(self.root, **{"config.yml": config})
        self.tutors = {}
        generated = ["MYSQL_ROOT_PASSWORD", "OPENEDX_MYSQL_PASSWORD", "OPENEDX_SECRET_KEY"]
        runs = {"RUN_MYSQL": True, "RUN_MONGODB": True}
        for name, said in (("old", tutor_sites.OLD), ("new", tutor_sites.NEW)):
            tutor_sites.pretend(folder / name, said | {"generated": generated, "runs": runs})
            self.tutors[name] = program(Path(fake_tutor.__file__), folder / name / "bin" / "tutor")
        self.subject.write_text(tutor_sites.SUBJECT)
        self.tutor("old", "config", "save")
        self.database.parent.mkdir(parents=True)
        (self.root / "data" / "mongodb").mkdir()
        (self.root / "data" / "mongodb" / "kept").write_text("courses")
        (self.root / "data" / "lms" / "uploads").mkdir(parents=True)
        (self.root / "data" / "lms" / "uploads" / "essay.txt").write_text("an essay")
        (self.root / "data" / "cms").mkdir()
        (self.root / "data" / "cms" / "link").symlink_to("/etc/passwd")

    @property
    def database(self) -> Path:
        return self.root / "data" / "mysql" / fake_docker.DATABASE

    def tutor(self, side: str, *words: str) -> None:
        path = f"{self.engine.folder / 'bin'}:{os.environ['PATH']}"
        assert os.spawnve(
            os.P_WAIT, self.tutors[side], [str(self.tutors[side]), "--root", str(self.root), *words],
            {"PATH": path, "HOME": str(self.folder)},
        ) == 0  # fmt: skip

    def open(self) -> None:
        """Put it into production, with the campus's rows."""
        shutil.copyfile(self.campus.database, self.database)
        self.tutor("old", "local", "start", "--detach")
        self.engine.forget()

    def run(self, name: str, *words: Any, code: int) -> Any:
        done = CliRunner().invoke(cli.upgrade, [name, str(self.subject), *map(str, words), "--json"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def overridden(self) -> str:
        """What two administrators agreed to: exactly this plan."""
        subject, now = api.read_subject(self.subject), system_clock().now()
        plan = self.run("plan", code=4)["digest"]
        people = [
            create_person(f"{name}@riverside.example", actor=Actor.command(), now=now) for name in ("alice", "erin")
        ]
        row = actions.ask_override(subject, plan, "tried on a copy", first=people[0], actor=Actor.command(), now=now)
        actions.confirm_override(row.uuid, second=people[1], actor=Actor.command(), now=now)
        return str(row.uuid)

    def data(self) -> dict[str, Any]:
        """Every file of the site: its bytes, or where a link leads."""
        found: dict[str, Any] = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.root))] = str(path.readlink())
            elif path.is_file():
                found[str(path.relative_to(self.root))] = path.read_bytes()
        return found

    def columns(self) -> set[str]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            return {row[1] for row in connection.execute("PRAGMA table_info(shop_product)")}

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.root / "config.yml").read_text())
        return found


def program(source: Path, goal: Path) -> Path:
    """A script as a program: a test runs it as the engine's or Tutor's own."""
    goal.write_text(f"#!{sys.executable} -I\n{source.read_text()}")
    goal.chmod(0o755)
    return goal
