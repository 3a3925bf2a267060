"""What is new, and what happens by itself: by the real pages, command and worker, with time that travels."""

import datetime as dt
import json
import uuid

import pytest
import time_machine
from click.testing import CliRunner
from django.core import mail
from django.urls import reverse
from tests.people import sign_in

from sapwood.accounts.api import Role, create_person
from sapwood.channel import api as channel
from sapwood.channel.tests.support import NOW, URL, Commons
from sapwood.core.clock import FixedClock, system_clock
from sapwood.core.data import Actor
from sapwood.core.jobs import RECURRING
from sapwood.core.models import AuditRow, Job, JobState, Schedule
from sapwood.core.paths import role_dir
from sapwood.core.worker import run_worker
from sapwood.formats.documents import document_bytes
from sapwood.formats.release import Release, ReleaseStatus
from sapwood.formats.retraction import Retraction
from sapwood.formats.tests.catalogue_cases import small, small_data
from sapwood.site.facts import api as facts
from sapwood.site.identity import api as identity
from sapwood.site.upgrades import api, applying, blackouts, cli, news, offers, panels, releases, tending
from sapwood.site.upgrades.models import (
    Automation,
    Blackout,
    Kind,
    News,
    NewsMail,
    RehearsalRecord,
    Request,
    State,
    UpgradeRun,
)
from sapwood.site.upgrades.subject import HOOKS, SubjectError, read_subject
from sapwood.site.upgrades.targets import for_release, kept, recalled
from sapwood.site.upgrades.tests.test_applying import ADDS, FILLS, HOOK, NEW_MODELS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CLI = Actor.command()
DAY, HOUR, MINUTE = dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(minutes=1)
OPEN = NOW + HOUR  # 11:00 on a Sunday: where the window of these tests opens
WINDOW = {"day": 6, "start": "11:00", "length_minutes": 120, "zone": "UTC"}


class Killed(BaseException):
    """What no code of ours catches."""


@pytest.fixture
def clock():
    """The machine's clock, set to a Sunday morning; it goes on by itself."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture
def people(db, clock):
    def make(name, role):
        return create_person(f"{name}@riverside.example", actor=CLI, now=NOW, roles=[role])

    return {
        "alice": make("alice", Role.SITE_ADMINISTRATOR),
        "erin": make("erin", Role.AUDITOR),
        "carol": make("carol", Role.INSTRUCTOR),
    }


@pytest.fixture
def alice(client, people):
    return sign_in(client, people["alice"])


class Project:
    """The project, as this site hears of it: a catalogue, and signed releases."""

    def __init__(self, commons, subscription):
        self.commons, self.subscription, self.revisions = commons, subscription, {}

    def publish(self, raw, name="releases"):
        self.commons.clock = FixedClock(system_clock().now())
        self.commons.publish(raw, channel=name)
        channel.pull(self.subscription, http=self.commons.http, clock=system_clock())
        facts.read_catalogues()

    def release(self, version="cedar.2", *, status="released", name="releases", **more):
        self.revisions[version] = self.revisions.get(version, 0) + 1
        given = {"line": version.partition(".")[0], "release": version, "tag": f"v/{version}"} | more
        given |= {"uuid": key_of(version), "revision": self.revisions[version], "channel": name}
        self.publish(document_bytes(Release(status=ReleaseStatus(status), **given)), name)

    def retract(self, version="cedar.2"):
        gone = Retraction(uuid=uuid.uuid4(), revision=1, channel="releases", retracts=key_of(version), reason="broken")
        self.publish(document_bytes(gone))


def key_of(version):
    return uuid.uuid5(uuid.UUID(int=7), version)


@pytest.fixture
def project(db, clock, tmp_path, monkeypatch):
    """A site that runs cedar.1, of a project whose catalogue knows cedar.2."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.delenv("SAPWOOD_TUTOR_ROOT", raising=False)
    commons = Commons(tmp_path / "channel")
    wanted = ["releases", "candidates"]
    subscription = channel.subscribe(URL, root=commons.root, actor=CLI, now=NOW, name="example", channels=wanted)
    made = Project(commons, subscription)
    made.publish(document_bytes(small(advisories=small_data()["advisories"][:1])))
    stands_at(tmp_path, monkeypatch, "cedar.1")
    # Only what is looked at here comes round by itself.
    for item in RECURRING.values():
        Schedule.objects.create(name=item.name, next_at=NOW + 999 * DAY)
    return made


def stands_at(tmp_path, monkeypatch, release):
    (tmp_path / "facts.json").write_text(json.dumps({"inferred_release": release}))
    monkeypatch.setenv("SAPWOOD_FACTS", str(tmp_path / "facts.json"))
    facts.look(actor=CLI, now=system_clock().now())


@pytest.fixture
def site(campus, project, monkeypatch):
    """A campus that the console offers, with hooks, and the environment of the release to come."""
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(campus.subject))
    tells = 'echo "$SAPWOOD_HOOK $SAPWOOD_RELEASE $SAPWOOD_PYTHON" >> told.txt\ncase'
    (campus.folder / "hook").write_text(HOOK.replace("case", tells, 1))
    (campus.folder / "hook").chmod(0o755)
    (campus.folder / "cedar.2").symlink_to("new")
    hooks = "".join(f'{name} = ["./hook"]\n' for name in HOOKS)
    automatic = '[automatic]\npython = "./{version}/bin/python"\n'
    target = '[target]\npython = "./old/bin/python"'
    text = campus.subject.read_text().replace('[target]\npython = "./new/bin/python"', target)
    campus.subject.write_text(f"{text}{automatic}[hooks]\n{hooks}")
    campus.migration("new", "0002_adds", ADDS)
    campus.migration("new", "0003_fills", FILLS)
    campus.models("new", **NEW_MODELS)
    campus.key = offers.key_of(campus.subject.resolve())
    return campus


def at(name, *args):
    return reverse(f"upgrades:{name}", args=args)


def look():
    """The job of each minute, without the work that it asks for."""
    tending.look_around(system_clock().now())


def work():
    """A minute of the worker: what is due, and what that asks for."""
    Schedule.objects.filter(name="upgrades.automatic").update(next_at=system_clock().now())
    run_worker(clock=system_clock(), once=True)


def drain():
    """The worker does what was asked for, and looks for nothing new."""
    run_worker(clock=system_clock(), once=True)


def texts():
    return [str(api.notices(NOW - DAY)[place].text) for place in range(len(api.notices(NOW - DAY)))]


def draw(low, high):
    """Be a site whose number lies between these."""
    path = role_dir() / "identity" / "site.id"
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(100_000):
        path.write_text(f"{uuid.UUID(int=number)}\n")
        if low <= identity.random_number() * 100 < high:
            return
    raise AssertionError("no such number")


def allow_rehearsals(client, site, **more):
    return client.post(at("allow_rehearsals", site.key), {"rehearses": "on"} | more)


def allow_application(client, site, **more):
    return client.post(at("allow_application", site.key), WINDOW | more)


# --- news -----------------------------------------------------------------------------------------------------------


def test_a_release_and_a_fix_are_raised_mailed_once_and_dismissed(alice, people, project, tmp_path, monkeypatch):
    stands_at(tmp_path, monkeypatch, "birch.2")
    work()
    assert "cedar.2 is out on a newer release line; you run birch.2" in texts()
    assert "A security fix concerns this site: ADV-1 is fixed in cedar.1" in texts()
    assert [one.to for one in mail.outbox] == [["alice@riverside.example"]]
    assert "Security:" in mail.outbox[0].subject
    assert "URGENT: A security fix concerns this site: ADV-1" in mail.outbox[0].body
    assert mail.outbox[0].body.index("ADV-1") < mail.outbox[0].body.index("cedar.2 is out")
    for _again in range(2):
        work()
    assert len(mail.outbox) == 1
    assert "cedar.2 is out" in alice.get("/").text
    assert "cedar.2 is out" in alice.get(reverse("inbox:list")).text
    page = alice.get(at("news")).text
    assert "ADV-1" in page
    for row in News.objects.filter(dismissed_at=None):
        alice.post(at("dismiss", row.uuid))
    work()
    assert texts() == []
    assert "cedar.2 is out" not in alice.get("/").text
    assert AuditRow.objects.filter(action="upgrades.news_dismissed").count() == News.objects.count()
    assert len(mail.outbox) == 1


def test_nothing_is_new_where_nobody_knows_where_the_site_stands(alice, project, tmp_path, monkeypatch):
    stands_at(tmp_path, monkeypatch, "elsewhere.1")
    work()
    assert texts() == []
    assert "Where this site stands is not known" in alice.get(at("news")).text


def test_an_installed_release_is_no_news_any_more(alice, project, tmp_path, monkeypatch):
    work()
    assert texts() == ["cedar.2 is out on your release line; you run cedar.1"]
    stands_at(tmp_path, monkeypatch, "cedar.2")
    work()
    assert texts() == []


@pytest.mark.parametrize("change", [{"paused": True}, {"status": "yanked"}, {"rollout_percent": 0}])
def test_a_release_that_is_held_back_is_no_news(alice, project, change):
    project.release(**change)
    work()
    assert texts() == []
    assert mail.outbox == []
    assert "Not offered to this site" in alice.get(at("news")).text


def test_a_roll_out_reaches_a_site_as_it_grows(alice, project):
    draw(40, 60)
    project.release(rollout_percent=30)
    work()
    assert texts() == []
    project.release(rollout_percent=70)
    work()
    assert texts() == ["cedar.2 is out on your release line; you run cedar.1"]
    project.release(rollout_percent=70, paused=True)
    work()
    assert texts() == []
    project.release(rollout_percent=100)
    work()
    assert len(texts()) == 1
    assert len(mail.outbox) == 1  # the same thing is not mailed again


def test_a_retracted_release_is_taken_back(alice, project):
    project.release()
    work()
    project.retract()
    work()
    assert texts() == []
    assert "it was taken back" in alice.get(at("news")).text


def test_a_condition_that_names_others_is_heeded(alice, project):
    from sapwood.formats.conditions import parse_condition

    project.release(condition=parse_condition({"fact": "database.engine", "op": "==", "value": "mariadb"}))
    work()
    assert len(texts()) == 1  # whether it concerns the site is not known: people are told
    found = releases.outlook(system_clock().now()).newest(releases.Sort.POINT)
    assert found.unsure is not None


def test_candidates_are_for_those_who_asked(alice, site, project):
    project.release("cedar.3rc1", status="candidate", name="candidates")
    work()
    assert not any("cedar.3rc1" in text for text in texts())
    alice.post(at("allow_rehearsals", site.key), {"candidates": "on"})
    work()
    assert "The candidate cedar.3rc1 can be tried; you run cedar.1" in texts()


def test_another_publisher_cannot_speak_for_the_project(alice, project, tmp_path, monkeypatch):
    other = Commons(tmp_path / "other", now=NOW - MINUTE)  # with keys of its own
    wanted = channel.subscribe(f"{URL}2", root=other.root, actor=CLI, now=NOW, name="stranger")
    stranger = Project(other, wanted)
    other.http.url = f"{URL}2"
    stranger.release("cedar.9")
    work()
    assert not any("cedar.9" in text for text in texts())


def test_a_mail_server_that_is_away_is_asked_again(alice, project, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.backends.locmem.EmailBackend.open", refused)
        work()
    assert (mail.outbox, NewsMail.objects.count()) == ([], 0)
    work()
    assert len(mail.outbox) == 1


def test_who_is_killed_while_mailing_mails_nothing_twice(alice, project, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", dies)
        with pytest.raises(Killed):
            look()
    assert NewsMail.objects.count() == 1
    look()
    assert mail.outbox == []
    assert len(texts()) == 1


def refused(*_words, **_given):
    raise ConnectionRefusedError


def dies(*_words, **_given):
    raise Killed


# --- black-out dates ------------------------------------------------------------------------------------------------


def test_black_out_dates_by_the_page(alice, people, project):
    page = alice.post(at("add_blackout"), {"first_day": "2026-12-01", "last_day": "2026-11-30", "reason": "Exams"})
    assert page.status_code == 400
    assert "The last day comes before the first" in page.text
    assert alice.post(at("add_blackout"), {"first_day": "x", "last_day": "", "reason": ""}).status_code == 400
    alice.post(at("add_blackout"), {"first_day": "2026-11-20", "last_day": "2026-11-30", "reason": "<b>Exams</b>"})
    page = alice.get(at("calendar")).text
    assert "&lt;b&gt;Exams" in page
    assert "holds now" in page
    alice.post(at("remove_blackout", Blackout.objects.get().uuid))
    assert not Blackout.objects.exists()
    actions = AuditRow.objects.filter(action__startswith="upgrades.blackout").order_by("seq")
    assert [row.action for row in actions] == ["upgrades.blackout_added", "upgrades.blackout_removed"]
    sign_in(alice, people["erin"])
    assert alice.get(at("calendar")).status_code == 200
    assert alice.post(at("add_blackout"), {}).status_code == 403


def test_black_out_dates_by_command(project, monkeypatch):
    monkeypatch.setenv("SAPWOOD_TIME_ZONE", "America/Santiago")
    run = CliRunner().invoke
    added = run(cli.upgrade, ["blackout", "add", "2026-09-06", "2026-09-06", "--reason", "Exams", "--json"])
    found = json.loads(added.stdout)
    assert (found["begins_at"], found["ends_at"]) == ("2026-09-06T04:00:00+00:00", "2026-09-07T03:00:00+00:00")
    assert [row["id"] for row in json.loads(run(cli.upgrade, ["blackout", "list", "--json"]).stdout)] == [found["id"]]
    assert run(cli.upgrade, ["blackout", "remove", found["id"]]).exit_code == 0
    assert json.loads(run(cli.upgrade, ["blackout", "list", "--json"]).stdout) == []


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T02:59:59"),
        ("America/Santiago", "2026-04-04", "2026-04-04T03:00", "2026-04-05T03:59:59"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T21:59:59"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T22:59:59"),
    ],
)
def test_a_black_out_day_is_a_day_of_the_sites_zone(project, monkeypatch, zone, day, first, last):
    monkeypatch.setenv("SAPWOOD_TIME_ZONE", zone)
    blackouts.add_blackout(dt.date.fromisoformat(day), dt.date.fromisoformat(day), "Exams", actor=CLI, now=NOW)
    begin, end = (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) for text in (first, last))
    second = dt.timedelta(seconds=1)
    dark = [blackouts.blackout_at(one) is not None for one in (begin - second, begin, end, end + second)]
    assert dark == [False, True, True, False]


def test_the_button_asks_once_more_on_black_out_dates(alice, site):
    blackouts.add_blackout(NOW.date(), NOW.date(), "Exams", actor=CLI, now=NOW)
    given = {"rehearsal": str(uuid.uuid4())}
    assert "These are black-out dates" in alice.post(at("apply", site.key), given, follow=True).text
    assert not Request.objects.exists()
    alice.post(at("apply", site.key), given | {"in_blackout": "on"})
    row = Request.objects.get()
    assert row.options["in_blackout"] == "Exams"
    assert AuditRow.objects.get(action="upgrades.asked").details["in_blackout"] == "Exams"
    refused = CliRunner().invoke(cli.upgrade, ["apply", str(site.subject)])
    assert getattr(refused.exception, "code", "") == "upgrades.in_blackout"


# --- rehearsing by itself -------------------------------------------------------------------------------------------


def test_a_new_point_release_is_rehearsed_where_somebody_allowed_it(alice, people, site):
    work()
    assert not Request.objects.exists()
    assert "off" in alice.get(at("automation", site.key)).text
    allow_rehearsals(alice, site)
    mail.outbox.clear()
    work()
    record = RehearsalRecord.objects.get()
    assert (record.verdict, record.request.error) == ("go", None), record.request.error
    assert record.request.options["release"] == "cedar.2"
    work()
    assert "The rehearsal of cedar.2 for campus says go" in texts()
    assert mail.outbox[-1].subject == "Riverside College: The rehearsal of cedar.2 for campus says go"
    for _again in range(3):
        work()
    assert Request.objects.count() == 1
    assert "it was rehearsed already" in alice.get(at("automation", site.key)).text
    asked = AuditRow.objects.get(action="upgrades.asked")
    assert asked.details["automatic"] is True
    assert AuditRow.objects.filter(action="upgrades.rehearsals_allowed").count() == 1
    # The file's own target is another one; the button goes by the rehearsal.
    assert "Upgrade now" in alice.get(at("press", site.key)).text


def test_a_no_go_is_told_with_its_reasons(alice, site):
    site.migration("new", "0003_fills", FILLS.replace("def fill(apps, schema_editor):", "def fill(*_):\n    raise 1"))
    allow_rehearsals(alice, site)
    mail.outbox.clear()
    work()
    work()
    assert RehearsalRecord.objects.get().verdict == "no-go"
    assert "The rehearsal of cedar.2 for campus says no-go" in texts()
    assert "0003_fills" in mail.outbox[-1].body
    assert Request.objects.count() == 1


def test_black_out_dates_that_begin_while_a_rehearsal_waits_hold_it(alice, site, clock):
    allow_rehearsals(alice, site)
    look()
    assert Request.objects.get().state == State.WAITING
    alice.post(at("add_blackout"), {"first_day": "2026-11-22", "last_day": "2026-11-22", "reason": "Exams"})
    drain()
    row = Request.objects.get()
    assert (row.state, row.error["code"]) == (State.FAILED, "upgrades.held")
    work()
    assert Request.objects.count() == 1
    assert "black-out dates: Exams" in alice.get(at("automation", site.key)).text
    assert not any("could not be rehearsed" in text for text in texts())
    clock.move_to(NOW + DAY)
    sign_in(alice, Automation.objects.get().rehearsals_by)
    work()
    assert RehearsalRecord.objects.latest("pk").verdict == "go"


def test_rehearsals_on_black_out_dates_are_a_choice(alice, site):
    blackouts.add_blackout(NOW.date(), NOW.date(), "Exams", actor=CLI, now=NOW)
    allow_rehearsals(alice, site, in_blackouts="on")
    work()
    assert RehearsalRecord.objects.get().verdict == "go"


def test_what_failed_is_tried_once_more_and_then_told(alice, site, clock, monkeypatch):
    def broken(*_words, **_given):
        raise SubjectError("the disk is full", hint="make room")

    allow_rehearsals(alice, site)
    with monkeypatch.context() as patch:
        patch.setattr("sapwood.site.upgrades.drivers.django_sites.rehearse", broken)
        work()
        work()
        assert Request.objects.count() == 1
        clock.shift(20 * MINUTE)
        work()
        clock.shift(20 * MINUTE)
        work()
    assert [row.state for row in Request.objects.all()] == [State.FAILED] * 2
    assert texts().count("cedar.2 could not be rehearsed for campus") == 2
    assert "it failed twice" in alice.get(at("automation", site.key)).text


def test_a_worker_killed_between_request_and_run_is_followed_by_one_that_rehearses(alice, site, monkeypatch):
    allow_rehearsals(alice, site)
    look()
    with monkeypatch.context() as patch:
        patch.setattr("sapwood.site.upgrades.drivers.django_sites.rehearse", dies)
        drain()
    row = Request.objects.get()
    assert row.state == State.RUNNING
    look()
    assert Request.objects.count() == 1  # never two at once
    Job.objects.filter(uuid=row.job).update(state=JobState.WAITING, run_at=row.asked_at, rang_at=None)
    drain()
    assert RehearsalRecord.objects.get().verdict == "go"


def test_who_may_no_more_allows_no_more(alice, people, site):
    allow_rehearsals(alice, site)
    people["alice"].is_active = False
    people["alice"].save()
    work()
    assert not Request.objects.exists()


def test_a_person_has_the_release_rehearsed_at_once(alice, site):
    work()
    alice.post(at("rehearse_release", site.key))
    drain()
    record = RehearsalRecord.objects.get()
    assert (record.verdict, record.request.options["release"]) == ("go", "cedar.2")
    assert "automatic" not in record.request.options
    alice.post(at("look", site.key))
    drain()
    assert "held when the worker last looked" in alice.get(at("certificate", site.key)).text
    alice.post(at("apply", site.key), {"rehearsal": record.request.uuid})
    drain()
    assert [(row.state, row.error) for row in applied()] == [(State.DONE, None)]
    assert f"switch cedar.2 {site.folder}/cedar.2/bin/python" in (site.folder / "told.txt").read_text()


def test_a_console_that_may_not_read_who_the_site_is_says_so(alice, site, project, monkeypatch):
    def closed():
        raise PermissionError

    project.release()
    releases.read_releases()
    monkeypatch.setattr(identity, "random_number", closed)
    page = alice.get(at("automation", site.key)).text
    assert "This account cannot read it." in page
    assert "this account cannot read this site&#x27;s number" not in page  # it is off, which comes first
    assert releases.outlook(system_clock().now()).newest(releases.Sort.POINT).unsure is not None


# --- applying by itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def ready(alice, site, project):
    """Rehearsed, allowed, and an hour before the window opens."""
    project.release()
    allow_rehearsals(alice, site)
    allow_application(alice, site)
    work()
    work()
    assert RehearsalRecord.objects.get().verdict == "go", Request.objects.get().error
    mail.outbox.clear()
    return site


def applied():
    return list(Request.objects.filter(kind=Kind.APPLY).order_by("pk"))


def test_in_the_window_a_rehearsed_point_release_is_applied(alice, ready, clock):
    assert applied() == []
    assert "the window is closed" in alice.get(at("automation", ready.key)).text
    clock.move_to(OPEN + MINUTE)
    work()
    (row,) = applied()
    assert (row.state, row.error) == (State.DONE, None)
    run = UpgradeRun.objects.get()
    assert run.stage == "done"
    assert (ready.folder / "running").read_text().strip() == "target"
    assert f"switch cedar.2 {ready.folder}/cedar.2/bin/python" in (ready.folder / "told.txt").read_text()
    work()
    assert "campus was upgraded to cedar.2 by itself" in texts()
    assert "campus was upgraded to cedar.2 by itself" in mail.outbox[-1].subject
    for _again in range(3):
        work()
    assert len(applied()) == 1
    assert Automation.objects.get().applies
    begun = AuditRow.objects.get(action="upgrades.begin")
    assert begun.subject == f"upgrade:{run.key}"


def test_it_is_off_until_somebody_who_proved_who_they_are_allows_it(alice, people, site, project):
    project.release()
    sign_in(alice, people["alice"], minutes_ago=60)
    assert allow_application(alice, site).status_code == 302
    assert not Automation.objects.filter(applies=True).exists()
    sign_in(alice, people["alice"])
    assert allow_application(alice, site, length_minutes=5).status_code == 400
    assert allow_application(alice, site, zone="Nowhere/Atlantis").status_code == 400
    allow_application(alice, site)
    assert Automation.objects.get().applies
    alice.post(at("stop_automation", site.key))
    assert not Automation.objects.get().applies
    actions = AuditRow.objects.filter(subject__startswith="automation:").order_by("seq")
    assert [row.action for row in actions] == ["upgrades.application_allowed", "upgrades.automation_stopped"]


@pytest.mark.parametrize("change", [{"paused": True}, {"status": "yanked"}, {"rollout_percent": 0}, {"gone": True}])
def test_a_release_that_is_held_back_between_request_and_run_is_not_applied(ready, project, clock, change):
    clock.move_to(OPEN + MINUTE)
    look()
    assert [row.state for row in applied()] == [State.WAITING]
    if change.pop("gone", False):
        project.retract()
    else:
        project.release(**change)
    releases.read_releases()
    drain()
    assert [row.error["code"] for row in applied()] == ["upgrades.held"]
    assert not UpgradeRun.objects.exists()
    work()
    assert len(applied()) == 1
    assert Automation.objects.get().applies  # it waits; nothing went wrong


def test_without_a_signed_word_on_the_roll_out_nothing_is_applied(alice, site, clock):
    allow_rehearsals(alice, site)
    allow_application(alice, site)
    work()
    clock.move_to(OPEN + MINUTE)
    work()
    assert applied() == []
    assert "no signed document says how far its roll-out is" in alice.get(at("automation", site.key)).text


def test_the_roll_out_decides_when_a_sites_turn_comes(ready, project, clock):
    draw(40, 60)
    project.release(rollout_percent=30)
    clock.move_to(OPEN + MINUTE)
    work()
    assert applied() == []


def test_a_silent_channel_applies_nothing(alice, people, ready, clock):
    clock.move_to(OPEN + 7 * DAY - HOUR - 5 * MINUTE)  # the certificate holds still
    Automation.objects.update(start=dt.time(9))
    work()
    assert applied() == []
    assert "the channel is silent" in sign_in(alice, people["alice"]).get(at("automation", ready.key)).text


def test_a_certificate_that_lapsed_before_the_window_is_made_anew(ready, project, clock):
    clock.move_to(OPEN + 7 * DAY + MINUTE)
    project.release()
    work()
    assert applied() == []
    assert RehearsalRecord.objects.count() == 2
    assert RehearsalRecord.objects.latest("pk").verdict == "go"
    work()
    assert [row.state for row in applied()] == [State.DONE]


@pytest.mark.parametrize("what", ["closing", "the backup before it"])
def test_a_window_that_is_nearly_over_is_too_short(alice, ready, clock, what):
    record = RehearsalRecord.objects.get()
    if what == "closing":
        record.document["predicted_downtime_s"]["high"] = 3600.0
    else:
        record.document["steps"][0]["seconds"] = 3600.0
    record.save()
    clock.move_to(OPEN + 90 * MINUTE)
    work()
    assert applied() == []
    assert "what is left of the window is shorter" in alice.get(at("automation", ready.key)).text


def test_black_out_dates_within_the_time_that_it_takes_hold_it(ready, clock):
    blackouts.add_blackout(NOW.date(), NOW.date(), "Exams", actor=CLI, now=NOW)
    clock.move_to(OPEN + MINUTE)
    work()
    assert applied() == []


def test_a_failure_switches_it_off_until_somebody_looks(alice, ready, clock):
    (ready.folder / "fail-start").touch()
    clock.move_to(OPEN + MINUTE)
    work()
    assert UpgradeRun.objects.get().stage in {"rolled back", "stopped"}
    work()
    setting = Automation.objects.get()
    assert not setting.applies
    assert "Automatic application was switched off" in alice.get(at("automation", ready.key)).text
    assert any("was taken back" in text or "waits for somebody" in text for text in texts())
    assert "Nothing more is applied by itself" in mail.outbox[-1].body
    (ready.folder / "fail-start").unlink()
    work()
    assert len(applied()) == 1
    request = type("R", (), {"user": setting.application_by})()
    assert {need.severity for need in panels.needs(request)} & {"high", "critical"}


def test_an_upgrade_that_changed_since_the_rehearsal_is_refused_and_switches_off(alice, ready, clock):
    ready.migration("new", "0004_more", ADDS.replace("0001_initial", "0003_fills").replace("price", "weight"))
    clock.move_to(OPEN + MINUTE)
    work()
    assert [row.error["code"] for row in applied()] == ["certificate.other_plan"]
    work()
    assert not Automation.objects.get().applies


def test_killed_inside_the_upgrade_it_goes_on_though_the_window_closed(ready, clock, monkeypatch):
    clock.move_to(OPEN + MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(applying.Run, "_do_final_backup", dies)
        work()
    (row,) = applied()
    assert row.state == State.RUNNING
    assert (ready.folder / "closed").exists()
    clock.move_to(OPEN + 5 * HOUR)
    Job.objects.filter(uuid=row.job).update(state=JobState.WAITING, run_at=row.asked_at, rang_at=None)
    drain()
    row.refresh_from_db()
    assert (row.state, (row.answer or {}).get("stage")) == (State.DONE, "done"), row.error
    assert not (ready.folder / "closed").exists()
    assert (ready.folder / "running").read_text().strip() == "target"


def test_the_way_back_of_such_an_upgrade_knows_its_target(alice, people, ready, clock):
    clock.move_to(OPEN + MINUTE)
    work()
    run = UpgradeRun.objects.get()
    sign_in(alice, people["alice"])
    alice.post(at("rollback", run.key), {"lose_writes": "on"})
    drain()
    run.refresh_from_db()
    assert run.stage == "rolled back"
    assert "maintenance_off cedar.2" in (ready.folder / "told.txt").read_text().splitlines()[-1]


def test_whoever_looses_the_right_applies_nothing_more(ready, people, clock):
    people["alice"].is_active = False
    people["alice"].save()
    clock.move_to(OPEN + MINUTE)
    work()
    assert applied() == []


# --- templates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cedar.2/../../etc", "cedar 2", "a;b", "-e", "cedar..2", "", "c" * 201, "{tag}"])
def test_a_hostile_name_goes_into_no_template(site, name):
    with pytest.raises(SubjectError):
        for_release(read_subject(site.subject), name)
    with pytest.raises(SubjectError):
        for_release(read_subject(site.subject), "cedar.2", name or "/")


def test_a_tutor_site_names_the_tutor_of_a_release(site):
    text = 'name = "campus"\ndriver = "tutor"\nroot = "."\n[current]\ntutor = "./old"\n[target]\ntutor = "./new"\n'
    site.subject.write_text(text + '[automatic]\ntutor = "./tutors/{version}/bin/tutor"\n')
    found = for_release(read_subject(site.subject), "cedar.2", "v/cedar.2")
    assert found.target.tutor == site.folder / "tutors/cedar.2/bin/tutor"
    assert recalled(read_subject(site.subject), kept(found)) == found
    site.subject.write_text(text + '[automatic]\ntutor = "./tutors/new/bin/tutor"\n')
    with pytest.raises(SubjectError):
        read_subject(site.subject)


def test_a_template_that_names_no_release_is_refused(site):
    site.subject.write_text(site.subject.read_text().replace("{version}", "new"))
    with pytest.raises(SubjectError):
        read_subject(site.subject)


def test_an_auditor_sees_and_changes_nothing(client, site, people):
    sign_in(client, people["erin"])
    assert client.get(at("automation", site.key)).status_code == 200
    for name in ("allow_rehearsals", "allow_application", "stop_automation", "rehearse_release"):
        assert client.post(at(name, site.key)).status_code == 403, name
    sign_in(client, people["carol"])
    assert client.get(at("news")).status_code == 403


def test_needs_hold_no_fix_twice(alice, people, project, rf, tmp_path, monkeypatch):
    stands_at(tmp_path, monkeypatch, "birch.2")
    work()
    request = rf.get("/")
    request.user = people["alice"]
    assert [str(need.text) for need in panels.needs(request)] == [
        "cedar.2 is out on a newer release line; you run birch.2"
    ]
    assert news.SECURITY in {row.kind for row in News.objects.all()}
