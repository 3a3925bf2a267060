"""Steps that only take away, left for later: kept on a ledger across upgrades until one of them runs them."""

import datetime as dt
import json
import shutil

import pytest
from click.testing import CliRunner
from django.urls import reverse
from tests.people import sign_in

from sapwood.accounts.api import Role, create_person
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.site.upgrades import api, applying, offers
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.postponed import ledger
from sapwood.site.upgrades.tests.test_applying import ADDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DROPS = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("shop", "0002_adds")]
    operations = [migrations.RemoveField("Product", "title")]
"""
MORE = ADDS.replace("0001_initial", "0003_drops").replace("price", "weight")
NEW = """
from django.db import models
class Product(models.Model):
    code = models.CharField(max_length=36, unique=True)
    price = models.IntegerField(null=True)
"""


def entry(*, early=(), rest=(), postponed=()):
    return {"early": [*early], "rest": [*rest], "postponed": [*postponed]}


def test_the_ledger_is_what_every_upgrade_left_and_none_has_run():
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    runs = [
        ("one", entry(rest=["a"], postponed=["b", "c"])),
        ("two", entry(rest=["c"], postponed=["b", "d"])),
        ("three", entry(early=["d"])),
    ]
    found = ledger((run, now, details) for run, details in runs)
    assert [(row.label, row.run, row.times) for row in found] == [("b", "one", 2)]


@pytest.fixture
def site(campus, tmp_path, monkeypatch):
    """A campus whose next release takes a column away, and whose one after that adds another."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(campus.subject))
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    campus.subject.write_text(campus.subject.read_text() + '[hooks]\nstop = ["true"]\n')
    campus.migration("new", "0002_adds", ADDS)
    campus.migration("new", "0003_drops", DROPS)
    (campus.folder / "code-new" / "shop" / "models.py").write_text(NEW)
    return campus


@pytest.fixture
def run(site, tmp_path):
    def invoke(name, *words, code=0):
        done = CliRunner().invoke(upgrade, [name, str(site.subject), *map(str, words), "--json"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return invoke


def test_a_postponed_step_waits_across_releases_and_runs_at_the_next_press(site, run, tmp_path, client):
    """Left out once, seen everywhere, left out again by a second release, run by a third press."""
    rehearsed = run("rehearse", "--report", tmp_path / "first")
    assert rehearsed["postponable"] == ["shop.0003_drops"]
    run("apply", "--certificate", rehearsed["certificate"], "--postpone")
    assert [row["label"] for row in run("status")["postponed"]] == ["shop.0003_drops"]

    # The next release, on the new one as it runs now.
    words = site.subject.read_text()
    site._environment("next")
    shutil.copytree(site.folder / "code-new" / "shop", site.folder / "code-next" / "shop", dirs_exist_ok=True)
    site.subject.write_text(words.replace("./new/bin", "./next/bin").replace("./old/bin", "./new/bin"))
    site.migration("next", "0004_more", MORE)
    planned = run("plan")
    assert [row["label"] for row in planned["postponed"]] == ["shop.0003_drops"]
    assert {row["name"]: row["verdict"] for row in planned["preflight"]["checks"]}["postponed"] == "pass"
    alice = create_person(
        "alice@riverside.example", actor=Actor.command(), now=system_clock().now(), roles=[Role.SITE_ADMINISTRATOR]
    )
    page = sign_in(client, alice).get(reverse("upgrades:subject", args=[offers.key_of(site.subject.resolve())])).text
    assert "shop.0003_drops" in page
    drops = site.folder / "code-next" / "shop" / "migrations" / "0003_drops.py"
    drops.rename(tmp_path / "gone.py")
    site.migration("next", "0004_more", MORE.replace("0003_drops", "0002_adds"))
    lost = run("plan", code=3)
    assert {row["name"]: row["verdict"] for row in lost["preflight"]["checks"]}["postponed"] == "fail"
    (tmp_path / "gone.py").rename(drops)
    site.migration("next", "0004_more", MORE)

    rehearsed = run("rehearse", "--report", tmp_path / "second")
    assert [row["label"] for row in rehearsed["postponed"]] == ["shop.0003_drops"]
    run("apply", "--certificate", rehearsed["certificate"])
    assert run("status")["postponed"] == []
    subject = api.read_subject(site.subject)
    [first, second] = journals.all_runs(subject, tmp_path / "var" / "site" / "upgrades", system_clock())
    assert first.entries[0].details["postponed"] == ["shop.0003_drops"]
    assert "shop.0003_drops" in second.entries[0].details["rest"]


def test_an_upgrade_that_was_taken_back_left_nothing(site, run, tmp_path):
    rehearsed = run("rehearse", "--report", tmp_path / "first")
    run("apply", "--certificate", rehearsed["certificate"], "--postpone")
    run("rollback", "--lose-writes", code=3)
    assert run("status", code=3)["postponed"] == []
    assert run("plan")["postponed"] == []
