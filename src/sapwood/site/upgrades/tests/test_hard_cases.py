"""Hard cases of the upgrade itself: full disks, damaged backups, clocks, two operators, settings that misbehave.

Each upgrade here has just begun when its process was killed: `resume` takes every step, without the rehearsal and the
plan that other tests look at.
"""

import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from django.db import DatabaseError

from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import actions, api, applying, cli, isolation
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import NoSpaceError, engine_for
from sapwood.site.upgrades.subject import HOOKS
from sapwood.site.upgrades.tests.conftest import Campus
from sapwood.site.upgrades.tests.test_applying import ADDS, HOOK

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ODD = """
import os, time
if os.path.exists("settings-raise"):
    class Odd(BaseException):
        pass
    raise Odd("for alice@riverside.example")
if os.path.exists("settings-fork"):
    print("x" * 100_000)
    if os.fork() == 0:
        os.setsid()
        time.sleep(3600)
"""
FAILS = """
from django.db import migrations
def fail(apps, schema_editor):
    raise RuntimeError("not today")
class Migration(migrations.Migration):
    dependencies = [("shop", "0002_adds")]
    operations = [migrations.RunPython(fail)]
"""


class Site:
    """A campus whose upgrade was interrupted as soon as it had begun, and what an operator types then."""

    def __init__(self, folder):
        (folder / "campus").mkdir(parents=True)
        self.campus, self.var = Campus(folder / "campus"), folder / "var"
        self.folder = self.campus.folder
        (self.folder / "hook").write_text(HOOK)
        (self.folder / "hook").chmod(0o755)
        hooks = "".join(f'{name} = ["./hook"]\n' for name in HOOKS)
        self.campus.subject.write_text(self.campus.subject.read_text() + "[hooks]\n" + hooks)
        settings = self.folder / "campus_settings.py"
        settings.write_text(settings.read_text() + ODD)
        self.campus.run("old", "call_command('migrate', verbosity=0)\nProduct.objects.create(code='1', title='one')")
        self.campus.migration("new", "0002_adds", ADDS)
        self.campus.models("new", more="    price = models.IntegerField(null=True)\n")
        self.kept, self.files = self.campus.database.read_bytes(), set(self.folder.iterdir())
        self.subject = api.read_subject(self.campus.subject)

    @property
    def work(self):
        return self.var / "site" / "upgrades"

    def begin(self, *, early=(), rest=("shop.0002_adds",), clock=None):
        journal = journals.begin(self.subject, self.work, clock or system_clock())
        journal.write(
            "begun", subject="campus", plan="0" * 64, actor="alice", override=None, early=[*early], rest=[*rest],
            postponed=[], atomic={"default": True}, not_atomic=[], known=[], predicted_downtime_s=None,
            predicted_rollback_s=None,
        )  # fmt: skip
        return journal

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

    @property
    def closed(self):
        return (self.folder / "closed").exists()

    def data(self):
        return dict(engine_for(self.url).fingerprint(self.url))

    @property
    def url(self):
        return DatabaseUrl("sqlite3", str(self.campus.database))

    def whole(self):
        assert not self.closed
        assert not list(self.work.glob("runs/*/*/scratch"))
        assert not isolation.end_marked(str(self.var), below=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("hard"))


@pytest.fixture
def site(made, monkeypatch):
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    monkeypatch.setenv("SAPWOOD_VAR", str(made.var))
    shutil.rmtree(made.var, ignore_errors=True)
    made.campus.database.write_bytes(made.kept)
    for path in set(made.folder.iterdir()) - made.files:
        path.unlink()
    return made


def before_step(monkeypatch, step, act):
    """Have something happen just before a step."""
    real = getattr(applying.Run, f"_do_{step}")

    def both(run):
        act()
        return real(run)

    monkeypatch.setattr(applying.Run, f"_do_{step}", both)


# --- 4: full disks --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(place):
    """A disk of its own at a folder, with the folder's content on it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    aside = place.with_name(f"{place.name}-aside")
    place.rename(aside)
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], check=False)
    try:
        if mounted.returncode:
            pytest.skip("no disk can be mounted here")
        shutil.copytree(aside, place, dirs_exist_ok=True)
        yield
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()
        aside.rename(place)


def fill(folder):
    """Leave not one byte free on a folder's disk; the file that takes it."""
    path = folder / "full"
    for journal in folder.rglob("journal.jsonl"):  # the journal's last block has no room either
        content = journal.read_bytes()
        journal.write_bytes(content[:-2] + b" " * (-len(content) % 4096) + content[-2:])
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        size = 1 << 16
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    return path


@pytest.mark.parametrize("step", ["base_backup", "maintenance_on", "final_backup", "migrate"])
def test_a_full_disk_of_backups_and_journal_is_one_line_and_later_taken_back(site, monkeypatch, step):
    site.var.mkdir()
    with small_disk(site.var):
        site.begin()
        before = site.data()
        before_step(monkeypatch, step, lambda: fill(site.var))
        refusal = site.refused("resume")
        assert isinstance(refusal, NoSpaceError), refusal
        assert "\n" not in refusal.message
        (site.var / "full").unlink()
        assert {"resume", "rollback"} <= {*site.run("status", code=1)["may"]}
        assert site.closed == (step != "base_backup")
        assert site.run("rollback", code=3)["stage"] == "rolled back"
        assert site.data() == before
        site.whole()


def test_a_full_disk_of_the_data_is_taken_back_once_there_is_room(site, monkeypatch):
    with small_disk(site.folder / "data"):
        site.begin()
        before = site.data()
        before_step(monkeypatch, "migrate", lambda: fill(site.folder / "data"))
        before_step(monkeypatch, "check", lambda: pytest.fail("the migration found room"))
        done = site.run("resume", code=1)
        assert done["stage"] == "stopped"
        assert "full" in done["message"]
        assert site.closed
        (site.folder / "data" / "full").unlink()
        assert site.run("resume", code=3)["stage"] == "rolled back"
        assert site.data() == before
        site.whole()


def test_half_a_line_is_taken_from_the_journal_when_the_disk_is_full(site, monkeypatch):
    journal, real = site.begin(), os.write
    whole = (journal.folder / "journal.jsonl").read_bytes()

    def short(descriptor, content):
        if len(content) > 10 and content.startswith(b'{"seq"'):
            return real(descriptor, content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journals.os, "write", short)
        with pytest.raises(NoSpaceError):
            journal.write("started", step="base_backup")
    assert (journal.folder / "journal.jsonl").read_bytes() == whole
    assert len(journal.entries) == 1
    journal.write("started", step="base_backup")
    assert journals.latest(site.subject, site.work, system_clock()).entries[-1].seq == 2


# --- 2: the database that mirrors the journal -------------------------------------------------------------------------


def test_sapwoods_own_database_may_fail_meanwhile(site, monkeypatch):
    site.begin()
    real, failed = actions.mirror, []

    def mirror(*given, busy):
        if busy:
            failed.append(1)
            raise DatabaseError("the disk is full")
        return real(*given, busy=busy)

    monkeypatch.setattr(actions, "mirror", mirror)
    assert site.run("resume", code=0)["stage"] == "done"
    assert failed
    site.whole()


# --- 17: damaged backups ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_backup_that_is_damaged_before_the_way_back_is_refused_and_the_site_stays_closed(site, monkeypatch, damage):
    site.begin()
    before = site.data()

    def spoil():
        [backup] = site.work.glob("runs/*/*/final/default/backup.sqlite3")
        content = backup.read_bytes()
        if damage == "gone":
            backup.unlink()
        else:
            backup.write_bytes(content[:-100] if damage == "cut" else content[:-1] + b"x")
        raise applying.ApplyError("The cable was pulled", hint="Plug it in.")

    before_step(monkeypatch, "migrate", spoil)
    done = site.run("resume", code=1)
    assert done["stage"] == "stopped"
    assert "backup" in done["message"]
    assert "\n" not in done["message"]
    assert "stays closed" in done["warning"]
    assert "rollback --to-base" in done["may"], "the other backup is whole"
    assert site.closed
    assert site.run("rollback", "--to-base", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.data() == before
    site.whole()


# --- 20: clocks -------------------------------------------------------------------------------------------------------


class Stopped:
    """A clock that stands still."""

    def __init__(self, now):
        self.instant = now

    def now(self):
        return self.instant


def test_the_newest_upgrade_is_known_though_the_clock_was_set_back(site):
    now = dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)
    old = site.begin(clock=Stopped(now))
    old.write("finished")
    new = site.begin(clock=Stopped(now - dt.timedelta(days=1)))
    new.write("started", step="maintenance_on")
    assert journals.latest(site.subject, site.work, system_clock()).run == new.run
    assert site.run("status", code=1)["stage"] == "interrupted"
    assert applying.between(new, "maintenance_on", "maintenance_off", now - dt.timedelta(days=2)) == 0


# --- 24: others at the same time --------------------------------------------------------------------------------------


OPERATOR = """
import sys
from pathlib import Path
from sapwood.core.clock import system_clock
from sapwood.site.upgrades import applying, journal
from sapwood.site.upgrades.subject import read_subject
subject, work, clock = read_subject(Path(sys.argv[1])), Path(sys.argv[2]), system_clock()
with journal.locked(subject, work):
    applying.Run(subject, journal.latest(subject, work, clock), clock=clock, say=print).forward()
"""


def test_a_second_operator_in_a_process_of_its_own_is_told_who_is_first(site):
    """The first one stands still in a hook, with the site closed."""
    hook = site.folder / "hook"
    os.mkfifo(site.folder / "ready")
    os.mkfifo(site.folder / "go")
    kept = hook.read_text()
    hook.write_text(kept + 'test "$SAPWOOD_HOOK" = switch && echo > ready && read line < go; exit 0\n')
    site.begin()
    first = subprocess.Popen([sys.executable, "-c", OPERATOR, site.campus.subject, site.work], stdout=subprocess.PIPE)
    try:
        (site.folder / "ready").read_text()
        for words in (["resume"], ["rollback"], ["rollback", "--to-base", "--lose-writes"]):
            refusal = site.refused(*words)
            assert (refusal.code, f"process {first.pid}" in refusal.message) == ("upgrades.busy", True)
        assert site.run("status", code=0)["stage"] == "running"
        assert site.refused("pause").code == "upgrades.nothing_to_do"
        (site.folder / "go").write_text("on\n")
        first.communicate()
    finally:
        first.kill()
        first.wait()
        hook.write_text(kept)
    assert first.returncode == 0
    assert site.run("status", code=0)["stage"] == "done"
    site.whole()


def test_a_migrate_by_hand_after_the_point_of_return_is_gone_on_from(site, monkeypatch):
    site.begin()
    before_step(monkeypatch, "migrate", lambda: site.campus.run("new", "call_command('migrate', verbosity=0)"))
    assert site.run("resume", code=0)["stage"] == "done"
    site.campus.run("new", "assert Product.objects.get().price is None")
    site.whole()


def test_a_migrate_by_hand_is_taken_back_with_the_rest(site, monkeypatch):
    site.campus.migration("new", "0003_fails", FAILS)
    try:
        site.begin(rest=("shop.0002_adds", "shop.0003_fails"))
        before = site.data()
        by_hand = "call_command('migrate', 'shop', '0002_adds', verbosity=0)"
        before_step(monkeypatch, "migrate", lambda: site.campus.run("new", by_hand))
        assert site.run("resume", code=3)["stage"] == "rolled back"
        assert site.data() == before
    finally:
        (site.folder / "code-new" / "shop" / "migrations" / "0003_fails.py").unlink()
    site.whole()


# --- settings that raise, print and fork ------------------------------------------------------------------------------


def test_settings_that_raise_during_the_upgrade_are_one_line_and_it_is_taken_back(site, monkeypatch):
    site.begin()
    before = site.data()
    before_step(monkeypatch, "migrate", (site.folder / "settings-raise").touch)
    done = site.run("resume", code=3)
    assert done["stage"] == "rolled back"
    assert done["message"] == "Odd: for …@…"
    assert site.data() == before
    site.whole()


def test_settings_that_print_and_fork_during_the_upgrade_leave_no_process(site):
    site.begin()
    (site.folder / "settings-fork").touch()
    assert site.run("resume", code=0)["stage"] == "done"
    found = [path for path in Path("/proc").glob("[0-9]*/cwd") if _leads_to(path, site.folder)]
    assert not found
    site.whole()


def _leads_to(link, folder):
    with contextlib.suppress(OSError):
        return link.resolve() == folder
    return False
