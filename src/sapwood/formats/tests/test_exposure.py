"""What a site is exposed to: by release, branch head, fork and distribution version; unknown stays unknown."""

import datetime as dt

import pytest

from sapwood.formats.catalogue import Applies, find_line
from sapwood.formats.exposure import State, applies, exposure, stand
from sapwood.formats.sitefacts import SiteFacts
from sapwood.formats.tests.catalogue_cases import shipped, small, small_data

TODAY = dt.date(2026, 6, 1)


def facts(**more):
    return SiteFacts.from_dict(more)


def found(as_of=TODAY, catalogue=None, **more):
    return exposure(facts(**more), catalogue or small(), as_of)


def ids(threats):
    return [threat.advisory.id for threat in threats]


def test_a_release_of_an_ended_line_is_unsupported_exposed_and_shown_the_way():
    seen = found(inferred_release="birch.2", database={"engine": "mariadb"}, plugins=[])
    data = seen.to_dict()
    assert (data["release"], data["line"], data["supported"], data["supported_until"]) == (
        "birch.2",
        "birch",
        False,
        "2026-01-15",
    )
    assert (data["newest"], data["newest_in_line"], data["unsupported_days"]) == ("cedar.2", "birch.2", 137)
    assert [(item["id"], item["severity"], item["days_exposed"]) for item in data["advisories"]] == [
        ("ADV-1", "high", 243)
    ]
    assert data["advisories"][0]["fixed_in"] == {"branch": "2025-10-01", "tag": "cedar.1", "kit": "2.0.4"}
    assert [(hop["from"], hop["to"]) for hop in data["path"]] == [("birch", "cedar")]
    assert seen.verdict is State.YES


def test_steps_that_do_not_concern_the_site_are_left_out_and_the_rest_says_how_sure_it_is():
    seen = found(inferred_release="birch.2", database={"engine": "mysql"}, plugins=[{"name": "big", "version": "1"}])
    leg = seen.path[0]
    assert [(item.part.id, item.state) for item in leg.steps] == [("backup", State.YES), ("ask", State.UNKNOWN)]
    assert leg.steps[1].note == "check by hand: many courses"
    assert [(item.part.id, item.state) for item in leg.risks] == [("slow", State.YES)]
    assert leg.left_out == 1
    assert (seen.count(State.YES), seen.count(State.UNKNOWN)) == ({"steps": 1, "risks": 1}, {"steps": 1, "risks": 0})


def test_what_the_facts_do_not_say_is_unknown_with_a_reason():
    leg = found(inferred_release="birch.2").path[0]
    by_id = {item.part.id: item for item in (*leg.steps, *leg.risks)}
    assert by_id["convert"].state is State.UNKNOWN
    assert "MariaDB" in by_id["convert"].note
    assert by_id["slow"].state is State.UNKNOWN


def test_a_patched_distribution_counts_although_the_tag_is_affected():
    assert ids(found(inferred_release="birch.2", kit_version="2.0.3").advisories) == ["ADV-1"]
    assert ids(found(inferred_release="birch.2", kit_version="2.0.4").advisories) == []


def test_a_patched_distribution_does_not_count_when_the_build_takes_another_release():
    assert ids(found(inferred_release="birch.1", kit_version="2.0.4").advisories) == ["ADV-1"]


def test_a_patched_distribution_does_not_count_for_a_fork():
    seen = found(kit_version="2.0.4", build={"kind": "fork"}, inferred_line="birch")
    assert ids(seen.advisories) == []
    assert "fork" in {threat.advisory.id: threat.why for threat in seen.undecided}["ADV-1"]


def test_a_branch_head_is_neither_its_tag_nor_proof_of_the_fix():
    seen = found(build={"kind": "branch", "ref": "v/cedar"}, inferred_line="cedar")
    assert (seen.standing.kind, seen.standing.name, ids(seen.undecided)) == ("head", None, ["ADV-2"])
    assert "2026-02-02" in seen.undecided[0].why
    assert seen.verdict is State.UNKNOWN


def test_a_branch_that_got_no_fix_is_exposed():
    data = small_data()
    data["advisories"][0]["fixed_in"] = {"branch": None, "tag": "cedar.1"}
    seen = found(catalogue=small(**data), build={"kind": "branch"}, inferred_line="birch")
    assert ids(seen.advisories) == ["ADV-1"]


def test_a_later_line_is_fixed_and_an_older_one_was_not_assessed():
    assert ids(found(inferred_release="cedar.2").threats) == ["ADV-1", "ADV-2"]
    assert [threat.state for threat in found(inferred_release="cedar.2").threats] == [State.NO, State.NO]
    old = found(inferred_release="alder.2")
    assert [threat.state for threat in old.threats] == [State.UNKNOWN, State.UNKNOWN]


def test_a_line_that_was_supported_when_an_advisory_came_out_was_assessed():
    data = small_data()
    data["advisories"][1] |= {"first_seen": "2026-01-14"}
    seen = found(catalogue=small(**data), inferred_release="birch.2")
    assert {threat.advisory.id: threat.state for threat in seen.threats}["ADV-2"] is State.NO


def test_the_newest_supported_release_without_open_advisories_is_good():
    seen = found(inferred_release="cedar.2")
    assert (seen.verdict, seen.path, seen.path_why) == (State.NO, (), "this is the newest release")


def test_an_older_point_of_the_supported_line_is_one_hop_away():
    seen = found(inferred_release="cedar.1")
    assert [(leg.hop.start, leg.hop.end, leg.hop.kind) for leg in seen.path] == [("cedar.1", "cedar.2", "point")]
    assert ids(seen.advisories) == ["ADV-2"]


def test_what_was_not_public_on_the_day_is_not_counted():
    assert found(dt.date(2026, 1, 31), inferred_release="cedar.1").threats[0].advisory.id == "ADV-1"
    assert ids(found(dt.date(2026, 1, 31), inferred_release="cedar.1").advisories) == []
    assert found(dt.date(2026, 2, 1), inferred_release="cedar.1").advisories[0].days_exposed == 0


def test_exposure_counts_from_the_first_public_mention():
    seen = found(inferred_release="birch.1")
    assert seen.advisories[0].days_exposed == (TODAY - dt.date(2025, 10, 1)).days


def test_a_missing_severity_stays_missing():
    assert found(inferred_release="cedar.1").to_dict()["advisories"][0]["severity"] is None


@pytest.mark.parametrize(
    ("known", "release", "line"),
    [
        ({"inferred_release": "birch.1", "declared_release": "cedar.1"}, "birch.1", "birch"),
        ({"declared_release": "v/birch.1"}, "birch.1", "birch"),
        ({"declared_release": "master", "kit_version": "2.0.0"}, "birch.1", "birch"),
        ({"distribution": {"name": "kit", "version": "2.0.1"}}, "birch.1", "birch"),
        ({"inferred_release": "birch"}, None, "birch"),
        ({"inferred_release": "v/birch"}, None, "birch"),
        ({"inferred_line": "birch"}, None, "birch"),
        ({"declared_release": "birch.1", "build": {"kind": "fork"}}, None, "birch"),
        ({"kit_version": "2.0.4", "build": {"kind": "commit"}}, None, "birch"),
    ],
)
def test_the_standing_prefers_what_was_inferred_then_declared_then_installed(known, release, line):
    standing = stand(facts(**known), small())
    assert (standing.name, standing.line.name if standing.line else None) == (release, line)


@pytest.mark.parametrize(
    "known", [{}, {"inferred_release": "oak.1"}, {"kit_version": "9.0"}, {"build": {"kind": "fork"}}]
)
def test_a_site_whose_release_cannot_be_told_stays_unknown(known):
    seen = found(**known)
    assert (seen.verdict, seen.standing.line, seen.support.supported, seen.threats, seen.path) == (
        State.UNKNOWN,
        None,
        None,
        (),
        (),
    )
    assert seen.to_dict()["supported"] is None


def test_an_advisory_that_names_no_release_is_listed_but_decides_nothing():
    data = small_data()
    data["advisories"] = [
        {"id": "P", "first_seen": "2026-02-01", "affects": {"component": "lib", "versions": ">=1"}, "fixed_in": {}}
    ]
    seen = found(catalogue=small(**data), inferred_release="cedar.2")
    assert (ids(seen.undecided), seen.verdict) == (["P"], State.NO)


def test_a_component_that_the_line_runs_in_another_version_is_not_affected():
    data = small_data()
    data["lines"][1]["runtimes"] = {"web": {"first": "4.2.1", "last": "4.2.9"}}
    data["advisories"] = [
        {
            "id": "W",
            "first_seen": "2026-02-01",
            "affects": {"component": "web", "versions": "5.2.7", "lines": ["cedar"], "releases": ["cedar.1"]},
            "fixed_in": {"tag": "cedar.2"},
        }
    ]
    seen = found(catalogue=small(**data), inferred_release="birch.2")
    assert [(threat.state, threat.why) for threat in seen.threats] == [(State.NO, "birch runs web 4.2.9")]


def test_an_old_catalogue_is_said_to_be_old_and_planned_ends_make_support_unknown():
    seen = found(dt.date(2026, 10, 1), inferred_release="cedar.2")
    assert (seen.support.supported, seen.verdict) == (None, State.UNKNOWN)
    assert any("2026-06-01" in note for note in seen.notes)


def test_a_distribution_that_ships_another_release_than_the_build_takes_is_noted():
    seen = found(inferred_release="birch.1", kit_version="2.0.4")
    assert any("kit 2.0.4 ships birch.2" in note for note in seen.notes)


def test_mismatches_are_passed_on():
    assert "they differ" in found(inferred_release="cedar.2", mismatches=[{"message": "they differ"}]).notes


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Applies("always", True), State.YES),
        (Applies("by hand", None), State.UNKNOWN),
        (Applies("x", {"fact": "database.engine", "op": "==", "value": "mysql"}), State.YES),
        (Applies("x", {"fact": "database.engine", "op": "~~", "value": "mysql"}), State.UNKNOWN),
        (Applies("x", {"nonsense": 1}), State.UNKNOWN),
        (Applies("x", {"all": "broken"}), State.UNKNOWN),
    ],
)
def test_a_rule_that_is_not_understood_is_unknown_never_no(rule, expected):
    assert applies(rule, facts(database={"engine": "mysql"}))[0] is expected


def test_a_real_site_on_teak_3():
    seen = exposure(
        facts(
            inferred_release="teak.3", tutor_version="20.0.3", plugins=[{"name": "mfe"}], database={"engine": "mysql"}
        ),
        shipped(),
        dt.date(2026, 11, 22),
    )
    assert set(ids(seen.advisories)) == {
        "GHSA-rh64-vc2h-7wfj",
        "GHSA-m6rg-rp98-4crw",
        "GHSA-4xv3-5j4x-q8g4",
        "GHSA-mj74-gfq3-2v9f",
        "GHSA-rv5w-f4r5-h77g",
        "GHSA-6cmm-8875-5pcw",
    }
    assert [(leg.hop.start, leg.hop.end) for leg in seen.path] == [("teak", "ulmo"), ("ulmo", "verawood")]
    applied = {item.part.id: item.state for leg in seen.path for item in (*leg.steps, *leg.risks)}
    assert applied["tutor-no-downgrade"] is State.YES
    assert applied["verawood-courseid-integrity"] is State.UNKNOWN
    assert "verawood-mariadb-lock" not in applied
    assert "ulmo-aspects-3" not in applied


@pytest.mark.parametrize(
    ("release", "tutor", "exposed"),
    [
        (
            "teak.3",
            "20.0.4",
            {
                "GHSA-m6rg-rp98-4crw",
                "GHSA-4xv3-5j4x-q8g4",
                "GHSA-mj74-gfq3-2v9f",
                "GHSA-rv5w-f4r5-h77g",
                "GHSA-6cmm-8875-5pcw",
            },
        ),
        (
            "ulmo.1",
            "21.0.1",
            {
                "GHSA-m6rg-rp98-4crw",
                "GHSA-328g-7h4g-r2m9",
                "GHSA-6gm5-c49g-p3h9",
                "GHSA-fpf9-9rpr-jvrx",
                "GHSA-rqq6-w4pv-7pjv",
                "GHSA-mj74-gfq3-2v9f",
            },
        ),
        (
            "ulmo.2",
            "21.0.4",
            {
                "GHSA-328g-7h4g-r2m9",
                "GHSA-6gm5-c49g-p3h9",
                "GHSA-fpf9-9rpr-jvrx",
                "GHSA-rqq6-w4pv-7pjv",
                "GHSA-mj74-gfq3-2v9f",
            },
        ),
        (
            "ulmo.3",
            "21.0.6",
            {"GHSA-6gm5-c49g-p3h9", "GHSA-fpf9-9rpr-jvrx", "GHSA-rqq6-w4pv-7pjv", "GHSA-mj74-gfq3-2v9f"},
        ),
        ("ulmo.4", "21.0.9", set()),
        ("verawood.1", "22.0.3", set()),
    ],
)
def test_advisories_of_real_releases(release, tutor, exposed):
    seen = exposure(facts(inferred_release=release, tutor_version=tutor), shipped(), dt.date(2026, 11, 22))
    assert set(ids(seen.advisories)) == exposed


def test_a_current_site_is_good_although_some_advisories_name_no_release():
    seen = exposure(facts(inferred_release="verawood.1", tutor_version="22.0.3"), shipped(), dt.date(2026, 11, 22))
    assert seen.verdict is State.NO
    assert seen.undecided


def test_every_edge_has_a_line_at_both_ends_in_the_shipped_catalogue():
    assert all(find_line(shipped(), edge.start) and find_line(shipped(), edge.end) for edge in shipped().edges)
