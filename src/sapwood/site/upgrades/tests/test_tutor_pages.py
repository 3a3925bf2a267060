"""The console's pages for a Tutor site: wizard, rehearsal, report, button and way back, on a pretended engine."""

import os

import pytest
from django.urls import reverse

from sapwood.site.upgrades import offers
from sapwood.site.upgrades.drivers import tutor_applying
from sapwood.site.upgrades.models import Override, RehearsalRecord, UpgradeRun
from sapwood.site.upgrades.tests.test_pages import at, people, sign_in, work
from sapwood.site.upgrades.tests.test_tutor_rehearsal import ADDS, PRICE
from sapwood.site.upgrades.tests.tutor_running import SECRET, TutorSite

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
assert people  # a fixture


@pytest.fixture
def site(campus, tmp_path, monkeypatch):
    made = TutorSite(tmp_path / "site", campus)
    campus.migration("new", "0002_adds", ADDS)
    campus.models("new", **PRICE)
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(made.subject))
    monkeypatch.setenv("PATH", f"{made.engine.folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(tutor_applying, "QUIET_S", 0.01)
    made.key = offers.key_of(made.subject.resolve())
    made.open()
    return made


def test_a_tutor_site_goes_through_every_page(client, people, site):
    alice = sign_in(client, people["alice"])
    alice.post(at("look", site))
    work()
    page = alice.get(at("plan", site)).text
    for words in ("teak", "ulmo", "local do init", "Unverified", "What the site keeps", "by hand or by Sapwood"):
        assert words in page, words
    assert "tutor.path" in alice.get(at("preflight", site)).text
    assert "A container engine is needed" in alice.get(at("rehearse", site)).text
    alice.post(at("begin", site))
    work()
    record = RehearsalRecord.objects.get()
    assert (record.verdict, record.request.error) == ("unknown", None)
    page = alice.get(reverse("upgrades:rehearsal", args=[record.request.uuid])).text
    for words in ("isolated", "Slowest migrations", "ever run by Sapwood"):
        assert words in page, words
    assert "ever run by Sapwood" in alice.get(reverse("upgrades:report_page", args=[record.request.uuid])).text
    alice.post(at("ask_override", site), {"reason": "tried on a copy"})
    confirm = reverse("upgrades:confirm_override", args=[Override.objects.get().uuid])
    bob = sign_in(client, people["bob"])
    bob.post(confirm)
    page = bob.get(at("press", site)).text
    assert "What the site keeps" in page
    bob.post(at("apply", site), {"override": Override.objects.get().uuid})
    work()
    run = UpgradeRun.objects.get()
    assert (run.stage, run.message) == ("done", "")
    page = bob.get(reverse("upgrades:run", args=[run.key])).text
    assert "Ran 1.init" in page
    assert SECRET not in page
    bob.post(reverse("upgrades:rollback", args=[run.key]), {"lose_writes": "on"})
    work()
    run.refresh_from_db()
    assert run.stage == "rolled back"


def test_without_an_engine_the_pages_say_what_to_do(client, people, site, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    alice = sign_in(client, people["alice"])
    alice.post(at("begin", site))
    work()
    record = RehearsalRecord.objects.get()
    page = alice.get(reverse("upgrades:rehearsal", args=[record.request.uuid])).text
    assert "docker is not installed" in page
    assert "Run it on the machine" in page
