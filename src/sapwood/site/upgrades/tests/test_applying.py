"""The button and the way back: on a real database, with real hooks, killed wherever a journal can be written."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.accounts.api import create_person
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, SapwoodError
from sapwood.core.models import AuditRow
from sapwood.site.upgrades import actions, api, applying, cli, isolation
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.models import UpgradeRun
from sapwood.site.upgrades.subject import HOOKS
from sapwood.site.upgrades.tests.conftest import Campus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ADDS = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
FILLS = """
import os, time
from django.db import migrations
def fill(apps, schema_editor):
    apps.get_model("shop", "Product").objects.update(price=5)
    while os.path.exists("hang-migration"):
        open("hanging", "w").close()
        time.sleep(0.05)
    if os.path.exists("fail-migration"):
        raise RuntimeError("the migration failed for alice@riverside.example")
class Migration(migrations.Migration):
    dependencies = [("shop", "0002_adds")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""
HOOK = """#!/bin/sh
echo "$SAPWOOD_HOOK $SAPWOOD_TO" >> hooks.txt
case $SAPWOOD_HOOK in
maintenance_on) touch closed ;;
maintenance_off) rm -f closed ;;
switch) echo "$SAPWOOD_TO" > running ;;
esac
test ! -e "fail-$SAPWOOD_HOOK"
"""
NEW_MODELS = {"more": "    price = models.IntegerField(null=True)\n"}


STEPS = [
    "base_backup", "early", "maintenance_on", "stop", "quiet", "final_backup", "migrate", "switch", "start", "check",
    "maintenance_off",
]  # fmt: skip


class Site:
    """A campus about to be upgraded, its hooks, and what an operator types."""

    def __init__(self, folder, prepare=lambda campus: None):
        (folder / "campus").mkdir()
        self.campus = Campus(folder / "campus")
        self.campus.run(
            "old",
            """
            call_command("migrate", verbosity=0)
            for number in range(20):
                Product.objects.create(code=str(number), title=f"Product {number}")
            """,
        )
        self.folder, self.report, self.var = self.campus.folder, folder / "report", folder / "var"
        (self.folder / "hook").write_text(HOOK)
        (self.folder / "hook").chmod(0o755)
        hooks = "".join(f'{name} = ["./hook"]\n' for name in HOOKS)
        self.campus.subject.write_text(self.campus.subject.read_text() + "[hooks]\n" + hooks)
        self.campus.migration("new", "0002_adds", ADDS)
        self.campus.migration("new", "0003_fills", FILLS)
        self.campus.models("new", **NEW_MODELS)
        prepare(self.campus)
        self.kept = self.campus.database.read_bytes()
        self.certificate = self.run("rehearse", "--report", self.report, code=0)["certificate"]
        self.files = set(self.folder.iterdir())
        self.subject, self.work = api.read_subject(self.campus.subject), self.var / "site" / "upgrades"
        plan, now = api.make_plan(self.subject, folder / "plan"), system_clock().now()
        leave, _refusal = api.examine(Path(self.certificate), now=now, subject=None, work=self.work)
        self.begun = actions._begun(self.subject, plan, leave, Actor.command(), postpone=False)

    def again(self):
        """As before any upgrade."""
        self.campus.database.write_bytes(self.kept)
        for path in set(self.folder.iterdir()) - self.files:
            path.unlink()
        shutil.rmtree(self.work / "runs", ignore_errors=True)

    def begin(self):
        """An upgrade that was let go ahead, and has not done anything yet."""
        journals.begin(self.subject, self.work, system_clock()).write("begun", **self.begun)

    def press(self, code=0):
        """Upgrade, from there on: to look at everything before takes longer, and is the same each time."""
        self.begin()
        return self.run("resume", code=code)

    def look(self):
        """What lies on the disk, to be put back."""
        paths = [*(set(self.folder.iterdir()) - self.files), *(self.work / "runs").rglob("*"), self.campus.database]
        return {path: path.read_bytes() for path in paths if path.is_file()}

    def put_back(self, seen):
        self.again()
        for path, content in seen.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def run(self, name, *words, code):
        done = CliRunner().invoke(cli.upgrade, [name, str(self.campus.subject), *map(str, words), "--json"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def refused(self, name, *words):
        with pytest.raises(SapwoodError) as raised:
            self.run(name, *words, code=0)
        return raised.value

    def apply(self, code=0):
        return self.run("apply", "--certificate", self.certificate, code=code)

    def will(self, what):
        (self.folder / what).touch()

    def heals(self, what):
        (self.folder / what).unlink()

    def hooks(self):
        path = self.folder / "hooks.txt"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    @property
    def closed(self):
        return (self.folder / "closed").exists()

    @property
    def serving(self):
        path = self.folder / "running"
        return path.read_text().strip() if path.exists() else "current"

    def data(self):
        """Everything in the database but the instants at which migrations ran."""
        url = DatabaseUrl("sqlite3", str(self.campus.database))
        found = dict(engine_for(url).fingerprint(url))
        found.pop("django_migrations")
        with sqlite3.connect(self.campus.database) as connection:
            found["migrations"] = sorted(connection.execute("SELECT app, name FROM django_migrations"))
        return found

    def whole(self):
        """Nothing of an upgrade is left lying about: no lock, no maintenance, no process, no folder of a run's own."""
        assert not self.closed
        assert not journals.is_locked(self.subject, self.work)
        assert not list(self.work.glob("runs/*/*/scratch"))
        assert not isolation.end_marked(str(self.var), below=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory, between_tests):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("applying")
        patch.setenv("SAPWOOD_VAR", str(folder / "var"))
        with between_tests():
            site = Site(folder)
        yield site


@pytest.fixture
def site(made, monkeypatch):
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    made.again()
    return made


def test_an_upgrade_with_its_certificate_ends_with_the_new_release_open(site):
    done = site.apply()
    assert done["stage"] == "done"
    assert site.serving == "target"
    site.whole()
    assert [line.split()[0] for line in site.hooks()] == [
        "maintenance_on",
        "stop",
        "switch",
        "start",
        "maintenance_off",
    ]
    assert 0 < done["downtime_s"] < 600
    row = UpgradeRun.objects.get()
    assert (row.stage, row.downtime_s) == ("done", done["downtime_s"])
    assert [line.details["step"] for line in row.lines.filter(event="done").order_by("seq")] == STEPS
    assert {"upgrades.begin", "upgrades.done"} <= set(AuditRow.objects.values_list("action", flat=True))
    [past] = site.run("history", code=0)
    assert past["predicted_downtime_s"]["low"] <= past["predicted_downtime_s"]["high"]
    assert site.run("status", code=0)["may"] == ["rollback"]
    _what_only_adds_ran_before_the_site_was_closed(row)
    _a_line_that_is_cut_off_never_counts(site)


def _what_only_adds_ran_before_the_site_was_closed(row):
    lines = list(row.lines.order_by("seq"))
    ran = [line.details["label"] for line in lines if line.event == "migration_started"]
    assert ran == ["shop.0002_adds", "shop.0003_fills"]
    closing = next(line.seq for line in lines if line.details.get("step") == "maintenance_on")
    early = next(line.seq for line in lines if line.details.get("label") == "shop.0002_adds")
    assert early < closing


def _a_line_that_is_cut_off_never_counts(site):
    path = journals.latest(site.subject, site.work, system_clock()).folder / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"seq": 99, "at": "20')
    assert site.run("status", code=0)["stage"] == "done"
    assert path.read_bytes() == whole
    path.write_bytes(whole.replace(b'"seq": 2,', b'"seq": 7,'))
    assert site.refused("status").code == "upgrades.journal"


def test_a_failed_migration_takes_everything_back_to_the_point_of_return(site):
    site.will("fail-migration")
    before = site.data()
    done = site.press(code=3)
    assert done["stage"] == "rolled back"
    assert "shop.0003_fills failed" in done["message"]
    assert "alice" not in json.dumps(done)
    assert site.serving == "current"
    site.whole()
    after = site.data()
    assert set(after["migrations"]) - set(before["migrations"]) == {("shop", "0002_adds")}
    site.campus.run("old", "Product.objects.create(code='21'); assert Product.objects.count() == 21")
    assert site.refused("resume").code == "upgrades.nothing_to_do"
    assert "would be lost" in site.refused("rollback", "--to-base").message
    site.run("rollback", "--to-base", "--lose-writes", code=3)
    assert site.data() == before
    site.whole()


@pytest.mark.parametrize("hook", ["maintenance_on", "start"])
def test_a_hook_that_fails_before_the_site_is_open_again_is_taken_back(site, hook):
    site.will(f"fail-{hook}")
    done = site.press(code=1)
    assert done["stage"] == "stopped", "the way back needs the hook too"
    assert site.closed
    site.heals(f"fail-{hook}")
    assert site.run("resume", code=3)["stage"] == "rolled back"
    assert site.serving == "current"
    site.whole()


def test_a_hook_that_fails_once_is_taken_back_at_once(site):
    hook = (site.folder / "hook").read_text()
    (site.folder / "hook").write_text(hook.replace("test ! -e", 'test "$SAPWOOD_TO" = current || test ! -e'))
    try:
        site.will("fail-switch")
        assert site.press(code=3)["stage"] == "rolled back"
    finally:
        (site.folder / "hook").write_text(hook)
    assert site.serving == "current"
    site.whole()


def test_once_the_site_may_be_open_nothing_is_taken_back_by_itself(site):
    site.will("fail-maintenance_off")
    done = site.press(code=1)
    assert (done["stage"], done["step"]) == ("stopped", "maintenance_off")
    assert done["may"] == ["resume", "rollback"]
    assert "would lose" in done["warning"]
    assert site.serving == "target"
    site.heals("fail-maintenance_off")
    assert site.run("resume", code=0)["stage"] == "done"
    refusal = site.refused("rollback")
    assert (refusal.code, refusal.exit_code) == ("upgrades.writes_lost", 3)
    assert site.run("rollback", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.serving == "current"
    site.whole()


def test_whoever_still_uses_the_database_is_named(site):
    with sqlite3.connect(site.campus.database) as connection:
        connection.execute("SELECT 1 FROM django_migrations").fetchall()
        holding = subprocess.Popen([sys.executable, "-c", textwrap.dedent(f"""
            import sqlite3
            connection = sqlite3.connect({str(site.campus.database)!r})
            connection.execute("SELECT 1 FROM django_migrations").fetchall()
            print("ready", flush=True)
            input()
        """)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        try:
            holding.stdout.readline()
            done = site.press(code=3)
        finally:
            holding.communicate(b"\n")
    assert f"({holding.pid})" in done["message"]
    assert done["stage"] == "rolled back"
    site.whole()


def test_nobody_applies_without_leave(site):
    assert site.refused("apply").code == "upgrades.no_leave"
    assert site.refused("apply", "--override", uuid.uuid4()).code == "upgrades.no_leave"
    (site.folder / "code-new" / "shop" / "migrations" / "0003_fills.py").write_text(FILLS + "# changed")
    try:
        refusal = site.refused("apply", "--certificate", site.certificate)
    finally:
        site.campus.migration("new", "0003_fills", FILLS)
    assert (refusal.code, refusal.exit_code) == ("certificate.other_plan", 3)
    assert site.refused("status").code == "upgrades.nothing_to_do"
    assert site.hooks() == []


def test_two_administrators_may_override_what_no_certificate_says(site):
    now = system_clock().now()
    alice, erin = (
        create_person(f"{name}@riverside.example", actor=Actor.command(), now=now) for name in ("alice", "erin")
    )
    subject = api.read_subject(site.campus.subject)
    plan = api.make_plan(subject, site.var / "plan").digest
    by = Actor.command()
    row = api.ask_override(subject, plan, "the rehearsal machine is broken", first=alice, actor=by, now=now)
    assert site.refused("apply", "--override", row.uuid).code == "upgrades.no_leave"
    with pytest.raises(ForbiddenError):
        api.confirm_override(row.uuid, second=alice, actor=by, now=now)
    api.confirm_override(row.uuid, second=erin, actor=by, now=system_clock().now())
    assert site.run("apply", "--override", row.uuid, code=0)["stage"] == "done"
    begun = UpgradeRun.objects.get().lines.get(seq=1).details
    assert begun["override"]["reason"] == "the rehearsal machine is broken"
    assert begun["early"] == [], "nothing is known of what the present release survives"


def test_two_operators_at_once(site):
    with journals.locked(api.read_subject(site.campus.subject), site.var / "site" / "upgrades"):
        refusal = site.refused("apply", "--certificate", site.certificate)
    assert refusal.code == "upgrades.busy"
    assert str(os.getpid()) in refusal.message


def test_an_upgrade_waits_before_the_site_is_closed(site, monkeypatch):
    step = applying.Run._do_early

    def ask_to_wait(run):
        site.run("pause", code=0)
        return step(run)

    monkeypatch.setattr(applying.Run, "_do_early", ask_to_wait)
    done = site.press()
    assert done["stage"] == "paused"
    assert site.hooks() == []
    assert site.run("resume", code=0)["stage"] == "done"


class KilledError(BaseException):
    """What a kill -9 is to the code that it meets."""


def test_killed_at_any_line_of_the_journal_it_goes_on_or_back(site, monkeypatch):
    """Killed just before and just after each line is written, taken back from each place, and gone on with."""
    before, real, met = site.data(), journals.Journal.write, {}
    early = {**before, "migrations": sorted([*before["migrations"], ("shop", "0002_adds")])}

    def write(journal, event, **details):
        place = (event, details.get("step") or details.get("label") or "")
        met[place] = met.get(place, 0) + 1
        if event == "resumed" or met[place] > 2:
            return real(journal, event, **details)
        if met[place] == 2:
            real(journal, event, **details)
        raise KilledError(place)

    def going_on():
        """One attempt to finish; where it was killed."""
        with monkeypatch.context() as patch:
            patch.setattr(journals.Journal, "write", write)
            try:
                site.run("resume", code=0)
            except KilledError as killed:
                return killed.args[0]
        return None

    site.begin()
    while place := going_on():
        assert site.run("status", code=0 if place[0] == "finished" and met[place] == 2 else 1)
        killed = site.look()
        assert site.run("rollback", "--lose-writes", code=3)["stage"] == "rolled back", place
        found = site.data()
        assert found["shop_product"][0] == before["shop_product"][0], place
        assert found["migrations"] in (before["migrations"], early["migrations"]), place
        assert site.serving == "current", place
        site.whole()
        site.put_back(killed)
        if place[0] == "finished" and met[place] == 2:
            break
    assert {(event, step) for event in ("started", "done") for step in STEPS} <= set(met)
    finished = site.data()
    assert site.serving == "target"
    site.whole()
    site.again()
    site.press()
    assert site.data() == finished


def test_a_process_killed_inside_a_migration_leaves_nothing_running_and_goes_on(site):
    site.will("hang-migration")
    site.begin()
    code = f"""
        from pathlib import Path
        from sapwood.core.clock import system_clock
        from sapwood.site.upgrades import applying, journal
        from sapwood.site.upgrades.subject import read_subject
        clock, work = system_clock(), Path({str(site.work)!r})
        subject = read_subject(Path({str(site.campus.subject)!r}))
        with journal.locked(subject, work):
            applying.Run(subject, journal.latest(subject, work, clock), clock=clock, say=print).forward()
    """
    said = site.folder / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=file, stderr=file)
    try:
        for _ in range(1200):
            if (site.folder / "hanging").exists():
                break
            assert process.poll() is None, said.read_text()
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    site.heals("hang-migration")
    assert site.closed
    assert site.run("status", code=1)["stage"] == "interrupted"
    assert site.run("resume", code=0)["stage"] == "done"
    site.whole()
