"""Versions: named lines, branch heads, distributions; their order and ranges."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.formats.errors import VersionRangeError
from sapwood.formats.logic import Answer
from sapwood.formats.versions import (
    BranchHead,
    DistributionVersion,
    LineOrder,
    NamedRelease,
    VersionRange,
    contains_any,
    parse_version,
)

# Not in the order of their letters: order is data.
NAMES = ("aspen", "koa", "zebra", "teak", "ulmo", "verawood")
DAYS = {
    "named-release/aspen": date(2014, 10, 28),
    "koa.2": date(2021, 2, 9),
    "koa.2a": date(2021, 2, 10),
    "koa.3": date(2021, 4, 7),
    "ulmo.3": date(2026, 4, 30),
    "ulmo.4": date(2026, 7, 29),
}
LINES = LineOrder(NAMES, DAYS)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("teak.3", "ulmo.1"),
        ("koa.9", "zebra.1"),
        ("zebra.1", "teak.1"),
        ("koa.2", "koa.2a"),
        ("koa.2a", "koa.3"),
        ("koa.9", "koa.10"),
        ("ulmo.1rc1", "ulmo.1rc2"),
        ("ulmo.1-rc2", "ulmo.1"),
        ("ulmo.rc1", "ulmo.1rc1"),
        ("ulmo.1", "ulmo.1.1"),
        ("ulmo", "ulmo.rc1"),
        ("aspen", "koa.1"),
        ("21.0.9", "21.0.10"),
        ("21.0.0rc1", "v21.0.0"),
        ("release/ulmo@2026-06-04", "release/ulmo@2026-07-07"),
        ("ulmo.3", "release/ulmo@2026-06-04"),
        ("ulmo.1", "release/ulmo@2026-06-04"),
        ("release/ulmo@2026-06-04", "ulmo.4"),
        ("release/ulmo@2026-06-04", "ulmo.9"),
        ("release/ulmo@2030-01-01", "verawood.1"),
        ("open-release/koa.master@2021-02-20", "koa.3"),
    ],
)
def test_order(earlier, later):
    assert LINES.compare(earlier, later) == -1
    assert LINES.compare(later, earlier) == 1


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("ulmo.3", "release/ulmo.3"),
        ("ULMO.3", " ulmo.3 "),
        ("sumac.3", "open-release/sumac.3"),
        ("aspen", "named-release/aspen"),
        ("koa", "open-release/koa.master"),
        ("ulmo@2026-06-04", "release/ulmo@2026-06-04"),
        ("21.0", "21.0.0"),
    ],
)
def test_the_path_of_a_tag_does_not_matter(one, same):
    assert parse_version(one) == parse_version(same)
    assert LINES.compare(one, same) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("willow.1", "ulmo.1"),
        ("21.0.9", "ulmo.4"),
        ("release/ulmo@2026-04-30", "ulmo.3"),
        ("release/teak@2026-04-30", "teak.1"),
        ("???", "ulmo.1"),
        ("", "ulmo.1"),
    ],
)
def test_what_cannot_be_told_is_none_both_ways(one, other):
    assert LINES.compare(one, other) is None
    assert LINES.compare(other, one) is None


def test_releases_of_one_line_need_no_order_of_lines():
    assert LineOrder().compare("willow.1", "willow.2") == -1
    assert LineOrder().compare("willow.1", "xylon.1") is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [("ulmo.3", NamedRelease), ("ulmo@2026-06-04", BranchHead), ("v21.0.9", DistributionVersion)],
)
def test_three_sorts(text, kind):
    assert isinstance(parse_version(text), kind)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "?", "ulmo.", ".3", "ulmo.x.y", "1..2", "21.x", "ulmo.1.2.3.4.5"),
        *("ulmo.3@2026-06-04", "ulmo@soon", "ulmo@2026-13-01"),
        *("ulmo.3\n.4", "ulmo." + "9" * 50, "x" * 101, "ünder.1", "ulmo.٣"),
    ],
)
def test_what_is_not_a_version_is_refused_with_examples(text):
    with pytest.raises(VersionRangeError) as caught:
        parse_version(text)
    assert "ulmo.3" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "answer"),
    [
        ("koa.3", "no"),
        ("zebra.9", "no"),
        ("teak.1", "yes"),
        ("release/teak.3", "yes"),
        ("ulmo.3", "yes"),
        ("ulmo.4", "no"),
        ("verawood.1", "no"),
        ("teak", "unknown"),
        ("ulmo", "unknown"),
        ("koa", "no"),
        ("verawood", "no"),
        ("release/ulmo@2026-06-04", "yes"),
        ("release/ulmo@2026-07-29", "unknown"),
        ("release/ulmo@2026-07-30", "no"),
        ("willow.1", "unknown"),
        ("20.0.3", "unknown"),
        ("not a version", "unknown"),
    ],
)
def test_a_range_across_lines(version, answer):
    verdict = VersionRange(affected_from="teak.1", fixed_in="ulmo.4").contains(version, LINES)
    assert verdict.answer.value == answer
    assert verdict.is_unknown == bool(verdict.reasons)


def test_a_fix_on_a_branch_reaches_the_tags_after_it():
    fixed = VersionRange(affected_from="teak", fixed_in="release/ulmo@2026-06-04")
    assert fixed.contains("ulmo.3", LINES).is_yes
    assert fixed.contains("ulmo.4", LINES).is_no
    assert fixed.contains("ulmo@2026-06-03", LINES).is_yes
    assert fixed.contains("ulmo@2026-06-04", LINES).is_no


def test_open_ends_bare_lines_and_distributions():
    assert VersionRange().contains("anything at all", LINES).is_yes
    assert VersionRange(affected_from="teak").contains("teak", LINES).is_yes
    assert VersionRange(affected_from="teak", fixed_in="ulmo").contains("teak", LINES).is_yes
    assert VersionRange(affected_from="aspen", fixed_in="koa").contains("aspen", LINES).is_yes
    assert VersionRange(affected_from="7.0.0", fixed_in="7.2.2").contains("7.2.2rc1", LINES).is_yes
    assert VersionRange(affected_from="7.0.0", fixed_in="7.2.2").contains("7.2.2", LINES).is_no


def test_a_bare_line_that_is_itself_a_release_is_exact():
    assert LINES.answer("aspen", "<", "aspen.1").is_yes
    assert LINES.answer("koa", "<", "koa.2").is_unknown


def test_several_ranges():
    ranges = [VersionRange(affected_from="teak.1", fixed_in="teak.4"), VersionRange(affected_from="ulmo.1")]
    assert contains_any(ranges, "teak.3", LINES).is_yes
    assert contains_any(ranges, "teak.4", LINES).is_no
    assert contains_any(ranges, "ulmo.2", LINES).is_yes
    assert contains_any([], "ulmo.2", LINES).is_no


@pytest.mark.parametrize("version", ["21.0.9", "willow.1", "ulmo@2026-06-04", "?"])
def test_only_releases_of_known_lines_sort(version):
    with pytest.raises(VersionRangeError):
        LINES.sort_key(version)


# Properties

points = st.builds(
    lambda number, letter, stage: f".{number}{letter}{stage}",
    st.integers(0, 12),
    st.sampled_from(["", "", "a", "b"]),
    st.sampled_from(["", "", "rc1", "rc2"]),
) | st.just("")
releases = st.builds(lambda line, point: line + point, st.sampled_from(NAMES), points)
heads = st.builds(
    lambda line, days: f"release/{line}@{date(2026, 1, 1) + timedelta(days)}",
    st.sampled_from(NAMES),
    st.integers(0, 300),
)
anything = releases | heads | st.sampled_from(["21.0.9", "21.0.10", "willow.1", "???", ""])


@given(releases, releases, releases)
def test_releases_of_known_lines_are_totally_ordered(a, b, c):
    x, y = LINES.compare(a, b), LINES.compare(b, a)
    assert x is not None
    assert y is not None
    assert x == -y
    assert (x == 0) == (parse_version(a) == parse_version(b))
    assert (x < 0) == (LINES.sort_key(a) < LINES.sort_key(b))
    ordered = sorted([a, b, c], key=LINES.sort_key)
    assert all(LINES.compare(p, q) <= 0 for p, q in itertools.pairwise(ordered))


@given(anything, anything)
def test_compare_is_antisymmetric_where_it_is_known(a, b):
    x, y = LINES.compare(a, b), LINES.compare(b, a)
    assert (x is None) == (y is None)
    assert x is None or x == -y


@given(anything, anything, anything)
def test_compare_is_transitive_where_it_is_known(a, b, c):
    if LINES.compare(a, b) == LINES.compare(b, c) == -1:
        assert LINES.compare(a, c) in {-1, None}
        if "@" not in a + b + c:
            assert LINES.compare(a, c) == -1


@given(anything, anything)
def test_answers_agree_with_each_other(subject, bound):
    answers = {op: LINES.answer(subject, op, bound).answer for op in ("==", "!=", "<", "<=", ">", ">=")}
    opposite = {Answer.YES: Answer.NO, Answer.NO: Answer.YES, Answer.UNKNOWN: Answer.UNKNOWN}
    assert answers["!="] is opposite[answers["=="]]
    assert answers[">="] is opposite[answers["<"]]
    assert answers[">"] is opposite[answers["<="]]
    known = [op for op in ("<", "==", ">") if answers[op] is Answer.YES]
    assert len(known) == (0 if answers["=="] is Answer.UNKNOWN else 1)


@given(releases, releases, releases)
def test_a_range_holds_its_start_and_not_its_end(start, end, version):
    found = VersionRange(affected_from=start, fixed_in=end)
    assert not found.contains(end, LINES).is_yes
    if LINES.compare(start, end) == -1 and not parse_version(start).is_line:
        assert not found.contains(start, LINES).is_no
    verdict = found.contains(version, LINES)
    if verdict.is_yes:
        assert LINES.compare(start, version) <= 0


@given(st.text(max_size=120), st.text(max_size=120), st.sampled_from(["==", "<", "≈", ""]))
def test_arbitrary_text_is_never_an_exception(a, b, op):
    assert LINES.answer(a, op, b).answer in set(Answer)
    assert VersionRange(affected_from=a, fixed_in=b).contains(b, LINES).answer in set(Answer)
