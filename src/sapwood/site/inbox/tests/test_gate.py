"""No path around the gate.

Three walls, each tested on its own. (1) Only `gate.py` can make what an outlet takes. (2) Every function that makes
something leave the process takes it, or is one of a few named letters that carry nothing of an item. (3) Every door
(page, endpoint, command, job, api function), found by introspection, was knocked at with items that nobody approved.
A new door, outlet or way out that nobody thought about fails one of these tests.
"""

import ast
import dataclasses
import inspect
import uuid
from contextlib import suppress

import click
import pytest
from click.testing import CliRunner
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.db import connection, transaction
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.people import sign_in

from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.site.inbox import api, gate, rest_urls, sources, tasks, tokens, urls
from sapwood.site.inbox.actions import approving, delivering
from sapwood.site.inbox.cli import inbox, people
from sapwood.site.inbox.data import Audience, Choices, Decision, DeliveryState, OutletKind, Reader
from sapwood.site.inbox.models import Approval, Delivery, Dispatch, Item, OutletConfig, Signature
from sapwood.site.inbox.outlets import registry
from sapwood.site.inbox.tests import callgraph
from sapwood.site.inbox.tests.given import DAY, NOW, Tap, announcement

pytestmark = pytest.mark.django_db
P = callgraph.PACKAGE
URL = "https://hooks.riverside.example/in"

# Ways out that carry nothing of an item: the confirmation of one's own address, and asking a feed for news.
LETTERS = {f"{P}.letters._confirm"}
ASKING = {f"{P}.actions.feeds.poll_feeds"}


# --- wall 1: only the gate makes what an outlet takes -------------------------------------------------------------


def test_nothing_outside_the_gate_can_make_a_clearance():
    values = {one.name: None for one in dataclasses.fields(gate.Cleared)}
    with pytest.raises(gate.ForgedError):
        gate.Cleared(**values)
    with pytest.raises(gate.ForgedError):
        gate.Addressee(person=None, cleared=None, seal=object())


def test_a_clearance_cannot_be_changed_into_another(arrive, alice, by):
    item = arrive(announcement())
    row = api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    cleared = gate.cleared(row.pk, NOW, outlet=OutletKind.PAGE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cleared.audience = Audience.LEARNERS
    with pytest.raises(TypeError):
        cleared.texts["en"] = None


@pytest.mark.parametrize("word", ["_SEAL", "_Seal", "_clear", "_cleared", "object.__setattr__", "object.__new__"])
def test_no_other_file_touches_the_seal(word):
    for path in callgraph.ROOT.rglob("*.py"):
        if path.name != "gate.py" and "tests" not in path.parts:
            source = path.read_text(encoding="utf-8")
            assert f"gate.{word}" not in source, path
            assert f"import {word}" not in source, path


def test_only_the_gate_builds_a_clearance():
    for module, tree in callgraph.modules().items():
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "id", getattr(called, "attr", ""))
            if module != f"{P}.gate":
                assert name not in {"Cleared", "Addressee"}, module
            if isinstance(called, ast.Name) and name == "replace":
                assert module == f"{P}.actions.importing", "dataclasses.replace could rebuild a clearance"


# --- wall 2: every way out takes a clearance ----------------------------------------------------------------------


def test_every_function_that_makes_something_leave_takes_what_the_gate_made():
    functions = callgraph.graph()
    senders = {name: one for name, one in functions.items() if one.sinks}
    assert senders, "the reader of the source found no way out at all"
    for name, one in senders.items():
        if name in LETTERS | ASKING:
            continue
        takes = " ".join(one.parameters.values())
        assert "Cleared" in takes or "Addressee" in takes, f"{name} uses {one.sinks} and takes no clearance"


def test_every_outlet_is_registered_and_its_first_argument_comes_from_the_gate():
    functions = callgraph.graph()
    marked = {
        name: one for name, one in functions.items() if any(word.startswith("outlet(") for word in one.decorators)
    }
    assert set(registry.OUTLETS) == set(OutletKind)
    assert len(marked) == len(OutletKind)
    for name, one in marked.items():
        first = next(iter(one.parameters.values()))
        assert first in {"Cleared", "tuple[Addressee, ...]"}, name


@pytest.mark.parametrize("kind", list(OutletKind))
@pytest.mark.parametrize("forged", [None, object(), (), ({"audience": "learners"},), "Cleared"])
def test_an_outlet_refuses_what_the_gate_did_not_make(kind, forged):
    with pytest.raises(gate.ForgedError):
        registry.OUTLETS[kind](forged, now=NOW)


def test_whoever_calls_an_outlet_asks_the_gate_first():
    functions = callgraph.graph()
    outlets = {name for name, one in functions.items() if any(w.startswith("outlet(") for w in one.decorators)}
    callers = {name for name, one in functions.items() if one.mentions & outlets}
    assert callers == {
        f"{P}.actions.delivering.deliver_at_home",
        f"{P}.actions.delivering._send_group",
        f"{P}.actions.delivering._post_due",
    }
    asks = callgraph.reaching(functions, {f"{P}.gate.cleared"})
    assert callers <= asks


def test_a_delivery_is_marked_as_sent_only_after_an_outlet_returned():
    """The word SENT is written in two places: the outlets of our own pages, and the end of a hand-over."""
    writers = set()
    for name, one in callgraph.graph().items():
        for node in ast.walk(one.node):
            if isinstance(node, ast.Attribute) and node.attr == "SENT":
                writers.add(name)
    reads = {f"{P}.queries.page._standing", f"{P}.queries.page.announcement"}
    assert writers - reads == {
        f"{P}.outlets.home._publish",
        f"{P}.actions.delivering._send_group",
        f"{P}.actions.delivering._post_due",
    }


def test_letters_know_nothing_of_items():
    source = ast.parse((callgraph.ROOT / "letters.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(source) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not imported & {"Item", "Approval", "Revision", "LocalText", "rendering", "documents", "draft"}


def test_what_readers_see_on_page_and_feed_was_cleared_as_well():
    functions = callgraph.graph()
    for name in ("announcements", "announcement", "closing", "asked"):
        one = functions[f"{P}.queries.page.{name}"]
        assert f"{P}.gate.showable" in one.mentions, name
    readers = {f"{P}.views.announcements.index", f"{P}.views.announcements.one", f"{P}.views.feeds.atom"}
    for name in readers:
        words = {node.attr for node in ast.walk(functions[name].node) if isinstance(node, ast.Attribute)}
        assert not words & {"objects", "review", "items"} or name.endswith(("index", "atom")), name
        assert "objects" not in words, name


def test_there_is_no_django_admin_and_no_signal_that_could_send():
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    for path in callgraph.ROOT.rglob("*.py"):
        if "tests" not in path.parts:
            source = path.read_text(encoding="utf-8")
            assert "django.contrib.admin" not in source, path
            assert "signals" not in source, path
            assert "@receiver" not in source, path
    assert apps.is_installed("sapwood.site.inbox")


# --- wall 3: every door, knocked at -------------------------------------------------------------------------------


@pytest.fixture
def locked(arrive, alice, by, settings):
    """Items that nobody approved for anybody, everybody on the list, and every outlet open."""
    api.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    for address, audience in (("carol@r.example", Audience.INSTRUCTORS), ("dave@r.example", Audience.LEARNERS)):
        api.add_person(address, audience, actor=by(alice), now=NOW)
    for audience in Audience:
        api.add_webhook(f"hook-{audience.value}", URL, audience, actor=by(alice), now=NOW)
        for outlet in (OutletKind.PAGE, OutletKind.FEED):
            api.set_public(outlet, audience, public=True, actor=by(alice), now=NOW)
    items = [arrive(announcement(severity="critical")) for _ in range(3)]
    api.snooze(items[1].pk, until=NOW + DAY, actor=by(alice), now=NOW)
    api.reject(items[2].pk, actor=by(alice), now=NOW)
    mail.outbox.clear()
    return items


def nothing_went_out():
    assert mail.outbox == []
    assert not Delivery.objects.exists()
    for audience in (None, *Audience):
        for outlet in (OutletKind.PAGE, OutletKind.FEED):
            assert api.announcements(Reader(audience, "en"), now=NOW + DAY, outlet=outlet).items == []


# Doors whose very purpose is to approve; everything else may be knocked at with any arguments.
APPROVING = {"approve", "second", "api_inbox_approve", "api_inbox_second"}


@pytest.fixture
def knock(subtests):
    """One door after the other, each at the same locked items: what one did is undone before the next."""

    def go(doors, act):
        for name, door in doors:
            with subtests.test(msg=name):
                point = transaction.savepoint()
                try:
                    act(door)
                    nothing_went_out()
                finally:
                    mail.outbox.clear()
                    transaction.savepoint_rollback(point)

    return go


def _pages():
    return [("", one) for one in rest_urls.urlpatterns] + [("inbox:", one) for one in urls.urlpatterns]


def _address(space, pattern, item):
    person = api.people(audience="instructors").rows[0]
    known = {
        "item_id": item.pk, "locale": "en", "audience": "learners", "token": tokens.manage(person),
        "webhook": OutletConfig.objects.filter(outlet="webhook").first().uuid, "delivery": uuid.uuid4(),
        "rule_id": 1, "feed_id": 1, "withdrawal_id": 1, "rule": 1,
    }  # fmt: skip
    unknown = set(pattern.pattern.converters) - set(known)
    assert not unknown, f"a new kind of address: give it a value here ({unknown})"
    return reverse(f"{space}{pattern.name}", kwargs={name: known[name] for name in pattern.pattern.converters})


@pytest.mark.slow
def test_hard_case_36_no_page_or_endpoint_sends_what_nobody_approved(locked, alice, client, knock):
    def act(door):
        space, pattern = door
        address = _address(space, pattern, locked[0])
        for user in (None, alice):
            client.logout()
            if user is not None and pattern.name not in APPROVING:
                sign_in(client, user)
            for method in ("get", "post", "put", "delete"):
                body = {"days": "7", "public": "yes", "what": "renew", "follow": "yes", "reason": "x"}
                getattr(client, method)(address, body if method == "post" else None)
        api.deliver_due(clock=FixedClock(NOW + DAY), http=FakeHttp())
        api.deliver_digests(clock=FixedClock(NOW + DAY))

    knock([(door[1].name, door) for door in _pages()], act)


def test_hard_case_36_the_doors_that_approve_refuse_whoever_may_not(locked, rita, client, knock):
    sign_in(client, rita)

    def act(door):
        seen = api.review(locked[0].pk).seen
        body = {"seen": seen, "digest": seen, "audience": "administrators", "outlets": ["page"], "locales": ["en"]}
        address = _address(*door, locked[0])
        assert client.post(address, body, content_type="application/json").status_code == 403
        assert client.post(address, body).status_code in {403, 415}

    doors = [(door[1].name, door) for door in _pages() if door[1].name in APPROVING]
    assert {name for name, _door in doors} == APPROVING
    knock(doors, act)


def _commands(group, path=()):
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.slow
def test_hard_case_36_no_command_sends_what_nobody_approved(locked, tmp_path, monkeypatch, knock):
    monkeypatch.setattr(sources.Channel, "received", Tap().received)
    file = tmp_path / "people.csv"
    file.write_text("email\nx@r.example\n")
    values = {
        "item_id": str(locked[0].pk), "email": "x@r.example", "file": str(file), "delivery": str(uuid.uuid4()),
        "path": str(file), "claim": "groups", "value": "x", "audience": "learners",
    }  # fmt: skip

    def act(command):
        arguments = [values[one.name] for one in command.params if isinstance(one, click.Argument)]
        # Without the hash of what was read, the command line approves for administrators at most.
        extra = ["--audience", "learners"] if command.name in {"approve", "import"} and arguments else []
        CliRunner().invoke(command, [*arguments, *extra])
        api.deliver_due(clock=FixedClock(NOW + DAY), http=FakeHttp())

    knock([*_commands(inbox, ("inbox",)), *_commands(people, ("people",))], act)


def test_hard_case_36_no_job_sends_what_nobody_approved(locked, monkeypatch, knock):
    monkeypatch.setattr(sources.Channel, "received", Tap().received)

    def act(name):
        file = {"text": "email\nx@r.example\n", "audience": "learners", "language": "en"}
        of_all = {"item": locked[0].pk, "approval": 1, "force": True, "actor": Actor.system("attack").packed(), **file}
        row = jobs.enqueue(name, of_all, now=NOW)
        assert jobs.run(str(row), worker="test", clock=FixedClock(NOW + DAY))

    names = sorted(name for name in jobs.JOBS if name.startswith("inbox."))
    assert len(names) >= len(
        [word for word in vars(tasks).values() if getattr(word, "__module__", "") == tasks.__name__]
    )
    knock([(name, name) for name in names], act)


@pytest.mark.slow
def test_hard_case_36_no_function_of_the_api_sends_what_nobody_approved(locked, alice, knock):
    """Each is called as background work, with the item's id and everything else that it asks for."""
    person = api.people(audience="learners").rows[0]
    values = {
        "item_id": locked[0].pk, "actor": Actor.system("attack"), "now": NOW + DAY, "clock": FixedClock(NOW + DAY),
        "http": FakeHttp(), "choices": Choices(audience=Audience.LEARNERS, outlets=tuple(OutletKind)),
        "audience": Audience.LEARNERS, "reader": Reader(Audience.LEARNERS, "en"), "digest": "0" * 64,
        "delivery": uuid.uuid4(), "until": NOW + 2 * DAY, "locale": "en", "email": "new@r.example", "token": "x",
        "person": person.uuid, "people": [person.uuid], "channel": "community", "wanted": api.Filter("all"),
        "item_ids": [locked[0].pk], "withdrawal_id": 1, "webhook": uuid.uuid4(), "rule_id": 1, "feed_id": 1,
        "raw": b"email\ny@r.example\n", "user": alice, "rows": [], "row": locked[0], "name": "x", "url": URL,
        "public": True, "outlet": OutletKind.PAGE, "values": api.BrandValues("x"), "effect": None, "text": None,
        "wish": api.Wish(), "needed": False, "mails": [b"x"], "claim": "groups", "value": "x", "rule": 1,
        "claims": [{"groups": "x"}], "language": "en", "template": "https://x.example/", "follow": True,
    }  # fmt: skip

    def act(function):
        parameters = inspect.signature(function).parameters
        asked = [name for name, one in parameters.items() if one.default is one.empty]
        assert set(asked) <= set(values), "a new argument: give it a value in this test"
        given = {name: values[name] for name in asked}
        given |= {"http": values["http"]} if "http" in parameters else {}
        with suppress(SapwoodError, AttributeError, TypeError):
            function(**given)
        api.deliver_due(clock=FixedClock(NOW + DAY), http=FakeHttp())

    knock([(name, one) for name, one in vars(api).items() if name in api.__all__ and inspect.isfunction(one)], act)


def test_background_work_may_not_approve(locked):
    with pytest.raises(SapwoodError):
        api.approve(locked[0].pk, Choices(), actor=Actor.system("attack"), now=NOW)
    assert not Approval.objects.exists()


# --- rows that somebody wrote into the database -------------------------------------------------------------------


def _forged_approval(item, **changes):
    from sapwood.formats.canonical import canonical_bytes, sha256_hex
    from sapwood.site.inbox import content

    draft = content.draft(item)
    pinned = content.pinned(draft, Choices(outlets=tuple(OutletKind)), now=NOW)
    raw = canonical_bytes({**pinned, **changes})
    return Approval.objects.create(
        item=item, revision=1, content=raw.decode(), digest=sha256_hex(raw), audience=pinned["audience"],
        starts_at=NOW, created_at=NOW,
    )  # fmt: skip


def _force(item, row):
    Item.objects.filter(pk=item.pk).update(decision=Decision.APPROVED, approval=row)
    Dispatch.objects.bulk_create([Dispatch(approval=row, outlet=kind, due_at=NOW) for kind in OutletKind])


def test_a_row_written_past_the_actions_delivers_nothing(locked):
    row = _forged_approval(locked[0])
    _force(locked[0], row)
    http = FakeHttp().answer(URL, b"ok")
    api.deliver_due(clock=FixedClock(NOW + DAY), http=http)
    assert http.requests == []
    nothing_went_out()


def test_a_signature_without_its_entry_in_the_audit_chain_counts_for_nothing(locked, alice):
    row = _forged_approval(locked[0])
    Signature.objects.create(
        approval=row, kind="person", key=str(alice.uuid), person=f"person:{alice.uuid}", digest=row.digest,
        audit_seq=1, at=NOW,
    )  # fmt: skip
    _force(locked[0], row)
    with pytest.raises(gate.TamperedError):
        gate.cleared(row.pk, NOW, outlet=OutletKind.PAGE)
    api.deliver_due(clock=FixedClock(NOW + DAY), http=FakeHttp())
    nothing_went_out()


@pytest.mark.parametrize("field", ["content", "audience", "digest"])
def test_an_approved_row_that_somebody_edits_in_the_database_goes_nowhere(field, arrive, alice, by):
    item = arrive(announcement())
    row = api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    reader = Reader(Audience.ADMINISTRATORS, "en")
    assert len(api.announcements(reader, now=NOW).items) == 1
    new = {"content": row.content.replace("Ulmo", "Evil"), "audience": "learners", "digest": "0" * 64}[field]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE inbox_approval SET {field} = %s WHERE id = %s", [new, row.pk])
    for audience in Audience:
        assert api.announcements(Reader(audience, "en"), now=NOW).items == []
    with pytest.raises(gate.NotClearedError):
        gate.cleared(row.pk, NOW, outlet=OutletKind.PAGE)


def test_an_approval_moved_to_another_item_clears_nothing(arrive, alice, by):
    first, second = arrive(announcement()), arrive(announcement(texts={"en": {"title": "Other"}}))
    row = api.approve(first.pk, Choices(), actor=by(alice), now=NOW)
    Item.objects.filter(pk=second.pk).update(decision=Decision.APPROVED, approval=row)
    Item.objects.filter(pk=first.pk).update(decision=Decision.REJECTED, approval=None)
    with pytest.raises(gate.NotApprovedError):
        gate.cleared(row.pk, NOW, outlet=OutletKind.PAGE)


def test_a_state_of_sent_written_by_hand_shows_nothing_that_was_not_approved(locked):
    row = _forged_approval(locked[0])
    _force(locked[0], row)
    Delivery.objects.create(approval=row, outlet="page", state=DeliveryState.SENT, due_at=NOW, finished_at=NOW)
    assert api.announcements(Reader(Audience.ADMINISTRATORS, "en"), now=NOW).items == []


def test_an_outlet_that_was_not_approved_is_not_used(arrive, alice, by):
    item = arrive(announcement())
    row = api.approve(item.pk, Choices(outlets=(OutletKind.PAGE,)), actor=by(alice), now=NOW)
    Dispatch.objects.create(approval=row, outlet=OutletKind.MAIL, due_at=NOW)
    api.add_person("frank@riverside.example", Audience.ADMINISTRATORS, actor=by(alice), now=NOW)
    mail.outbox.clear()
    api.deliver_due(clock=FixedClock(NOW + DAY), http=FakeHttp())
    assert mail.outbox == []


@pytest.mark.slow
def test_the_actions_that_approve_are_the_only_ones_that_create_approvals():
    makers = set()
    for name, one in callgraph.graph().items():
        source = ast.unparse(one.node)
        if "Approval.objects.create" in source or "Signature.objects.create" in source or "Approval(" in source:
            makers.add(name)
    assert makers == {f"{approving.__name__}._pin", f"{approving.__name__}._sign"}
    assert delivering.__name__.startswith(P)
