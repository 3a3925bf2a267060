"""The console's pages of upgrades: who sees what, and that only the worker acts, through the real pages and worker."""

import json
import os

import pytest
from django.urls import reverse
from tests.people import sign_in

from sapwood.accounts.api import Role, create_person
from sapwood.console import registry
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.jobs import enqueue
from sapwood.core.models import AuditRow, Job, JobState
from sapwood.core.worker import run_worker
from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.history.tests.repositories import LINES, three_branches
from sapwood.site.facts import api as facts_api
from sapwood.site.upgrades import api, applying, offers, panels, requests
from sapwood.site.upgrades.data import Stage
from sapwood.site.upgrades.models import Kind, Override, RehearsalRecord, Request, State, UpgradeRun
from sapwood.site.upgrades.subject import HOOKS
from sapwood.site.upgrades.tests.test_applying import ADDS, FILLS, HOOK, NEW_MODELS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture
def site(campus, tmp_path, monkeypatch):
    """A campus that the console offers, with hooks."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(campus.subject))
    (campus.folder / "hook").write_text(HOOK)
    (campus.folder / "hook").chmod(0o755)
    hooks = "".join(f'{name} = ["./hook"]\n' for name in HOOKS)
    campus.subject.write_text(campus.subject.read_text() + "[hooks]\n" + hooks)
    campus.migration("new", "0002_adds", ADDS)
    campus.migration("new", "0003_fills", FILLS)
    campus.models("new", **NEW_MODELS)
    campus.key = offers.key_of(campus.subject.resolve())
    return campus


@pytest.fixture
def people():
    now = system_clock().now()

    def make(name, role):
        return create_person(f"{name}@riverside.example", actor=Actor.command(), now=now, roles=[role])

    return {
        "alice": make("alice", Role.SITE_ADMINISTRATOR),
        "bob": make("bob", Role.SITE_ADMINISTRATOR),
        "erin": make("erin", Role.AUDITOR),
        "carol": make("carol", Role.INSTRUCTOR),
    }


@pytest.fixture
def alice(client, people):
    return sign_in(client, people["alice"])


def work():
    run_worker(clock=system_clock(), once=True)


def at(name, site, **more):
    return reverse(f"upgrades:{name}", args=[site.key])


def rehearsed(client, site):
    client.post(at("begin", site))
    work()
    return RehearsalRecord.objects.latest("pk")


def pressed(client, site, **given):
    response = client.post(at("apply", site), given)
    work()
    return response


def test_plan_rehearsal_and_certificate_by_the_pages(alice, site):
    assert "Nobody has looked yet" in alice.get(at("plan", site)).text
    nothing_done = ["waiting"] * 4 + ["current"]
    assert [step["state"] for step in alice.get(at("press", site)).context["steps"]] == nothing_done
    response = alice.post(at("look", site))
    assert "No worker is running" in alice.get(response["Location"]).text
    work()
    assert alice.get(response["Location"])["Location"] == at("plan", site)
    page = alice.get(at("plan", site)).text
    assert "shop.0002_adds" in page
    assert "2 migrations would run" in page
    assert "disk.data" in alice.get(at("preflight", site)).text
    record = rehearsed(alice, site)
    assert (record.verdict, record.request.state) == ("go", State.DONE), record.request.error
    key = record.request.uuid
    page = alice.get(reverse("upgrades:rehearsal", args=[key])).text
    assert "Slowest migrations" in page
    assert "between" in page
    alone = alice.get(reverse("upgrades:report_page", args=[key]))
    assert alone["Content-Security-Policy"].startswith("default-src 'none'")
    assert "sandbox" in alone["Content-Security-Policy"]
    assert alice.get(reverse("upgrades:report_json", args=[key])).json()["verdict"] == "go"
    assert "payload" in alice.get(reverse("upgrades:certificate_file", args=[key])).json()
    assert "not held against the site since" in alice.get(at("press", site)).text
    response = alice.post(at("look", site))
    assert "It waits for the worker" in alice.get(response["Location"]).text
    Request.objects.filter(state=State.WAITING).update(state=State.RUNNING)
    assert "It waits for the worker" not in alice.get(response["Location"]).text
    work()
    assert "held when the worker last looked" in alice.get(at("certificate", site)).text
    plan, _ready, *rest = [step["state"] for step in alice.get(at("press", site)).context["steps"]]
    assert [plan, *rest] == ["done", "done", "done", "current"]
    assert not (site.folder / "hooks.txt").exists()
    assert [notice.kind for notice in api.notices(record.request.asked_at)] == ["rehearsed"]


def test_what_was_masked_in_the_copy_is_named_until_the_button(alice, site):
    assert "Mask personal data in the copy" in alice.get(at("rehearse", site)).text
    alice.post(at("begin", site), {"mask": "on"})
    work()
    record = RehearsalRecord.objects.latest("pk")
    assert (record.verdict, record.request.state) == ("go", State.DONE), record.request.error
    rehearsal = reverse("upgrades:rehearsal", args=[record.request.uuid])
    for page in (rehearsal, at("certificate", site), at("press", site)):
        assert "auth_user.email" in alice.get(page).text


def test_the_button_and_the_way_back_by_the_pages(alice, site):
    record = rehearsed(alice, site)
    assert "Upgrade now" in alice.get(at("press", site)).text
    response = pressed(alice, site, rehearsal=record.request.uuid)
    row = Request.objects.get(kind=Kind.APPLY)
    assert (row.state, row.error) == (State.DONE, None)
    going = UpgradeRun.objects.get()
    address = reverse("upgrades:run", args=[going.key])
    assert (going.stage, going.place) == ("done", site.key)
    assert alice.get(response["Location"])["Location"] == address
    page = alice.get(address).text
    assert "upgraded" in page
    assert "What was written since the site was opened would be lost" in page
    assert (site.folder / "running").read_text().strip() == "target"

    alice.post(f"{address}rollback")
    work()
    going.refresh_from_db()
    assert going.stage == "done"
    assert "It could not be done" in alice.get(address).text
    alice.post(f"{address}rollback", {"lose_writes": "on"})
    work()
    going.refresh_from_db()
    assert going.stage == "rolled back"
    assert (site.folder / "running").read_text().strip() == "current"
    assert "taken back" in alice.get(at("history", site)).text
    asked = AuditRow.objects.filter(action="upgrades.asked").order_by("seq")
    assert [one.details["kind"] for one in asked] == ["rehearse", "apply", "rollback", "rollback"]


def test_a_site_that_changed_since_the_rehearsal_is_not_upgraded(alice, site):
    record = rehearsed(alice, site)
    site.migration("new", "0004_more", ADDS.replace("0001_initial", "0003_fills").replace("price", "weight"))
    alice.post(at("look", site))
    work()
    page = alice.get(at("press", site)).text
    assert "does not hold" in page
    assert "Upgrade now" not in page
    pressed(alice, site, rehearsal=record.request.uuid)
    assert Request.objects.get(kind=Kind.APPLY).error["code"] == "certificate.other_plan"
    assert not UpgradeRun.objects.exists()


def test_an_upgrade_waits_where_somebody_asked_it_to(alice, site, people, monkeypatch):
    record = rehearsed(alice, site)
    backup = applying.Run._do_base_backup

    def meanwhile(run):
        subject = api.read_subject(site.subject)
        now = system_clock().now()
        requests.ask(subject, Kind.PAUSE, by=people["alice"], now=now, run=UpgradeRun.objects.get().key)
        return backup(run)

    monkeypatch.setattr(applying.Run, "_do_base_backup", meanwhile)
    pressed(alice, site, rehearsal=record.request.uuid)
    going = UpgradeRun.objects.get()
    assert going.stage == "paused"
    assert not (site.folder / "closed").exists()
    assert Request.objects.get(kind=Kind.PAUSE).state == State.DONE
    alice.post(reverse("upgrades:resume", args=[going.key]))
    work()
    going.refresh_from_db()
    assert going.stage == "done"


def test_a_button_writes_a_request_and_does_nothing_itself(alice, site):
    before = site.database.read_bytes()
    alice.post(at("apply", site), {"rehearsal": "00000000-0000-4000-8000-000000000000"})
    assert Request.objects.get().state == State.WAITING
    assert not (site.folder / "hooks.txt").exists()
    work()
    row = Request.objects.get()
    assert (row.state, row.error["code"]) == (State.FAILED, "upgrades.no_leave"), row.error
    assert site.database.read_bytes() == before
    assert Job.objects.get(uuid=row.job).state == JobState.FAILED
    assert "It could not be done" in alice.get(reverse("upgrades:request", args=[row.uuid])).text


def test_only_one_thing_at_a_time_is_asked_for(alice, site):
    alice.post(at("begin", site))
    page = alice.post(at("begin", site), follow=True).text
    assert "is not over" in page
    assert Request.objects.count() == 1


def test_a_subject_that_others_may_change_is_not_offered_and_not_run(alice, site, people):
    alice.post(at("begin", site))
    site.subject.chmod(0o666)
    page = alice.get(at("subject", site)).text
    assert "Others may change" in page
    assert str(site.subject.name) in page
    assert alice.post(at("begin", site)).status_code == 404
    work()
    assert Request.objects.get().error["code"] == "upgrades.not_ours"
    site.subject.chmod(0o644)
    site.folder.chmod(0o777)
    assert offers.offers()[0].refusal.code == "upgrades.not_ours"
    site.folder.chmod(0o755)
    assert offers.offers()[0].refusal is None


def test_who_owns_the_file_counts(site, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    os.chown(site.subject, 4712, 4712)
    assert offers.offers()[0].refusal.code == "upgrades.not_ours"


def test_an_auditor_sees_and_asks_for_nothing(client, site, people):
    sign_in(client, people["erin"])
    for name in ("subject", "plan", "preflight", "rehearse", "certificate", "press", "history"):
        assert client.get(at(name, site)).status_code == 200, name
    for name in ("look", "begin", "apply", "ask_override"):
        assert client.post(at(name, site)).status_code == 403, name
    assert "Rehearse now" not in client.get(at("rehearse", site)).text
    sign_in(client, people["carol"])
    for name in ("subject", "plan", "press", "history"):
        assert client.get(at(name, site)).status_code == 403, name


def test_whoever_lost_the_right_meanwhile_gets_nothing_done(alice, site, people):
    alice.post(at("begin", site))
    people["alice"].is_active = False
    people["alice"].save()
    work()
    assert Request.objects.get().state == State.FAILED


def test_an_override_is_the_word_of_two(alice, site, people):
    alice.post(at("look", site))
    work()
    alice.post(at("ask_override", site), {"reason": "exams end tonight"})
    page = alice.get(at("press", site)).text
    assert "waits for a second administrator" in page
    assert "Upgrade now" not in page
    confirm = reverse("upgrades:confirm_override", args=[Override.objects.get().uuid])
    alice.post(confirm)
    assert "Upgrade now" not in alice.get(at("press", site)).text
    sign_in(alice, people["bob"]).post(confirm)
    assert "Upgrade now" in alice.get(at("press", site)).text


def test_a_killed_worker_is_followed_by_one_that_goes_on(alice, site, monkeypatch):
    """As a kill leaves it: a request that runs, a journal that stops, a job that the sweeper gives back."""
    record = rehearsed(alice, site)
    alice.post(at("apply", site), {"rehearsal": record.request.uuid})
    row = Request.objects.get(kind=Kind.APPLY)

    def dies(*_words, **_given):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(applying.Run, "_do_final_backup", dies)
        work()
    row.refresh_from_db()
    assert row.state == State.RUNNING
    assert (site.folder / "closed").exists()
    assert UpgradeRun.objects.get().stage == Stage.RUNNING
    enqueue("upgrades.watch", now=system_clock().now())
    work()
    assert UpgradeRun.objects.get().stage == Stage.INTERRUPTED
    Job.objects.filter(uuid=row.job).update(state=JobState.WAITING, run_at=row.asked_at, rang_at=None)
    work()
    row.refresh_from_db()
    assert (row.state, row.answer["stage"]) == (State.DONE, "done"), row.error
    assert not (site.folder / "closed").exists()


def test_the_front_page_shows_the_newest_verdict_and_what_waits(alice, site, people, rf):
    rehearsed(alice, site)
    page = alice.get("/").text
    assert "Your upgrade" in page
    request = rf.get("/")
    request.user = people["alice"]
    assert list(panels.needs(request)) == []
    record = RehearsalRecord.objects.get()
    record.expires_at = system_clock().now() + panels.LAPSES_SOON / 2
    record.save()
    assert [need.severity for need in panels.needs(request)] == ["low"]
    UpgradeRun.objects.create(
        key="x", subject="campus", place=site.key, stage="stopped", plan="p", began_at=system_clock().now()
    )
    assert [need.severity for need in panels.needs(request)] == ["critical"]
    request.user = people["carol"]
    assert registry.may(request, "upgrades.view") is False
    assert list(panels.needs(request)) == []


def test_strangers_names_are_text_on_every_page(alice, site):
    site.subject.write_text(site.subject.read_text().replace('"campus"', '"<img src=x onerror=alert(1)>"'))
    record = rehearsed(alice, site)
    document = json.loads(json.dumps(record.document))
    document["untested"] = ["<script>alert(1)</script>"]
    record.document = document
    record.save()
    key = record.request.uuid
    pages = [reverse(f"upgrades:{name}", args=[key]) for name in ("rehearsal", "report_page")]
    for address in [*pages, at("subject", site), reverse("upgrades:home")]:
        text = alice.get(address).text
        assert "<img src=x" not in text, address
        assert "<script>alert" not in text, address


def test_the_plan_shows_the_way_and_the_forks_and_a_person_answers_what_only_they_can(alice, site, tmp_path):
    """Everything of the plan is on its page; what is unknown is asked where the rehearsal begins, and kept."""
    made = three_branches(tmp_path / "platform", {"f": LINES}, target={"g": "g\n"}, fork={"h": "h\n"})
    words = site.subject.read_text()
    words = words.replace('"./old/bin/python"', '"./old/bin/python"\nrelease = "teak.1"')
    words = words.replace('"./new/bin/python"', '"./new/bin/python"\nrelease = "ulmo.1"')
    fork = f'[fork]\nrepo = "{made.path}"\nupstream = "main"\ntarget = "target"\nhead = "fork"\n'
    site.subject.write_text(words + fork)
    facts_api.set_shipped_catalogue(SHIPPED)
    alice.post(at("look", site))
    work()
    page = alice.get(at("plan", site)).text
    for told in ("teak.1", "ulmo.1", "What people do", "platform", "Commits to bring over", "What it takes"):
        assert told in page, told
    assert "unknown, which is no go" in page
    asked = [row for row in Request.objects.get().answer["preflight"]["findings"] if row["by_person"]]
    asked = [row["name"] for row in asked if row["verdict"] == "unknown"]
    assert asked
    page = alice.get(at("rehearse", site)).text
    assert "Looked at by me, because" in page
    assert all(f'name="waive-{name}"' in page for name in asked)
    alice.post(at("begin", site), {f"waive-{name}": "we have\ntwo courses" for name in asked})
    work()
    record = RehearsalRecord.objects.get()
    assert (record.verdict, record.request.error) == ("go", None), record.reasons
    assert {row["name"]: row["reason"] for row in record.document["waivers"]} == dict.fromkeys(
        asked, "we have two courses"
    )
    assert "we have two courses" in alice.get(reverse("upgrades:report_page", args=[record.request.uuid])).text
    row = AuditRow.objects.get(action="upgrades.asked", details__kind="rehearse")
    assert row.details["waivers"][asked[0]] == "we have two courses"
