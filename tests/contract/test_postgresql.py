"""What SQLite gives by letting one writer in at a time has to hold on PostgreSQL, where several write at once.

`make test` runs this file against a server of its own, and with it the modules that carry the mark `postgresql`.
"""

import datetime as dt
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from tests.fakes import FakeHttp
from tests.simulator import NOW, URL, SimulatedCommons

from sapwood.accounts.actions.roles import LastAdministratorError
from sapwood.accounts.api import Role, actor_for, create_person, grant_role, revoke_role
from sapwood.channel import api as channel
from sapwood.channel.errors import PullBusyError
from sapwood.channel.tests.support import announcement
from sapwood.core import audit, jobs
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow, Job
from sapwood.formats.canonical import canonical_bytes
from sapwood.site.inbox import api as inbox
from sapwood.site.inbox.actions.deciding import DecidedError
from sapwood.site.inbox.data import Audience, Choices, OutletKind
from sapwood.site.inbox.models import Item, Person

pytestmark = [
    pytest.mark.contract,
    pytest.mark.postgresql,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="belongs to the pass on PostgreSQL"),
    pytest.mark.django_db(transaction=True),
]
HANDS = 4


def at_once(act, *, hands=HANDS, expected=()):
    """Let several threads do the same at the same moment; what each returned, or the expected error that it met."""
    start = threading.Barrier(hands)

    def run(number):
        try:
            start.wait(60)
            return act(number)
        except expected as error:
            return type(error)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(hands) as pool:
        return list(pool.map(run, range(hands)))


@pytest.fixture
def alice():
    user = create_person("alice@riverside.example", name="Alice", actor=Actor.command(), now=NOW)
    grant_role(user, role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=NOW)
    return user


@pytest.fixture
def commons():
    return SimulatedCommons()


@pytest.fixture
def site(commons):
    names = ("security", "community")
    return channel.subscribe(
        URL, root=commons.first_root, actor=Actor.command(), now=commons.now, name="openedx", channels=names
    )


def pull(site, commons):
    return channel.pull(site, http=commons, clock=FixedClock(commons.now))


def test_rows_that_are_written_at_once_make_one_chain(tmp_path):
    def write(number):
        for step in range(10):
            with transaction.atomic():
                audit.record(actor=Actor.system(f"hand-{number}"), action="test.write", subject=f"{step}", at=NOW)

    at_once(write)
    report = audit.verify(tmp_path)
    assert (report.rows, report.problems) == (HANDS * 10, [])


def test_a_job_is_run_by_one_worker_and_waits_once_per_key(monkeypatch):
    ran = []
    monkeypatch.setitem(jobs.JOBS, "test.once", lambda ctx: ran.append(ctx.uuid))
    made = at_once(lambda _: jobs.enqueue("test.once", now=NOW, key="same"))
    assert len(set(made)) == Job.objects.filter(name="test.once").count() == 1
    claims = at_once(lambda number: jobs.run(str(made[0]), worker=f"worker-{number}", clock=FixedClock(NOW)))
    assert sorted(claims) == [False] * (HANDS - 1) + [True]
    assert ran == [made[0]]


def test_two_workers_enqueue_what_recurs_once(monkeypatch):
    monkeypatch.setattr(jobs, "RECURRING", {})
    monkeypatch.setitem(jobs.JOBS, "test.recurs", lambda ctx: None)
    jobs.every("test.recurs", dt.timedelta(hours=1))
    assert sum(at_once(lambda number: jobs.tick(NOW, random.Random(number)))) == 1
    assert Job.objects.filter(name="test.recurs").count() == 1


class Ticking(FixedClock):
    """A clock on which no two looks are the same."""

    def now(self):
        self.advance(dt.timedelta(seconds=1))
        return super().now()


def test_a_job_stays_alive_when_the_server_cuts_its_connections(monkeypatch):
    monkeypatch.setattr(jobs, "HEARTBEAT", dt.timedelta())
    beats = []

    def beaten():
        return Job.objects.get(name="test.long").heartbeat_at

    def next_beat():
        before, waiting = beaten(), threading.Event()
        for _ in range(600):
            if beaten() != before:
                return beats.append(before)
            waiting.wait(0.05)
        raise AssertionError("no heartbeat any more")

    def long(ctx):
        for _ in range(5):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            next_beat()
            next_beat()

    monkeypatch.setitem(jobs.JOBS, "test.long", long)
    job = jobs.enqueue("test.long", now=NOW)
    assert jobs.run(str(job), worker="a", clock=Ticking(NOW))
    assert (len(beats), Job.objects.get(uuid=job).error) == (10, None)


def test_there_is_one_puller_and_each_document_is_stored_once(site, commons):
    commons.publish(*(announcement(number) for number in range(5)))
    others = []

    def in_between(request):
        del commons.answers["metadata/timestamp.json"]
        others.extend(at_once(lambda _: pull(site, commons), expected=PullBusyError))
        return commons.fetch(request)

    commons.answers["metadata/timestamp.json"] = in_between
    assert pull(site, commons).new == 5
    assert others == [PullBusyError] * HANDS
    assert len(channel.received()) == 5


def test_from_the_channel_to_mail_each_step_done_by_several_at_once_happens_once(site, commons, alice):
    clock, by = FixedClock(commons.now), actor_for(alice)
    pull(site, commons)
    inbox.import_received(now=clock.now())
    commons.sleep(dt.timedelta(minutes=1))
    clock.advance(dt.timedelta(minutes=1))
    commons.publish(announcement(1))
    pull(site, commons)
    at_once(lambda _: inbox.import_received(now=clock.now()).fresh)
    item = Item.objects.get()
    frank = inbox.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by, now=clock.now())
    Person.objects.filter(pk=frank.pk).update(threshold="none")
    both = Choices(outlets=(OutletKind.PAGE, OutletKind.MAIL))
    approved = at_once(lambda _: inbox.approve(item.pk, both, actor=by, now=clock.now()).pk, expected=DecidedError)
    assert approved.count(DecidedError) == HANDS - 1
    at_once(lambda _: inbox.deliver_due(clock=clock, http=FakeHttp()) and None)
    assert [message.to for message in mail.outbox] == [["frank@riverside.example"]]
    assert AuditRow.objects.filter(action="inbox.approve").count() == 1


def test_of_two_administrators_who_remove_each_other_one_stays(alice):
    erin = create_person("erin@riverside.example", name="Erin", actor=Actor.command(), now=NOW)
    grant_role(erin, role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=NOW)
    pair = [alice, erin]

    def remove(number):
        revoke_role(pair[1 - number], role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=NOW)

    assert at_once(remove, hands=2, expected=LastAdministratorError).count(LastAdministratorError) == 1


HOSTILE = {
    "a character that PostgreSQL cannot store": {"title": "Down \x00 here", "summary": "a\x00b", "body": "c\x00d"},
    "a title beyond every column": {"title": "long " * 1000, "summary": "s", "body": "b"},
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_document_that_the_database_could_refuse_holds_up_no_other(site, commons, text):
    bad = {
        "type": "announcement", "version": 1, "uuid": str(uuid4()), "revision": 1, "channel": "community",
        "kind": "news", "texts": {"en": text},
    }  # fmt: skip
    commons.publish(canonical_bytes(bad), announcement(1))
    result = pull(site, commons)
    assert (result.new + result.refused, result.errors) == (2, {})
    inbox.import_received(now=commons.now)
    assert Item.objects.filter(title="News 1", readable=True).exists()


def test_a_search_for_what_cannot_be_stored_finds_nobody(client, alice):
    client.force_login(alice)
    assert client.get("/accounts/people?q=%00zzz&after=a%00").status_code == 200
