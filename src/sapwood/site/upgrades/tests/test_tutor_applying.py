"""The button of a Tutor site, and its way back, on a pretended engine: killed, refused, failing. No container ran."""

import json
import os
import subprocess
import sys
import time
from uuid import uuid4

import pytest

from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import actions, api
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.drivers import tutor_applying
from sapwood.site.upgrades.models import Override, UpgradeRun
from sapwood.site.upgrades.tests.test_tutor_rehearsal import ADDS, BREAKS, PRICE
from sapwood.site.upgrades.tests.tutor_running import SECRET, TutorSite

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
STEPS = [
    "base_backup", "early", "maintenance_on", "stop", "quiet", "final_backup", "migrate", "switch", "start", "check",
    "maintenance_off",
]  # fmt: skip


@pytest.fixture
def site(campus, tmp_path, monkeypatch):
    made = TutorSite(tmp_path / "site", campus)
    campus.migration("new", "0002_adds", ADDS)
    campus.models("new", **PRICE)
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("PATH", f"{made.engine.folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(tutor_applying, "QUIET_S", 0.01)
    made.open()
    return made


def journal(site, tmp_path):
    return journals.latest(api.read_subject(site.subject), tmp_path / "var" / "site" / "upgrades", system_clock())


def apply(site, code=0):
    return site.run("apply", "--override", site.overridden(), code=code)


def test_the_button_upgrades_by_tutor_s_own_steps(site, tmp_path):
    done = apply(site)
    assert done["stage"] == "done"
    assert "price" in site.columns()
    assert (site.root / "env/version").read_text() == "21.0.9"
    running = site.engine.images()
    assert "docker.io/overhangio/openedx:21.0.9" in running
    assert not any(":20." in image for image in running)
    assert {"tutor_local-caddy", "tutor_local-lms-worker"} <= site.engine.containers()
    row = UpgradeRun.objects.get()
    assert [line.details["step"] for line in row.lines.filter(event="done").order_by("seq")] == STEPS
    ran = [line.details["command"] for line in row.lines.filter(event="command_done", details__early=False)]
    assert ran == ["1.upgrade", "1.render", "1.pull", "1.start", "1.init"]
    assert row.lines.get(event="begun").details["override"]["reason"] == "tried on a copy"
    _nobody_was_let_in_before_the_checks(site)
    _no_secret_is_kept(site, tmp_path)


def _nobody_was_let_in_before_the_checks(site):
    said = [" ".join(call) for call in site.engine.calls]
    stopped = next(number for number, line in enumerate(said) if line.endswith("tutor_local stop"))
    checked = max(number for number, line in enumerate(said) if "migrate --check" in line)
    assert not [line for line in said[stopped:checked] if " up " in line and ("caddy" in line or line.endswith(" -d"))]


def _no_secret_is_kept(site, tmp_path):
    folder = journal(site, tmp_path).folder
    assert "do init" in (folder / "commands.log").read_text()
    for path in folder.rglob("*"):
        if path.is_file() and "configuration" not in path.parts:
            assert SECRET.encode() not in path.read_bytes(), path
    assert folder.stat().st_mode & 0o077 == 0


def test_nobody_presses_without_two_administrators(site, tmp_path):
    with pytest.raises(SapwoodError) as refused:
        site.run("apply", code=3)
    assert refused.value.code == "upgrades.no_leave"
    (tmp_path / "certificate.json").write_text("{}")
    with pytest.raises(SapwoodError, match="Nothing certifies"):
        site.run("apply", "--certificate", tmp_path / "certificate.json", code=3)


def test_an_override_is_for_the_plan_as_it_was(site):
    override = site.overridden()
    site.tutor("old", "config", "save")
    path = site.root / "config.yml"
    path.write_text(path.read_text() + "ENABLE_HTTPS: true\n")
    with pytest.raises(SapwoodError) as refused:
        site.run("apply", "--override", override, code=3)
    assert refused.value.code == "upgrades.no_leave"


@pytest.mark.parametrize("words", [("do-init-fails", "lms-job"), ("upgrade-fails", "up", "mongodb")])
def test_a_step_that_fails_takes_everything_back(site, words):
    before = site.data()
    if words[0] == "do-init-fails":
        site.campus.migration("new", "0002_adds", BREAKS)
    else:
        site.engine.when("-d mongodb", code=7)
    done = apply(site, code=3)
    assert done["stage"] == "rolled back"
    assert site.data() == before
    assert "docker.io/overhangio/openedx:20.0.3" in site.engine.images()
    assert "tutor_local-caddy" in site.engine.containers()


def test_a_failure_before_the_site_is_closed_changes_nothing(site):
    before, running = site.data(), site.engine.containers()
    site.engine.when("image inspect", "openedx:21.0.9", code=1)
    done = apply(site, code=3)
    assert (done["stage"], done["step"]) == ("rolled back", "early")
    assert "neither here nor to be had" in done["message"]
    assert (site.data(), site.engine.containers()) == (before, running)


def test_what_still_runs_is_not_copied(site):
    site.engine.when("tutor_local stop", code=0)
    before = site.data()
    done = _with_a_container_that_will_not_stop(site)
    assert done["stage"] == "rolled back"
    assert "still run" in done["message"]
    assert site.data() == before


def _with_a_container_that_will_not_stop(site):
    path = site.engine.folder / "containers.json"
    found = json.loads(path.read_text())
    found.append(found[0] | {"id": "somebody", "service": "unknown-to-compose", "running": True})
    path.write_text(json.dumps(found))
    return apply(site, code=3)


def test_after_the_upgrade_the_way_back_puts_every_folder_back(site):
    before = site.data()
    apply(site)
    (site.root / "data" / "new-store").mkdir()
    (site.root / "data" / "new-store" / "row").write_text("of the new release")
    with pytest.raises(SapwoodError) as refused:
        site.run("rollback", code=3)
    assert refused.value.code == "upgrades.writes_lost"
    assert site.run("rollback", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.data() == before
    assert "docker.io/overhangio/openedx:20.0.3" in site.engine.images()


def test_a_backup_that_was_touched_restores_nothing(site, tmp_path):
    apply(site)
    folder = journal(site, tmp_path).folder
    (folder / "final/data/lms/uploads/essay.txt").write_text("another essay")
    done = site.run("rollback", "--lose-writes", code=1)
    assert done["stage"] == "stopped"
    assert "differs from its backup" in done["message"]


def test_a_platform_that_does_not_come_up_is_taken_back(site):
    before = site.data()
    site.engine.when("migrate --check", code=1)
    assert apply(site, code=3)["stage"] == "rolled back"
    assert site.data() == before


@pytest.mark.parametrize(
    ("match", "ends"),
    [
        ((" -d mongodb",), "rolled back"),  # Tutor's own steps may not run twice
        (("job", "manage.py lms migrate"), "rolled back"),
        (("tutor_local", "pull"), "done"),
        (("tutor_local stop",), "done"),
    ],
)
def test_killed_anywhere_it_goes_on_or_back(site, tmp_path, match, ends):
    before, marker = site.data(), tmp_path / "hanging"
    begin(site, tmp_path / "var" / "site" / "upgrades")
    site.engine.when(*match, hang=True, touch=str(marker))
    process = subprocess.Popen([sys.executable, "-c", CARRIED, str(site.subject), str(tmp_path / "var/site/upgrades")])
    while not marker.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    site.engine.heals()
    done = site.run("resume", code=0 if ends == "done" else 3)
    assert done["stage"] == ends
    assert not [one for one in site.engine.containers(running=False) if "-run-" in one]
    if ends == "done":
        assert "price" in site.columns()
    else:
        assert site.data() == before


def begin(site, work):
    """A journal that was let go ahead, and has not done anything yet."""
    subject, now = api.read_subject(site.subject), system_clock().now()
    plan = api.driver_of(subject).freeze(subject, api.Asked(work, now))
    leave = Override(uuid=uuid4(), subject=str(subject.path), plan=plan.digest, reason="tried on a copy")
    begun = actions._begun(subject, plan, leave, Actor.command(), postpone=False)
    journals.begin(subject, work, system_clock()).write("begun", **begun)


CARRIED = """
import sys
from pathlib import Path
import django
django.setup()
from sapwood.core.clock import system_clock
from sapwood.site.upgrades import journal
from sapwood.site.upgrades.drivers.tutor_applying import TutorRun
from sapwood.site.upgrades.subject import read_subject
clock, work = system_clock(), Path(sys.argv[2])
subject = read_subject(Path(sys.argv[1]))
with journal.locked(subject, work):
    TutorRun(subject, journal.latest(subject, work, clock), clock=clock, say=lambda line: None).forward()
"""
