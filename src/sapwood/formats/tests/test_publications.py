"""Releases, advisories and retractions: what they mean for a site."""

import copy
import json
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from sapwood.formats.documents import parse_document, read_document
from sapwood.formats.errors import SchemaError
from sapwood.formats.versions import LineOrder

GOLDEN = Path(__file__).parent / "golden"
LINES = LineOrder(
    ("nutmeg", "olive", "teak", "ulmo", "verawood"),
    {"ulmo.3": date(2026, 4, 30), "ulmo.4": date(2026, 7, 29)},
)


def golden(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def read(name, **changes):
    return read_document({**golden(name), **changes})


@pytest.mark.slow
def test_a_roll_out_reaches_a_growing_share_and_never_lets_go_of_a_site():
    sites = [f"site-{number}" for number in range(2000)]
    reached = set()
    assert not any(read("release-full", rollout_percent=0, paused=False).is_offered_to(site) for site in sites)
    for percent in (0, 10, 25, 60, 100):
        item = read("release-full", rollout_percent=percent, paused=False)
        now = {site for site in sites if item.is_offered_to(site)}
        assert reached <= now
        assert abs(len(now) / len(sites) - percent / 100) < 0.05
        reached = now


def test_other_sites_come_first_for_another_release():
    sites = [f"site-{number}" for number in range(200)]
    one = read("release-full", rollout_percent=50, paused=False)
    other = read("release-full", rollout_percent=50, paused=False, uuid="6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f1bff")
    assert [one.is_offered_to(site) for site in sites] != [other.is_offered_to(site) for site in sites]


@pytest.mark.parametrize("change", [{"paused": True}, {"paused": False, "status": "yanked"}])
def test_a_paused_or_yanked_release_is_offered_to_nobody(change):
    item = read("release-full", rollout_percent=100, **change)
    assert not any(item.is_offered_to(f"site-{number}") for number in range(50))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"release": "teak.4"}, "is not on the line 'ulmo'"),
        ({"tag": "release/ulmo.3"}, "does not name the release 'ulmo.4'"),
        ({"release": "!!!"}, "cannot be read"),
        ({"date": "2026-7-29"}, "'date'"),
        ({"date": "2026-02-30"}, "'date'"),
        ({"rollout_percent": 101}, "'rollout_percent' must be at most 100"),
        ({"rollout_percent": -1}, "'rollout_percent' must be at least 0"),
        ({"status": "retired"}, "'status' must be one of"),
        ({"notes": [{"kind": "documentation", "url": "http://x"}]}, "'notes[0].url'"),
        ({"repos": {"x": {"commit": "abc"}}}, "'repos.x.commit'"),
    ],
)
def test_a_release_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(SchemaError) as caught:
        read("release-full", **change)
    assert message in caught.value.message


def test_a_project_that_numbers_its_releases_is_welcome():
    item = read("release-full", line="21", release="21.0.9", tag="v21.0.9")
    assert item.release == "21.0.9"


@pytest.mark.parametrize(
    ("release", "distributions", "answer"),
    [
        ("olive.3", {}, "no"),
        ("teak.3", {}, "yes"),
        ("teak.3", {"tutor": "20.0.3"}, "yes"),
        ("teak.3", {"tutor": "21.0.9"}, "yes"),
        ("ulmo.3", {}, "yes"),
        ("ulmo.3", {"tutor": "21.0.8"}, "yes"),
        ("ulmo.3", {"tutor": "21.0.9"}, "no"),
        ("release/ulmo@2026-07-06", {}, "yes"),
        ("release/ulmo@2026-07-07", {}, "no"),
        ("ulmo.4", {}, "no"),
        ("ulmo.4", {"tutor": "21.0.8"}, "no"),
        ("verawood.1", {}, "no"),
        ("ulmo", {}, "unknown"),
        ("willow.1", {}, "unknown"),
        ("master", {}, "unknown"),
    ],
)
def test_a_site_is_safe_when_what_it_installs_from_has_the_fix(release, distributions, answer):
    assert read("advisory-disclosed").affects(release, LINES, distributions).answer.value == answer


@pytest.mark.parametrize(
    ("release", "distributions", "answer"),
    [
        ("olive.1", {"xblock-lti-consumer": "7.1.0"}, "yes"),
        ("olive.1", {"xblock-lti-consumer": "7.2.2"}, "no"),
        ("olive.1", {"xblock-lti-consumer": "6.9"}, "no"),
        ("olive.1", {}, "no"),
        ("olive.2", {"xblock-lti-consumer": "7.1.0"}, "no"),
    ],
)
def test_an_advisory_on_a_distribution_asks_for_its_version(release, distributions, answer):
    assert read("advisory-rated").affects(release, LINES, distributions).answer.value == answer


def test_a_pre_announcement_does_not_say_who_is_affected():
    verdict = read("advisory-pre-announced").affects("ulmo.4", LINES, {})
    assert verdict.is_unknown
    assert "not published" in verdict.reasons[0]


def test_a_disclosure_states_its_day_and_a_severity_may_be_unrated():
    data = golden("advisory-disclosed")
    assert read_document(data).severity is None
    del data["disclosed_on"]
    with pytest.raises(SchemaError, match="since when"):
        read_document(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("cvss", "score"), 10.1),
        (("cvss", "vector"), "<script>"),
        (("id",), "GHSA <b>"),
        (("affected", 0, "fixed_in"), ""),
        (("fixed_in", 0, "tag"), "has space"),
        (("fixed_in", 0, "distributions"), {"Tutor!": "1"}),
        (("phase",), "rumour"),
    ],
)
def test_a_bad_field_of_an_advisory_is_refused(path, value):
    data = copy.deepcopy(golden("advisory-rated"))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(SchemaError):
        read_document(data)


def test_an_advisory_cannot_replace_itself():
    with pytest.raises(SchemaError, match="itself"):
        read("advisory-disclosed", supersedes=[golden("advisory-disclosed")["uuid"]])


def test_a_retraction_covers_one_revision_or_all():
    one = parse_document((GOLDEN / "retraction-urgent.json").read_bytes())
    assert one.covers(one.retracts, 3)
    assert not one.covers(one.retracts, 4)
    assert not one.covers(UUID(int=0), 3)
    every = parse_document((GOLDEN / "retraction-from-a-newer-writer.json").read_bytes())
    assert every.covers(every.retracts, 1)
    assert every.covers(every.retracts, 99)


def test_a_retraction_gives_its_reason_in_the_readers_language():
    item = parse_document((GOLDEN / "retraction-urgent.json").read_bytes())
    assert item.reason_in("es-419").startswith("La solución")
    assert item.reason_in(["ar", "de"]) == item.reason


@pytest.mark.parametrize("field", ["uuid", "replaced_by"])
def test_a_retraction_never_takes_back_itself_or_its_replacement(field):
    with pytest.raises(SchemaError, match="itself"):
        read("retraction-urgent", **{field: golden("retraction-urgent")["retracts"]})
