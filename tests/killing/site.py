"""Kills a site's web server, worker and commands at each write: `python -m tests.killing.site`, started by a test.

After each death a decision is either wholly there, with its audit row and a valid chain, or not at all; after a
restart, whoever repeats what was never answered finds it done exactly once, for each person and outlet.
"""

import datetime as dt
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import time_machine

from tests.killing import (
    ON_A_FULL_DISK,
    Ground,
    Ran,
    chain_holds,
    drive,
    free_port,
    on_a_full_disk,
    sapwood,
    set_up,
)
from tests.killing.browser import Browser
from tests.killing.world import World
from tests.simulator import SimulatedCommons

ALICE = "alice@riverside.example"
READERS = ("frank@riverside.example", "grace@riverside.example")
MAIL = [f"sapwood/inbox/mail/{name}" for name in ("confirm.txt", "message.html", "message.txt", "subject.txt")]
FREE = (40_000, 80_000, 120_000)  # less than the database needs, more than it needs to be read
SOON, LATER = dt.timedelta(minutes=20), dt.timedelta(hours=2)


# --- run in children ------------------------------------------------------------------------------------------------


def people_and_items(hook: str) -> None:
    """Alice, who decides; Frank and Grace, who get mail at once; a webhook; an announcement that waits for Alice."""
    from sapwood.accounts.api import Role, actor_for, create_person, grant_role
    from sapwood.core import jobs
    from sapwood.core.data import Actor
    from sapwood.core.models import Schedule
    from sapwood.site.inbox import api
    from sapwood.site.inbox.actions.importing import know_channel
    from sapwood.site.inbox.data import Audience
    from sapwood.site.inbox.models import Person
    from sapwood.site.inbox.tests.given import SiteSays, Tap, announcement, received

    moment = now()
    know_channel("community", now=moment - dt.timedelta(days=9))
    alice = create_person(ALICE, actor=Actor.command(), now=moment)
    grant_role(alice, role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=moment)
    for email in READERS:
        api.add_person(email, Audience.ADMINISTRATORS, actor=actor_for(alice), now=moment)
    Person.objects.update(threshold="none")
    api.add_webhook("chat", hook, Audience.ADMINISTRATORS, actor=actor_for(alice), now=moment, allow_private=True)
    tap = Tap()
    tap.pour(received(announcement(severity="high"), received_at=moment, published_at=moment))
    api.import_received(now=moment, source=tap, facts=SiteSays())
    # Only deliveries come round: what else a worker does each minute is not what is looked at here.
    for item in jobs.RECURRING.values():
        Schedule.objects.create(name=item.name, next_at=moment + dt.timedelta(days=999))
    Schedule.objects.filter(name="inbox.deliver_due").update(next_at=moment)


def approved_an_hour_ago() -> None:
    from sapwood.accounts.api import actor_for, person
    from sapwood.site.inbox import api
    from sapwood.site.inbox.data import Choices, OutletKind, Window

    choices = Choices(outlets=tuple(OutletKind), window=Window(now() - dt.timedelta(minutes=30)))
    api.approve(1, choices, actor=actor_for(person(ALICE)), now=now() - dt.timedelta(hours=1))


def received_but_not_imported() -> None:
    """Twenty announcements of a publisher were pulled; the worker is about to import them."""
    from sapwood.channel import api
    from sapwood.channel.tests.support import NOW, URL, announcement
    from sapwood.core.clock import FixedClock
    from sapwood.core.data import Actor
    from sapwood.core.models import Schedule
    from sapwood.site.inbox.models import Cursor

    Cursor.objects.update(position=0)  # the announcement for Alice did not come by the channel
    commons = SimulatedCommons()
    commons.publish(*(announcement(number) for number in range(20)))
    subscription = api.subscribe(URL, root=commons.first_root, actor=Actor.command(), now=NOW)
    assert api.pull(subscription, http=commons, clock=FixedClock(NOW)).new == 20
    Schedule.objects.update(next_at=now() + dt.timedelta(days=999))
    Schedule.objects.filter(name="inbox.import").update(next_at=now())


def look() -> dict[str, Any]:
    """What counts of the state of a site; not the ids and instants, which differ from one attempt to the next."""
    from sapwood.channel.models import Subscription
    from sapwood.core.models import AuditRow
    from sapwood.site.inbox import models

    items = models.Item.objects.order_by("pk")
    people = models.Person.objects.order_by("email").prefetch_related("streams")
    dispatches = models.Dispatch.objects.order_by("pk")
    deliveries = models.Delivery.objects.select_related("approval", "person").order_by("pk")
    return {
        "items": list(items.values_list("decision", "upstream", "acknowledged_revision")),
        "snoozed": items.exclude(snoozed_until=None).count(),
        "texts": list(models.LocalText.objects.order_by("pk").values_list("locale", "title", "version")),
        "approvals": list(models.Approval.objects.order_by("pk").values_list("audience", "people_needed")),
        "signatures": models.Signature.objects.count(),
        "dispatches": [[row.outlet, row.done_at is not None] for row in dispatches],
        "deliveries": [[row.outlet, row.person.email if row.person else "", row.state] for row in deliveries],
        "channels": list(models.ChannelPolicy.objects.order_by("channel").values_list("channel", "stage")),
        "people": [[p.email, p.confirmed_at is not None, [s.channel for s in p.streams.all()]] for p in people],
        "subscriptions": list(Subscription.objects.values_list("name", "channels__name")),
        "audit": list(AuditRow.objects.order_by("seq").values_list("action", flat=True)),
        "chain": chain_holds(),
    }


def jobs_left() -> list[Any]:
    """Where each job and each ring of its bell stands: with `look`, all on which the next worker's way depends."""
    from django_tasks_db.models import DBTaskResult

    from sapwood.core.models import Job

    jobs = [[row.name, row.state, row.attempts, row.rang_at is not None] for row in Job.objects.order_by("pk")]
    return [jobs, list(DBTaskResult.objects.order_by("enqueued_at").values_list("status", flat=True))]


def now() -> dt.datetime:
    from sapwood.core.clock import system_clock

    return system_clock().now()


def two_more_workers() -> None:
    for later in (SOON, LATER):
        with time_machine.travel(now() + later):
            assert sapwood("worker", "--once") == 0


# --- the driver -----------------------------------------------------------------------------------------------------


class Site:
    """A site with what stands round it; each door is a way in."""

    def __init__(self, var: Path) -> None:
        self.world = World(var.with_name("world"))
        self.port = free_port()
        os.environ["SAPWOOD_MAIL_URL"] = f"smtp://127.0.0.1:{self.world.smtp_port}"
        os.environ["SAPWOOD_BASE_URL"] = f"http://127.0.0.1:{self.port}"
        self.ground = Ground(var / "site")
        self.files = var.with_name("files")
        self.files.mkdir()
        set_up(self.ground, *MAIL)
        self.ground.run(lambda: people_and_items(f"http://127.0.0.1:{self.world.http_port}/hook")).good()

    def web(self) -> str:
        """The web server, from a press of a button to its answer."""
        browser = Browser(self.ground, self.port)
        browser.sign_in(ALICE)
        with self.ground.kept():
            seen = re.search(r'name="seen" value="([0-9a-f]+)"', browser.get("/inbox/1/"))
            outlets = ["page", "feed", "mail", "webhook"]
            approval = {"audience": "administrators", "outlets": outlets, "locales": "en", "seen": seen.group(1)}
            edit = {"title": "Ulmo has come", "summary": "", "body": "Here.", "version": 0, "base_revision": 1}
            buttons = {
                "approval": ("/inbox/1/approve", approval),
                "rejection": ("/inbox/1/reject", {"reason": "not for us"}),
                "snooze": ("/inbox/1/snooze", {"days": 7}),
                "edit": ("/inbox/1/text/en", edit),
                "opening": ("/trust/open", {"channel": "community", "audience": "instructors"}),
            }
            return "\n".join(
                # 409: somebody did it already, which was oneself.
                self.ground.all_or_nothing(name, lambda fuse: browser.post(*button, fuse=fuse, accept={302, 409}), look)  # noqa: B023
                for name, button in buttons.items()
            )

    def subscription(self) -> str:
        """A reader asks for mail: the wish is written, then the link is mailed; whoever gets no link asks again."""
        browser = Browser(self.ground, self.port)
        browser.get("/announcements/subscribe")
        wish = {"email": "dave@riverside.example", "audience": "learners"}

        def ask(fuse: int) -> Ran:
            self.world.forget()
            return browser.post("/announcements/subscribe", wish, fuse=fuse)

        found = Counter[tuple[bool, int]]()
        with self.ground.kept():
            for number, _ran in self.ground.deaths(ask):
                seen = self.ground.see(look)
                mails = len(self.world.heard())
                state = ("people.ask" in seen["audit"], mails)
                listed = wish["email"] in [email for email, *_ in seen["people"]]
                assert (listed, seen["chain"]) == (state[0], []), f"killed at write {number}: half done\n{seen}"
                assert mails <= listed, f"killed at write {number}: a link without a wish"
                if state not in found:
                    browser.post("/announcements/subscribe", wish, later=SOON)
                    assert len(self.world.heard()) == mails + 1, f"killed at write {number}: asked again in vain"
                found[state] += 1
        assert set(found) == {(False, 0), (True, 0), (True, 1)}, found
        return f"subscription: {found}"

    def worker(self) -> str:
        """What is due goes to page, feed, two people's mail and a webhook; the worker dies at each write on the way."""

        def work(fuse: int) -> Ran:
            self.world.forget()
            return self.ground.command("worker", "--once", fuse=fuse)

        def judge(found: dict[str, Any], where: str) -> None:
            _delivered_once(found, self.world.heard(), where)

        self.ground.run(approved_an_hour_ago).good()
        with self.ground.kept():
            left = lambda: [jobs_left(), self.world.heard()]  # noqa: E731
            states = self.ground.resumed("worker", work, look, left, two_more_workers, judge)
        ends = Counter(_standing(state) for state in states)
        assert len(ends) >= 8, ends
        return "\n".join(f"{number} times {end}" for end, number in ends.items())

    def commands(self) -> str:
        """Decisions by command."""
        people = self.files / "people.csv"
        people.write_text("email,locale\n" + "".join(f"reader{number}@riverside.example,es\n" for number in range(50)))
        root = self.files / "root.json"
        root.write_bytes(SimulatedCommons().first_root)
        lines = (
            "inbox approve 1 --outlet page --outlet mail --outlet webhook",
            "inbox reject 1",
            f"people import {people} --audience instructors",
            f"channel subscribe https://commons.example.org/channel --root {root}",
        )
        with self.ground.kept():
            return "\n".join(
                self.ground.all_or_nothing(
                    line,
                    lambda fuse: self.ground.command(*line.split(), fuse=fuse),  # noqa: B023
                    look,
                    lambda: sapwood(*line.split()),  # noqa: B023
                )
                for line in lines
            )

    def full_disk(self) -> str:
        """Approving by command and by button, and importing, on a disk that is full from the start or soon after."""
        browser = Browser(self.ground, self.port)
        browser.sign_in(ALICE)
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', browser.get("/inbox/1/"))
        approval = {"audience": "administrators", "outlets": ["page", "mail"], "locales": "en", "seen": seen.group(1)}
        words = ("inbox", "approve", "1", "--outlet", "page", "--outlet", "mail")
        with self.ground.kept():
            for free in FREE:
                self.ground.restore()
                before = self.ground.see(look)
                ran = self.ground.run(lambda: on_a_full_disk(free, lambda: sys.exit(sapwood(*words))))  # noqa: B023
                assert ran.code == 1, (free, ran)
                assert re.fullmatch(ON_A_FULL_DISK, ran.err), (free, ran)
                page = browser.post("/inbox/1/approve", approval, accept={507}, free=free).out
                assert "core.disk" in page
                assert "Make room on it" in page
                assert self.ground.see(look) == before, free
                browser.post("/inbox/1/approve", approval)
        self.ground.run(received_but_not_imported).good()
        said = ""
        with self.ground.kept():
            for free in (40_000, 120_000, 200_000, 300_000, 400_000):
                self.ground.restore()
                ran = self.ground.run(lambda: on_a_full_disk(free, lambda: sapwood("worker", "--once"))).good()  # noqa: B023
                assert all("[core.disk]" in line for line in ran.err.splitlines()), (free, ran)
                between = self.ground.see(look)
                assert between["chain"] == []
                said += f"{len(between['items']) - 1} of 20 imported\n"
                self.ground.run(two_more_workers).good()
                after = self.ground.see(look)
                assert [decision for decision, *_ in after["items"]] == ["new", *["archived"] * 20], free
                assert after["chain"] == []
        return said


def _standing(seen: dict[str, Any]) -> str:
    states = Counter(f"{outlet} {state}" for outlet, _to, state in seen["deliveries"])
    return ", ".join(f"{number} {what}" for what, number in sorted(states.items())) or "nothing"


def _delivered_once(seen: dict[str, Any], heard: list[dict[str, str]], where: str) -> None:
    where = f"{where}: {_standing(seen)}; {heard}"
    assert seen["chain"] == [], where
    rows = {(outlet, to): state for outlet, to, state in seen["deliveries"]}
    assert len(rows) == len(seen["deliveries"]) == 5, where
    assert rows["page", ""] == rows["feed", ""] == rows["webhook", ""] == "sent", where
    assert len({one["key"] for one in heard if "key" in one}) == 1, where
    mails = Counter(one["to"] for one in heard if "to" in one)
    for reader in READERS:
        # A mail that was in flight is uncertain until a person says more; nobody gets it twice by itself.
        assert rows["mail", reader] in {"sent", "uncertain"}, where
        assert mails[reader] == 1 if rows["mail", reader] == "sent" else mails[reader] <= 1, where
    audited = Counter(seen["audit"])
    sent = sum(state == "sent" for (outlet, _to), state in rows.items() if outlet in {"mail", "webhook"})
    assert (audited["inbox.publish"], audited["inbox.sent"]) == (2, sent), where


def main() -> None:
    site = Site(Path(os.environ["SAPWOOD_VAR"]))
    try:
        doors = (site.web, site.subscription, site.worker, site.commands, site.full_disk)
        with site.ground.kept():
            drive({door.__name__: door for door in doors}, site.ground)
    finally:
        site.world.stop()


if __name__ == "__main__":
    main()
