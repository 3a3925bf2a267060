"""The validator: each rule seen to fire, and the contradictions between public statements found again."""

import copy

import pytest

from sapwood.formats.catalogue import Catalogue, Weight, publishable, validate
from sapwood.formats.tests.catalogue_cases import shipped, shipped_data, small_data

# Contradictions that no check of the catalogue can see, and why.
NOT_CHECKABLE = {
    "verawood-review-year": "the catalogue does not hold when a page was reviewed",
    "xylon-page-names-willow": "it is a word in a page's prose",
    "tutor-upgrade-example": "it is an example in a page's prose",
    "legacy-libraries-removal": "a plan that moved: both statements were true of their day",
    "forum-mongodb-deadline": "a plan that moved: both statements were true of their day",
    "authz-flag-migration": "it is about what a setting does, which only the code can tell",
    "default-search-backend": "both statements hold, each for its own way of deployment",
    "lilac-3-missing": "the last release of a line leaves no trace when no version of a distribution is listed with it",
}


def by_name(items, name, key="name"):
    return next(item for item in items if item[key] == name)


def line(data, name):
    return by_name(data["lines"], name)


def release(data, version):
    return by_name(line(data, version.partition(".")[0])["releases"], version, "version")


def tutor(data, version):
    return by_name(data["distributions"]["tutor"], version, "version")


def set_status(data, **statuses):
    for name, status in statuses.items():
        line(data, name)["status"] = status


def drop(data, *versions):
    for version in versions:
        line(data, version.partition(".")[0])["releases"].remove(release(data, version))


def add_tutor(data, after, **entry):
    versions = data["distributions"]["tutor"]
    versions.insert(versions.index(tutor(data, after)) + 1, {"source": ["tutor-changelog"], **entry})


def insert_first_tutor(data, **entry):
    data["distributions"]["tutor"].insert(0, {"source": ["tutor-tags"], **entry})


def add_release(data, version, **entry):
    line(data, version.partition(".")[0])["releases"].append({"version": version, **entry})


# Contradiction: how the catalogue looks if the rejected claim is taken over, and the finding that says so.
CLAIMS = {
    "latest-line-prose": (lambda d: set_status(d, ulmo="supported", verawood="unsupported"), "support.status"),
    "teak-cut-date": (lambda d: line(d, "teak").update(cut="2025-06-06"), "line.cut_outside_window"),
    "verawood-cut-date": (lambda d: line(d, "verawood").update(cut="2026-04-23"), "line.cut_outside_window"),
    "verawood-notes-span": (lambda d: None, "notes.end_differs"),
    "willow-notes-start-year": (lambda d: None, "notes.start_differs"),
    "willow-notes-end": (lambda d: None, "notes.end_is_release"),
    "ulmo-release-month": (lambda d: release(d, "ulmo.1").update(date="2025-12-09"), "support.overlap"),
    "verawood-feature-notes-month": (lambda d: release(d, "verawood.1").update(date="2026-06-23"), "support.overlap"),
    "calendar-ulmo": (lambda d: release(d, "ulmo.1").update(date="2025-12-31"), "support.overlap"),
    "calendar-verawood": (lambda d: release(d, "verawood.1").update(date="2026-06-30"), "support.overlap"),
    "maple-2-missing": (lambda d: drop(d, "maple.2"), "release.gap"),
    "maple-3-missing": (lambda d: None, "release.unlisted"),
    "ironwood-fixes-row": (
        lambda d: add_release(d, "ironwood.fixes", tag="open-release/ironwood.master", date="2019-06-26"),
        "release.number",
    ),
    "koa-2a-tag-form": (lambda d: None, "release.number_exception"),
    "teak-3-date": (lambda d: None, "release.date_uncertain"),
    "hawthorn-cut-date": (lambda d: line(d, "hawthorn").update(cut="2018-07-03"), "line.cut_outside_window"),
    "juniper-cut-date": (lambda d: None, "line.cut_outside_window"),
    "nutmeg-cut-date": (lambda d: None, "line.cut_near_window"),
    "tutor-15-0-0-before-release": (
        lambda d: tutor(d, "15.0.0").update(date="2022-12-06"),
        "distribution.before_release",
    ),
    "tutor-17-0-0-before-release": (
        lambda d: tutor(d, "17.0.0").update(date="2023-12-09"),
        "distribution.before_release",
    ),
    "tutor-19-0-0-before-release": (
        lambda d: tutor(d, "19.0.0").update(date="2024-12-11"),
        "distribution.before_release",
    ),
    "tutor-20-0-0-before-release": (
        lambda d: tutor(d, "20.0.0").update(date="2025-06-16"),
        "distribution.before_release",
    ),
    "tutor-21-0-0-before-release": (
        lambda d: tutor(d, "21.0.0").update(date="2026-01-07"),
        "distribution.before_release",
    ),
    "lilac-1-before-release": (
        lambda d: insert_first_tutor(
            d, version="12.0.0", date="2021-06-08", tag_date="2021-06-08", ships="lilac.1", first_with_release=True
        ),
        "distribution.day_before_release",
    ),
    "tutor-15-3-6-tag": (lambda d: tutor(d, "15.3.6").update(date="2023-06-14"), "distribution.changelog_differs"),
    "tutor-16-0-4-missing": (
        lambda d: add_tutor(
            d, "16.0.3", version="16.0.4", date="2023-08-03", changelog_date="2023-08-03", ships="palm.1"
        ),
        "distribution.unpublished",
    ),
    "tutor-21-0-6-date": (
        lambda d: add_tutor(
            d,
            "21.0.5",
            version="21.0.6",
            date="2026-05-08",
            tag_date="2026-05-06",
            changelog_date="2026-05-08",
            ships="ulmo.3",
        ),
        "distribution.tag_moved",
    ),
    "cve-2026-34736-range": (
        lambda d: by_name(d["advisories"], "GHSA-m6rg-rp98-4crw", "id")["affects"].update(
            lines=["maple", "nutmeg", "olive", "palm", "quince", "redwood", "sumac", "teak"], releases=[]
        ),
        "advisory.range",
    ),
}


def place_of(contradiction):
    """The line or version whose finding is meant."""
    words = contradiction.split("-")
    names = {item.name for item in shipped().lines}
    numbers = [word for word in words if word.isdigit()]
    if contradiction == "latest-line-prose":
        return "lines.ulmo"
    if contradiction == "cve-2026-34736-range":
        return "GHSA-m6rg-rp98-4crw"
    if contradiction == "lilac-1-before-release":
        return "12.0.0"
    if words[0] == "tutor":
        return ".".join(numbers)
    # The first release of a line is what ends the support of the line before it.
    moved = {"ulmo-release-month": "teak", "calendar-ulmo": "teak", "calendar-verawood": "ulmo"}
    if contradiction in moved or contradiction == "verawood-feature-notes-month":
        return moved.get(contradiction, "ulmo")
    return next(word for word in words if word in names)


@pytest.mark.parametrize("contradiction", sorted(CLAIMS))
def test_taking_over_the_rejected_claim_is_found(contradiction):
    spoil, code = CLAIMS[contradiction]
    data = shipped_data()
    spoil(data)
    found = [item for item in validate(Catalogue.from_dict(data)) if item.code == code]
    assert any(place_of(contradiction) in item.where for item in found), (code, place_of(contradiction), found)


def test_every_recorded_contradiction_is_either_found_or_said_to_be_beyond_checking():
    recorded = {item["id"] for item in shipped().contradictions}
    assert recorded == set(CLAIMS) | set(NOT_CHECKABLE)
    assert not set(CLAIMS) & set(NOT_CHECKABLE)


def test_the_shipped_catalogue_has_no_error():
    findings = validate(shipped())
    assert publishable(findings), [item for item in findings if item.severity is Weight.ERROR]


def test_the_small_catalogue_is_clean():
    assert validate(Catalogue.from_dict(small_data())) == []


def spoiled(change):
    data = copy.deepcopy(small_data())
    change(data)
    return {item.code: item for item in validate(Catalogue.from_dict(data))}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("support.gap", lambda d: d["lines"][0].update(supported_until="2025-06-01")),
        ("support.overlap", lambda d: d["lines"][0].update(supported_until="2025-08-01")),
        ("support.overlap", lambda d: d["lines"][0].update(supported_until=None, status="supported")),
        ("support.gap", lambda d: d["lines"][2].update(supported_until="2026-09-01")),
        ("support.several", lambda d: d["lines"][1].update(status="supported")),
        ("support.status", lambda d: d["lines"][1].update(status="supported")),
        ("support.none", lambda d: d["lines"][2].update(status="unsupported")),
        ("line.letter_order", lambda d: d["lines"].pop(1)),
        ("line.letter", lambda d: d["lines"][1].update(letter="X")),
        ("line.duplicate", lambda d: d["lines"].insert(1, copy.deepcopy(d["lines"][0]))),
        ("line.status", lambda d: d["lines"][1].update(status="retired")),
        ("line.planned_released", lambda d: d["lines"][1].update(status="planned")),
        ("line.unreleased", lambda d: d["lines"][3].update(status="supported")),
        ("line.cut_after_release", lambda d: d["lines"][0].update(cut="2025-01-11")),
        (
            "line.cut_outside_window",
            lambda d: d["lines"][0].update(cut_window={"from": "2024-12-03T01:00Z", "to": "2024-12-04T01:00Z"}),
        ),
        ("release.order", lambda d: d["lines"][0]["releases"][1].update(date="2025-01-09")),
        ("release.order", lambda d: d["lines"][0]["releases"].reverse()),
        ("release.after_as_of", lambda d: d["lines"][2]["releases"][1].update(date="2026-06-02")),
        ("release.tag_form", lambda d: d["lines"][1]["releases"][0].update(tag="w/birch.1")),
        ("release.number", lambda d: d["lines"][1]["releases"][1].update(version="birch.02", tag="v/birch.02")),
        ("release.duplicate", lambda d: d["lines"][1]["releases"][1].update(version="birch.1", tag="v/birch.1")),
        (
            "release.outside_window",
            lambda d: d["lines"][1]["releases"][0].update(not_before="2025-07-03", not_after="2025-07-04"),
        ),
        (
            "release.window",
            lambda d: d["lines"][1]["releases"][0].update(not_before="2025-07-03", not_after="2025-07-01"),
        ),
        ("line.tag_form", lambda d: d["lines"][1].update(tag_form="w/{name}.N")),
        ("notes.url", lambda d: d["lines"][1].update(notes_url="javascript:alert(1)")),
        ("edge.unknown_line", lambda d: d["edges"][0].update({"from": "oak"})),
        ("edge.not_neighbours", lambda d: d["edges"][0].update({"to": "cedar"})),
        ("edge.duplicate", lambda d: d["edges"].append(copy.deepcopy(d["edges"][0]))),
        ("edge.announced", lambda d: d["edges"][0].update(announced=True)),
        ("edge.announced", lambda d: d["edges"][2].update(announced=False)),
        ("edge.missing", lambda d: d["edges"].pop(1)),
        ("edge.needs_release", lambda d: d["edges"][0].update(needs_release="birch.1")),
        ("edge.release_steps", lambda d: d["edges"][1].update(kit_release_steps=["gone"])),
        ("id.duplicate", lambda d: d["edges"][1]["steps"][0].update(id="backup")),
        ("id.duplicate", lambda d: d["edges"][1]["risks"][0].update(id="ask")),
        ("id.duplicate", lambda d: d["advisories"][1].update(id="ADV-1")),
        ("step.when", lambda d: d["edges"][1]["steps"][0].update(when="later")),
        ("risk.severity", lambda d: d["edges"][1]["risks"][0].update(severity="bad")),
        ("source.unknown", lambda d: d["lines"][0].update(source=["rumour#3"])),
        ("confidence.unknown", lambda d: d["advisories"][0].update(confidence="certain")),
        ("distribution.ships_unknown", lambda d: d["distributions"]["kit"][0].update(ships="alder.9")),
        ("distribution.before_release", lambda d: d["distributions"]["kit"][0].update(date="2025-01-07")),
        ("distribution.major", lambda d: d["distributions"]["kit"][5].update(version="4.0.0")),
        ("distribution.major", lambda d: d["distributions"]["kit"][4].update(ships="cedar.1")),
        ("distribution.order", lambda d: d["distributions"]["kit"].reverse()),
        ("distribution.goes_back", lambda d: d["distributions"]["kit"][4].update(ships="birch.1")),
        ("distribution.first", lambda d: d["distributions"]["kit"][4].update(first_with_release=True)),
        ("distribution.after_as_of", lambda d: d["distributions"]["kit"][5].update(date="2026-08-01")),
        ("distribution.version", lambda d: d["distributions"]["kit"][5].update(version="third")),
        ("distribution.duplicate", lambda d: d["distributions"]["kit"].append(d["distributions"]["kit"][5])),
        ("advisory.fix_unknown", lambda d: d["advisories"][0]["fixed_in"].update(tag="cedar.9")),
        ("advisory.fix_unknown", lambda d: d["advisories"][0]["fixed_in"].update(kit="2.0.9")),
        ("advisory.fix_unknown", lambda d: d["advisories"][0]["fixed_in"].update(other="1.0")),
        ("advisory.affected_not_older", lambda d: d["advisories"][0]["fixed_in"].update(tag="birch.2")),
        ("advisory.unknown_line", lambda d: d["advisories"][0]["affects"].update(lines=["oak"])),
        ("advisory.unknown_release", lambda d: d["advisories"][0]["affects"].update(releases=["oak.1"])),
        ("advisory.line_missing", lambda d: d["advisories"][0]["affects"].update(lines=["alder"])),
        ("advisory.severity_source", lambda d: d["advisories"][1].update(severity={"rating": "high"})),
        ("advisory.severity_source", lambda d: d["advisories"][0]["severity"].update(source="cve#CVE-2020-9")),
        ("advisory.rating", lambda d: d["advisories"][0]["severity"].update(rating="scary")),
        ("advisory.dates", lambda d: d["advisories"][0].update(published="2025-09-01")),
        ("advisory.first_seen", lambda d: d["advisories"][1].update(first_seen=None)),
        ("advisory.after_as_of", lambda d: d["advisories"][1].update(first_seen="2026-07-01")),
    ],
)
def test_each_rule_fires(code, change):
    assert code in spoiled(change)


def test_a_finding_names_its_place_and_errors_come_first():
    data = small_data()
    data["edges"].pop(1)
    data["lines"][0]["supported_until"] = "2025-06-01"
    findings = validate(Catalogue.from_dict(data))
    assert [item.severity for item in findings] == [Weight.ERROR, Weight.WARNING]
    assert findings[0].where == "lines.alder.supported_until"
    assert not publishable(findings)
