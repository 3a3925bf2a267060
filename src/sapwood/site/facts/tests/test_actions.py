"""Looking at the site, keeping what was found, and reading catalogues that arrived over the channel."""

import datetime as dt

import pytest

from sapwood.core.data import Actor
from sapwood.core.jobs import JOBS, RECURRING
from sapwood.core.models import AuditRow
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.facts import api
from sapwood.site.facts.models import FactsSnapshot, KnownCatalogue
from sapwood.site.facts.tests.tutor_roots import make_root, write

pytestmark = pytest.mark.django_db
ACTOR = Actor.command()


def test_the_same_facts_again_are_kept_once(facts_file, now):
    facts_file(inferred_release="birch.2")
    api.look(actor=ACTOR, now=now)
    api.look(actor=ACTOR, now=now + dt.timedelta(hours=1))
    row = FactsSnapshot.objects.get()
    assert (row.taken_at, row.seen_at) == (now, now + dt.timedelta(hours=1))
    assert AuditRow.objects.filter(action="facts.recorded").count() == 1


def test_changed_facts_are_a_new_row_with_an_audit_row(facts_file, now):
    facts_file(inferred_release="birch.2")
    api.look(actor=ACTOR, now=now)
    facts_file(inferred_release="cedar.1")
    api.look(actor=ACTOR, now=now + dt.timedelta(hours=1))
    assert FactsSnapshot.objects.count() == 2
    facts = api.current_facts()
    assert facts
    assert facts.inferred_release == "cedar.1"
    assert [row.details["release"] for row in AuditRow.objects.filter(action="facts.recorded")] == [
        "birch.2",
        "cedar.1",
    ]


def test_a_failed_look_is_kept_and_leaves_the_last_good_facts(facts_file, now):
    path = facts_file(inferred_release="birch.2")
    api.look(actor=ACTOR, now=now)
    path.write_text("{")
    assert api.look(actor=ACTOR, now=now + dt.timedelta(hours=1)) is None
    look = api.last_look()
    assert look.error
    assert (look.error["code"], look.seen_at, look.attempted_at) == (
        "format.not_json",
        now,
        now + dt.timedelta(hours=1),
    )
    facts = api.current_facts()
    assert facts
    assert facts.inferred_release == "birch.2"
    path.write_text("{}")
    api.look(actor=ACTOR, now=now + dt.timedelta(hours=2))
    assert api.last_look().error is None


def test_a_configured_tutor_root_is_inspected(tmp_path, monkeypatch, now):
    monkeypatch.setenv("SAPWOOD_TUTOR_ROOT", str(make_root(tmp_path / "root")))
    plugins = write(tmp_path / "plugins/campus.yml", {"name": "campus", "version": "1.0.0"}).parent
    monkeypatch.setenv("SAPWOOD_TUTOR_PLUGINS_ROOT", str(plugins))
    api.look(actor=ACTOR, now=now)
    facts = api.current_facts()
    assert facts
    assert (facts.inferred_release, facts.extra["local_plugin_count"]) == ("teak.3", 1)


def test_nothing_configured_is_nothing_known(now):
    assert not api.configured()
    assert "Nothing is known" in api.refresh(actor=ACTOR, now=now)


def test_a_catalogue_that_was_verified_is_used(releases, facts_file, now):
    facts_file(inferred_release="birch.2")
    releases.publish()
    line = api.refresh(actor=ACTOR, now=now)
    assert line.startswith("You run birch.2, unsupported since 2026-01-15; exposed to ADV-1 (1); path birch > cedar")


def test_the_newest_revision_wins_and_a_read_one_is_not_read_twice(releases, now):
    releases.publish(1)
    assert api.read_catalogues() == 1
    assert api.read_catalogues() == 0
    releases.publish(2, title="Second")
    assert api.read_catalogues() == 1
    assert api.find_catalogue().title == "Second"
    assert KnownCatalogue.objects.count() == 2


def test_without_a_catalogue_it_is_said_what_to_do(facts_file, now):
    facts_file(inferred_release="birch.2")
    assert "Subscribe to the channel" in api.refresh(actor=ACTOR, now=now)
    with pytest.raises(api.NoCatalogueError) as caught:
        api.current_exposure(now)
    assert caught.value.exit_code == 4


def test_the_order_of_lines_is_offered_to_conditions(releases):
    releases.publish()
    api.read_catalogues()
    order = api.line_order()
    assert order.names == ("alder", "birch", "cedar", "dogwood")
    assert order.compare("birch.2", "cedar.1") == -1


def test_facts_from_elsewhere_can_be_recorded(now):
    api.record_facts(SiteFacts.from_dict({"inferred_release": "birch.1"}), source="file", actor=ACTOR, now=now)
    facts = api.current_facts()
    assert facts
    assert facts.inferred_release == "birch.1"


def test_the_worker_looks_every_hour():
    assert RECURRING["facts.inspect"].interval == dt.timedelta(hours=1)
    assert {"facts.inspect", "facts.catalogues"} <= set(JOBS)


def test_the_hourly_job_inspects_only_what_is_configured(facts_file, now, monkeypatch):
    class Context:
        def now(self):
            return now

    JOBS["facts.inspect"](Context())
    assert not FactsSnapshot.objects.exists()
    facts_file(inferred_release="birch.2")
    JOBS["facts.inspect"](Context())
    assert FactsSnapshot.objects.count() == 1
