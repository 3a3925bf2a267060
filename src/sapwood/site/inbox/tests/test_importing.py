import pytest

from sapwood.core.models import AuditRow
from sapwood.formats.logic import Answer
from sapwood.site.inbox import api
from sapwood.site.inbox.actions.importing import know_channel
from sapwood.site.inbox.data import Decision, Upstream, Verdict
from sapwood.site.inbox.models import ChannelPolicy, Cursor, Item, Revision, Rule
from sapwood.site.inbox.tests.given import DAY, NOW, SiteSays, Tap, announcement, received, retraction, revised

pytestmark = pytest.mark.django_db
IF_OLD = {"fact": "release", "op": "<", "value": "ulmo.1"}


def take(tap, now=NOW, facts=None):
    return api.import_received(now=now, source=tap, facts=facts or SiteSays())


def test_an_announcement_becomes_a_new_item_with_its_received_bytes(arrive):
    document = announcement(severity="low")
    item = arrive(document)
    assert (item.decision, item.upstream, item.title) == (Decision.NEW, Upstream.CURRENT, "Ulmo is here")
    assert item.raised_at == NOW
    assert item.signed
    (revision,) = item.revisions.all()
    assert bytes(revision.raw).startswith(b'{"channel":"community"')


def test_importing_twice_changes_nothing(known_channels, tap):
    tap.pour(announcement(), announcement())
    assert take(tap).fresh == 2
    Cursor.objects.update(position=0)
    again = take(tap)
    assert (again.fresh, again.revised) == (0, 0)
    assert (Item.objects.count(), Revision.objects.count()) == (2, 2)


def test_the_first_pull_is_quiet_and_only_live_high_severity_raises_its_hand(db, tap):
    ago = NOW - DAY
    news = announcement(severity="medium")
    urgent = announcement(severity="high", channel="security")
    over = announcement(severity="critical", channel="security", expires_at="2026-11-01T00:00:00Z")
    tap.pour(*(received(one, published_at=ago) for one in (news, urgent, over)))
    report = take(tap)
    assert report.filed == 2
    assert [str(row.publication) for row in Item.objects.raised()] == [urgent["uuid"]]
    assert Item.objects.get(publication=news["uuid"]).decision == Decision.ARCHIVED
    assert Item.objects.get(publication=over["uuid"]).decision == Decision.ARCHIVED


def test_what_is_published_after_the_first_pull_is_not_backlog(db, tap):
    take(tap)
    tap.pour(received(announcement(), published_at=NOW + DAY, received_at=NOW + DAY))
    assert take(tap, now=NOW + DAY).filed == 0
    assert Item.objects.raised().count() == 1


def test_a_channel_starts_at_administrators_only(db, tap):
    take(tap)
    assert set(ChannelPolicy.objects.values_list("stage", flat=True)) == {"administrators"}


def test_hard_case_28_an_unreadable_document_is_shown_with_a_note_and_stops_nobody(known_channels, tap):
    from_the_future = {**announcement(), "version": 99}
    tap.pour(announcement(), b"\x00not json", from_the_future, announcement())
    report = take(tap)
    assert (report.fresh, report.unreadable, report.seen) == (2, 2, 4)
    bad = Item.objects.filter(readable=False)
    assert bad.count() == 2
    assert all(item.note and item.raised_at for item in bad)


def test_hard_case_28_an_unknown_operator_gives_an_item_with_an_unknown_verdict(arrive):
    item = arrive(
        announcement(condition=IF_OLD), facts=SiteSays(Answer.UNKNOWN, ("the operator ~~ is not understood here",))
    )
    assert item.verdict == Verdict.UNKNOWN
    assert item.verdict_reasons == ["the operator ~~ is not understood here"]
    assert item.raised_at is not None


def test_bytes_that_are_not_those_that_were_verified_are_not_believed(known_channels, tap):
    tap.pour(received(announcement(), sha256="0" * 64))
    assert take(tap).unreadable == 1
    assert not Item.objects.get().readable


def test_an_item_that_does_not_concern_this_site_is_archived(arrive):
    item = arrive(announcement(condition=IF_OLD, severity="critical"), facts=SiteSays(Answer.NO))
    assert (item.decision, item.raised_at) == (Decision.ARCHIVED, None)


def test_rules_file_and_mute_but_never_what_is_high(arrive):
    Rule.objects.create(channel="community", kind="news", below_severity="critical", effect="file", created_at=NOW)
    Rule.objects.create(channel="surveys", kind="", below_severity="critical", effect="mute", created_at=NOW)
    assert arrive(announcement(severity="low")).decision == Decision.ARCHIVED
    muted = arrive(announcement(channel="surveys"))
    assert (muted.decision, muted.raised_at) == (Decision.NEW, None)
    assert arrive(announcement(severity="high")).raised_at is not None


def test_a_new_revision_of_an_undecided_item_replaces_what_is_read(arrive):
    document = announcement()
    arrive(document)
    item = arrive(revised(document, texts={"en": {"title": "Ulmo.2 is here"}}))
    assert (item.revision, item.title, item.upstream) == (2, "Ulmo.2 is here", Upstream.CURRENT)
    assert item.revisions.count() == 2


def test_an_older_revision_that_arrives_late_changes_nothing(arrive):
    document = announcement()
    newer = revised(document, texts={"en": {"title": "Newer"}})
    arrive(newer)
    item = arrive(document)
    assert (item.revision, item.title) == (2, "Newer")


def test_the_same_revision_with_other_content_keeps_the_first_and_says_so(arrive):
    document = announcement()
    arrive(document)
    item = arrive({**document, "texts": {"en": {"title": "Something else"}}})
    assert item.title == "Ulmo is here"
    assert "came twice" in item.note


def test_a_rejected_item_that_becomes_severe_comes_back(arrive, alice, by):
    document = announcement(severity="low")
    item = arrive(document)
    api.reject(item.pk, actor=by(alice), now=NOW)
    item = arrive(revised(document, severity="critical"))
    assert item.decision == Decision.NEW
    assert item.raised_at is not None


def test_a_retraction_of_an_undecided_item_retires_it(arrive, tap):
    document = announcement()
    item = arrive(document)
    tap.pour(retraction(document))
    assert take(tap).retracted == 1
    item.refresh_from_db()
    assert (item.upstream, item.decision, item.raised_at) == (Upstream.RETRACTED, Decision.ARCHIVED, None)


def test_a_retraction_counts_on_its_own_channel_only(arrive, tap):
    document = announcement(channel="security", severity="high")
    item = arrive(document)
    tap.pour(retraction(document, channel="community"))
    take(tap)
    item.refresh_from_db()
    assert item.upstream == Upstream.CURRENT


def test_a_retraction_may_arrive_before_what_it_takes_back(arrive, known_channels, tap):
    document = announcement()
    tap.pour(retraction(document))
    take(tap)
    assert arrive(document).upstream == Upstream.RETRACTED


def test_an_item_supersedes_another_of_its_own_channel_only(arrive):
    old, other = announcement(), announcement(channel="security", severity="high")
    first, second = arrive(old), arrive(other)
    newer = announcement(supersedes=[old["uuid"], other["uuid"]])
    arrive(newer)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.upstream == Upstream.SUPERSEDED
    assert str(first.superseded_by) == newer["uuid"]
    assert second.upstream == Upstream.CURRENT


def test_what_came_first_retires_nothing_of_another_channel_or_publisher(arrive, tap):
    advisory, news = announcement(channel="security", severity="high"), announcement()
    arrive(announcement(supersedes=[advisory["uuid"], news["uuid"]]))
    assert arrive(advisory).upstream == Upstream.CURRENT
    tap.pour(received(news, subscription="another"))
    take(tap)
    assert Item.objects.get(channel="community@another").upstream == Upstream.CURRENT
    assert arrive(news).upstream == Upstream.SUPERSEDED, "on its own channel, in either order"


def test_another_publisher_retires_nothing_on_a_channel_of_the_same_name(arrive, tap):
    news = announcement()
    item = arrive(news)
    tap.pour(received(announcement(supersedes=[news["uuid"]]), subscription="another"))
    take(tap)
    item.refresh_from_db()
    assert item.upstream == Upstream.CURRENT


def test_hard_case_16_a_mass_withdrawal_asks_and_does_not_delete(arrive, tap, alice, by):
    documents = [announcement() for _ in range(6)]
    for one in documents:
        arrive(one)
    tap.pour(*(retraction(one) for one in documents))
    assert take(tap).retracted == 0
    assert Item.objects.live().count() == 6
    (asked,) = api.mass_withdrawals()
    assert len(asked.retractions) == 6
    assert api.decide_mass_withdrawal(asked.pk, follow=True, actor=by(alice), now=NOW) == 6
    assert Item.objects.live().count() == 0
    assert api.mass_withdrawals() == []


def test_a_kill_between_two_items_loses_none_and_doubles_none(known_channels, tap, monkeypatch):
    from sapwood.site.inbox.actions import importing

    tap.pour(announcement(), announcement(), announcement())
    real, calls = importing.take_in, []

    def dies(row, **given):
        calls.append(row.id)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(row, **given)

    monkeypatch.setattr(importing, "take_in", dies)
    with pytest.raises(KeyboardInterrupt):
        take(tap)
    assert Item.objects.count() == 1
    monkeypatch.setattr(importing, "take_in", real)
    assert take(tap).fresh == 2
    assert Item.objects.count() == 3


def test_each_arrival_is_in_the_audit_log(arrive):
    item = arrive(announcement())
    row = AuditRow.objects.get(action="inbox.arrive")
    assert row.subject == item.subject
    assert row.details["revision"] == 1


def test_a_new_language_alone_raises_no_hand_again(arrive, alice, by):
    from sapwood.site.inbox.data import Choices

    document = announcement()
    item = arrive(document)
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    texts = {**document["texts"], "es": {"title": "Ulmo está aquí", "origin": "community"}}
    item = arrive(revised(document, texts=texts))
    assert (item.upstream, item.raised_at) == (Upstream.CURRENT, None)
    assert item.locales == ["en", "es"]


def test_know_channel_keeps_its_first_word(db):
    know_channel("community", now=NOW)
    assert know_channel("community", now=NOW + DAY).quiet_before == NOW


@pytest.mark.slow
def test_a_long_backlog_is_read_to_its_end(known_channels):
    tap = Tap()
    tap.pour(*(announcement() for _ in range(250)))
    assert take(tap).fresh == 250


def test_two_publishers_with_a_channel_of_the_same_name_do_not_share_trust(known_channels, tap, alice, by):
    from sapwood.site.inbox.data import Audience

    api.open_channel("community", Audience.INSTRUCTORS, actor=by(alice), now=NOW)
    document = announcement()
    tap.pour(received(document), received(document, subscription="consortium"))
    assert take(tap).fresh == 2
    assert sorted(Item.objects.values_list("channel", flat=True)) == ["community", "community@consortium"]
    assert ChannelPolicy.objects.get(channel="community@consortium").stage == Audience.ADMINISTRATORS


def test_another_publishers_retraction_takes_nothing_back(arrive, tap):
    document = announcement()
    item = arrive(document)
    tap.pour(received(retraction(document), subscription="consortium"))
    take(tap)
    item.refresh_from_db()
    assert item.upstream == Upstream.CURRENT


def test_a_document_that_says_it_belongs_to_another_channel_is_not_believed(known_channels, tap):
    tap.pour(received(announcement(channel="security", severity="critical"), channel="community"))
    assert take(tap).unreadable == 1


def test_advisories_and_releases_become_items_and_catalogues_do_not(known_channels, tap):
    advisory = {
        "type": "advisory", "version": 1, "uuid": announcement()["uuid"], "revision": 1, "channel": "security",
        "id": "GHSA-1", "phase": "disclosure", "severity": "high", "texts": {"en": {"title": "Grades leak"}},
        "disclosed_on": "2026-11-20",
    }  # fmt: skip
    tap.pour(received(advisory), received(b"{}", type="catalogue"))
    report = take(tap)
    assert (report.fresh, report.unreadable) == (1, 0)
    assert Item.objects.get().kind == "advisory"


def test_an_importer_that_was_overtaken_takes_nothing_in_and_moves_nothing_back(known_channels):
    class Overtaken(Tap):
        """Hands out what another importer took in in the meantime."""

        def received(self, after_id, limit):
            rows, self.rows = self.rows, []
            return rows

    tap = Overtaken()
    rows = tap.pour(announcement(), announcement())
    Cursor.objects.create(source="channel", position=rows[-1].id)
    assert take(tap).seen == 0
    assert Cursor.objects.get(source="channel").position == rows[-1].id
