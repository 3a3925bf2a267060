"""A machine that does to one item whatever people, publishers and time can do, in any order.

Held after every step: nothing beyond administrators without an approval by a person, pinned to exactly the text that
went out; at most one sent delivery per approval, outlet and recipient.
"""

import contextlib
import datetime as dt

import pytest
from django.core import mail
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.fakes import FakeHttp

from sapwood.accounts.api import Role, actor_for, create_person, grant_role, revoke_role
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.formats.logic import Answer
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.importing import know_channel
from sapwood.site.inbox.data import Audience, Choices, DeliveryState, OutletKind, Reader, Text, Window
from sapwood.site.inbox.models import Approval, Delivery, Dispatch, Item, StreamOptIn
from sapwood.site.inbox.tests.given import DAY, NOW, SiteSays, Tap, announcement, received, retraction, revised

URL = "https://hooks.riverside.example/in"
PEOPLE = st.sampled_from(["alice", "erin", "rita"])
AUDIENCES = st.sampled_from(list(Audience))
OUTLETS = st.lists(st.sampled_from(list(OutletKind)), min_size=1, max_size=4, unique=True)


class ItemLife(RuleBasedStateMachine):
    """One item, two administrators, a reviewer, three readers, one webhook per audience."""

    def __init__(self):
        super().__init__()
        self.example = transaction.atomic()
        # What must be the outermost transaction would be one, if this were not a test: Django's own mark for that.
        self.example._from_testcase = True
        self.example.__enter__()

    def teardown(self):
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @initialize()
    def open_the_site(self):
        self.clock = FixedClock(NOW)
        self.tap, self.http = Tap(), FakeHttp().answer(URL, b"ok")
        self.said = SiteSays()
        self.people = {}
        for name, role in (
            ("alice", Role.SITE_ADMINISTRATOR),
            ("erin", Role.SITE_ADMINISTRATOR),
            ("rita", Role.REVIEWER),
        ):
            user = create_person(f"{name}@r.example", actor=Actor.command(), now=NOW)
            grant_role(user, role=role, actor=Actor.command(), now=NOW)
            self.people[name] = user
        know_channel("community", now=NOW - DAY)
        alice = actor_for(self.people["alice"])
        for audience in Audience:
            person = api.add_person(f"{audience.value}@r.example", audience, actor=alice, now=NOW)
            person.threshold = "none"
            person.save()
            StreamOptIn.objects.create(person=person, channel="community", at=NOW)
            api.add_webhook(audience.value, URL, audience, actor=alice, now=NOW)
        self.document = announcement(condition={"fact": "release", "op": "<", "value": "ulmo.1"})
        self._pull(self.document)
        self.item = Item.objects.get().pk
        mail.outbox.clear()

    def _pull(self, document):
        self.tap.pour(received(document))
        api.import_received(now=self.clock.now(), source=self.tap, facts=self.said)

    def _try(self, act):
        with contextlib.suppress(SapwoodError):
            act()

    def _actor(self, name):
        return actor_for(self.people[name])

    @rule(title=st.sampled_from(["A", "B", "C"]))
    def publisher_revises(self, title):
        self.document = revised(self.document, texts={"en": {"title": f"{title}{self.document['revision']}"}})
        self._pull(self.document)

    @rule()
    def publisher_retracts(self):
        self._pull(retraction(self.document))

    @rule(who=PEOPLE, title=st.sampled_from(["mine", "ours"]))
    def somebody_edits(self, who, title):
        version = next((one.version for one in api.review(self.item).languages), 0)
        self._try(
            lambda: api.save_text(
                self.item, "en", Text(title), actor=self._actor(who), now=self.clock.now(), version=version
            )
        )

    @rule(who=PEOPLE, audience=AUDIENCES, outlets=OUTLETS, later=st.booleans(), seen=st.booleans())
    def somebody_approves(self, who, audience, outlets, later, seen):
        window = Window(self.clock.now() + DAY) if later else None
        hash_ = api.review(self.item).seen if seen else ""
        choices = Choices(audience=audience, outlets=tuple(outlets), window=window)
        self._try(lambda: api.approve(self.item, choices, actor=self._actor(who), now=self.clock.now(), seen=hash_))

    @rule(who=PEOPLE)
    def somebody_approves_as_the_second(self, who):
        row = Item.objects.get(pk=self.item).approval
        digest = row.digest if row else "0" * 64
        self._try(lambda: api.second(self.item, digest=digest, actor=self._actor(who), now=self.clock.now()))

    @rule(who=PEOPLE, what=st.sampled_from(["reject", "archive", "start_review", "withdraw", "keep_approved"]))
    def somebody_decides(self, who, what):
        self._try(lambda: getattr(api, what)(self.item, actor=self._actor(who), now=self.clock.now()))

    @rule(who=PEOPLE)
    def somebody_snoozes(self, who):
        until = self.clock.now() + DAY
        self._try(lambda: api.snooze(self.item, until=until, actor=self._actor(who), now=self.clock.now()))

    @rule(audience=AUDIENCES)
    def trust_is_opened(self, audience):
        self._try(lambda: api.open_channel("community", audience, actor=self._actor("alice"), now=self.clock.now()))

    @rule()
    def trust_is_revoked(self):
        self._try(lambda: api.revoke_channel("community", actor=self._actor("alice"), now=self.clock.now()))

    @rule(needed=st.booleans())
    def two_people_are_asked_for(self, needed):
        self._try(
            lambda: api.set_two_people("community", needed=needed, actor=self._actor("alice"), now=self.clock.now())
        )

    @rule(lost=st.booleans())
    def erin_loses_or_gets_her_role(self, lost):
        change = revoke_role if lost else grant_role
        self._try(
            lambda: change(
                self.people["erin"], role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=self.clock.now()
            )
        )
        self.people["erin"] = type(self.people["erin"]).objects.get(pk=self.people["erin"].pk)

    @rule(answer=st.sampled_from([Answer.YES, Answer.NO, Answer.UNKNOWN]))
    def the_site_changes(self, answer):
        self.said.answer = answer
        api.retire(now=self.clock.now(), facts=self.said)

    @rule(days=st.integers(0, 2))
    def time_passes_and_the_worker_runs(self, days):
        self.clock.advance(dt.timedelta(days=days, minutes=1))
        api.wake_snoozed(now=self.clock.now(), actor=Actor.system("test"))
        api.deliver_due(clock=self.clock, http=self.http)
        api.deliver_digests(clock=self.clock)

    @rule()
    def a_task_is_run_again(self):
        Dispatch.objects.update(done_at=None)
        api.deliver_due(clock=self.clock, http=self.http)

    @invariant()
    def nothing_goes_out_twice(self):
        if not hasattr(self, "item"):
            return
        sent = list(Delivery.objects.filter(state=DeliveryState.SENT).values_list("approval_id", "outlet", "target"))
        assert len(sent) == len(set(sent))
        assert len(mail.outbox) == sum(outlet == "mail" for _a, outlet, _t in sent)
        assert len(self.http.requests) == sum(outlet == "webhook" for _a, outlet, _t in sent)
        ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
        assert len(ids) == len(set(ids))

    @invariant()
    def what_went_out_was_approved_by_people_in_exactly_these_words(self):
        if not hasattr(self, "item"):
            return
        approvals = {row.pk: row for row in Approval.objects.all()}
        for row in Delivery.objects.filter(state=DeliveryState.SENT):
            approval = approvals[row.approval_id]
            people = {one.person for one in approval.signatures.all()}
            assert len(people) >= approval.people_needed
            assert all(one.kind == "person" for one in approval.signatures.all())
        for message in mail.outbox:
            title = message.subject.partition(": ")[2]
            audience = message.to[0].partition("@")[0]
            assert any(f'"title":"{title}"' in one.content and one.audience == audience for one in approvals.values())

    @invariant()
    def the_page_shows_each_audience_only_what_stands_approved_for_it(self):
        if not hasattr(self, "item"):
            return
        item = Item.objects.get(pk=self.item)
        for audience in Audience:
            for shown in api.announcements(Reader(audience, "en"), now=self.clock.now()).items:
                assert item.decision == "approved"
                assert shown.approval == item.approval_id
                assert shown.audience in audience.reads()
                assert f'"title":"{shown.texts["en"].title}"' in item.approval.content


@pytest.mark.slow
@pytest.mark.django_db
def test_whatever_happens_to_an_item_in_any_order_nothing_passes_the_gate():
    run_state_machine_as_test(
        ItemLife,
        settings=settings(
            max_examples=12, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
