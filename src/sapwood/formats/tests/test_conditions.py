"""Conditions: what they ask, what is unknown, and the laws of their logic."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood.formats.conditions import (
    Answer,
    condition_to_data,
    describe,
    evaluate,
    look_up,
    parse_condition,
    parts_of,
)
from sapwood.formats.errors import ConditionError, FormatError
from sapwood.formats.logic import NO, YES, Verdict, both, either, negate, unknown
from sapwood.formats.versions import LineOrder

LINES = LineOrder(("redwood", "sumac", "teak", "ulmo", "verawood"))
ALICES_SITE = {
    "release": "teak.3",
    "declared_release": "teak.3",
    "tutor_version": "20.0.3",
    "plugins": [{"name": "tutor-indigo", "version": "20.0.1"}, {"name": "own-theme", "version": None}],
    "database": {"engine": "mysql", "version": "8.4.0-log", "host_kind": "container"},
    "languages": ["en", "es-419"],
    "site_count": 2,
    "ready": True,
    "branches": None,
    "a.b": {"c.d": "e"},
}


def ask(fact, op, value=None, facts=ALICES_SITE):
    question = {"fact": fact, "op": op} if op in {"present", "absent"} else {"fact": fact, "op": op, "value": value}
    return evaluate(question, facts, lines=LINES).answer.value


@pytest.mark.parametrize(
    ("fact", "op", "value", "answer"),
    [
        ("release", "<", "ulmo.1", "yes"),
        ("release", "<", "teak.3", "no"),
        ("release", ">=", "release/teak.3", "yes"),
        ("release", "==", "release/teak.3", "yes"),
        ("release", "==", "teak", "yes"),
        ("release", "<=", "teak", "yes"),
        ("release", ">", "teak", "no"),
        ("release", "!=", "teak.2", "yes"),
        ("release", "in", ["sumac", "teak"], "yes"),
        ("release", "in", ["ulmo.1", "???"], "unknown"),
        ("release", "<", "willow.1", "unknown"),
        ("release", "<", "21.0", "unknown"),
        ("line", "==", "teak", "yes"),
        ("line", "in", ["ulmo", "verawood"], "no"),
        ("tutor_version", "<", "20.0.10", "yes"),
        ("tutor_version", "==", "20.0.3.0", "yes"),
        ("plugins.tutor-indigo", "present", None, "yes"),
        ("plugins.Tutor_Indigo", "<", "20.0.10", "yes"),
        ("plugins.own-theme", "present", None, "yes"),
        ("plugins.own-theme", "<", "2", "unknown"),
        ("plugins.missing", "present", None, "no"),
        ("plugins.missing", "absent", None, "yes"),
        ("plugins.missing", "<", "2", "no"),
        ("plugins.missing", ">=", "2", "no"),
        ("plugins.missing", "==", "2", "no"),
        ("plugins.missing", "!=", "2", "yes"),
        ("plugins.missing", "matches_range", {}, "no"),
        ("database.engine", "==", "mysql", "yes"),
        ("database.engine", "in", ["mariadb", "postgresql"], "no"),
        ("database.engine", "<", "postgresql", "unknown"),
        ("database.version", ">=", "8.4", "yes"),
        ("database.version", "==", "8.4", "yes"),
        ("database.version", "matches_range", {"affected_from": "8.0", "fixed_in": "8.4"}, "no"),
        ("locale", "==", "es", "yes"),
        ("locale", "==", "es_419", "yes"),
        ("locale", "==", "e", "no"),
        ("languages", "in", ["ar", "he"], "no"),
        ("language", "!=", "ar", "yes"),
        ("locale", "<", "fr", "unknown"),
        ("site_count", ">", 1, "yes"),
        ("site_count", "==", 2.0, "yes"),
        ("site_count", "==", "2", "unknown"),
        ("site_count", "==", True, "unknown"),
        ("site_count", "in", [1, 2, 3], "yes"),
        ("site_count", "matches_range", {"fixed_in": "3"}, "unknown"),
        ("ready", "==", True, "yes"),
        ("ready", "!=", True, "no"),
        ("ready", "<", True, "unknown"),
        ("ready", "==", 1, "unknown"),
        ("database", "==", "mysql", "unknown"),
        ("database", "present", None, "yes"),
        ("branches", "present", None, "unknown"),
        ("nowhere.to.be.found", "==", 1, "unknown"),
        ("nowhere", "absent", None, "unknown"),
        ("a.b.c.d", "==", "e", "yes"),
        ("a.b.c.d.f", "==", "e", "unknown"),
        ("release", "matches_range", {"affected_from": "teak.1", "fixed_in": "ulmo.1"}, "yes"),
        ("release", "matches_range", {"affected_from": "teak.1", "fixed_in": None}, "yes"),
        ("release", "matches_range", [{"fixed_in": "teak.2"}, {"affected_from": "ulmo.1"}], "no"),
    ],
)
def test_one_question(fact, op, value, answer):
    assert ask(fact, op, value) == answer


def test_a_site_that_does_not_state_its_plugins_is_unknown_not_free_of_them():
    assert ask("plugins.indigo", "absent", facts={}) == "unknown"
    assert ask("plugins.indigo", "absent", facts={"plugins": ["indigo"]}) == "unknown"
    assert ask("plugins.indigo", "<", "2", facts={"plugins": {"Indigo": "1.9"}}) == "yes"


def test_the_inferred_release_speaks_before_the_declared_one():
    facts = {"declared_release": "master", "inferred_release": "ulmo.2"}
    assert look_up(facts, "release").value == "ulmo.2"
    assert look_up({"declared_release": "ulmo.2"}, "line").value == "ulmo"
    assert look_up({"declared_release": "???"}, "line").there is Answer.UNKNOWN
    only_line = {"declared_release": None, "inferred_line": "teak"}
    assert ask("release", "<", "ulmo.1", facts=only_line) == "yes"
    assert ask("release", "<", "teak.2", facts=only_line) == "unknown"


def test_a_name_that_is_no_version_can_still_be_the_same():
    fork = {"release": "our own fork!"}
    assert ask("release", "==", "our own fork!", facts=fork) == "yes"
    assert ask("release", "==", "their fork!", facts=fork) == "unknown"


def test_the_sites_own_reason_is_passed_on():
    verdict = evaluate(
        {"fact": "database.version", "op": "<", "value": "8.4"},
        {"database": {"version": None}, "why": {"database.version": "the file names no version"}},
    )
    assert verdict.reasons == ("this site does not state 'database.version': the file names no version",)


def test_without_the_order_of_lines_two_lines_cannot_be_compared():
    condition = {"fact": "release", "op": "<", "value": "ulmo.1"}
    verdict = evaluate(condition, ALICES_SITE)
    assert verdict.is_unknown
    assert "'teak.3'" in verdict.reasons[0]


def test_no_condition_holds_everywhere_and_facts_may_be_an_object():
    class Facts:
        def to_dict(self):
            return ALICES_SITE

    assert evaluate(None, {}).is_yes
    assert evaluate(True, {}).is_yes
    assert evaluate({"fact": "site_count", "op": "==", "value": 2}, Facts()).is_yes


@pytest.mark.parametrize(
    "data",
    [
        {"fact": "release", "op": "~=", "value": "teak.3"},
        {"fact": "release", "op": "==", "value": "teak.3", "ignore_case": True},
        {"fact": "release", "op": "matches_range", "value": {"affected_from": "teak.1", "except": "teak.2"}},
        {"none_of": [{"fact": "release", "op": "==", "value": "teak.3"}]},
    ],
)
def test_what_a_newer_writer_asks_is_unknown_and_kept(data):
    condition = parse_condition(data)
    verdict = evaluate(condition, ALICES_SITE, lines=LINES)
    assert verdict.is_unknown
    assert "not understood" in verdict.reasons[0]
    assert condition_to_data(condition) == data
    assert "does not understand" in describe(condition)
    yes = {"fact": "site_count", "op": "==", "value": 2}
    assert evaluate({"any": [data, yes]}, ALICES_SITE).is_yes
    assert evaluate({"all": [data, {"not": yes}]}, ALICES_SITE).is_no


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], "'condition'"),
        ("x", "'condition'"),
        ({}, "'condition'"),
        ({"all": {}}, "'condition.all'"),
        ({"any": [{"all": [3]}]}, "'condition.any[0].all[0]'"),
        ({"not": []}, "'condition.not'"),
        ({"all": [], "any": []}, "'condition'"),
        ({"fact": "release"}, "'condition'"),
        ({"op": "<", "value": 1}, "'condition'"),
        ({"fact": 1, "op": "<", "value": 1}, "'condition'"),
        ({"fact": "", "op": "<", "value": 1}, "'condition'"),
        ({"fact": "release", "op": "<"}, "'condition'"),
        ({"fact": "release", "op": "present", "value": 1}, "'condition'"),
        ({"fact": "release", "op": "<", "value": None}, "'condition.value'"),
        ({"fact": "release", "op": "<", "value": ["x"]}, "'condition.value'"),
        ({"fact": "release", "op": "in", "value": "x"}, "'condition.value'"),
        ({"fact": "release", "op": "in", "value": [{}]}, "'condition.value[0]'"),
        ({"fact": "release", "op": "in", "value": ["x"] * 201}, "'condition.value'"),
        ({"fact": "release", "op": "matches_range", "value": "x"}, "'condition.value'"),
        ({"fact": "release", "op": "matches_range", "value": []}, "'condition.value'"),
        ({"fact": "release", "op": "matches_range", "value": {"fixed_in": 3}}, "'condition.value.fixed_in'"),
        ({"fact": "release", "op": "<", "value": "x" * 501}, "'condition.value'"),
        ({"fact": "release", "op": "newer", "value": ["x" * 501]}, "'condition'"),
        ({"all": [{"fact": "x", "op": "present"}] * 200}, "'condition.all[199]'"),
    ],
)
def test_a_broken_structure_is_refused_with_its_place(data, place):
    with pytest.raises(ConditionError) as caught:
        parse_condition(data)
    assert place in caught.value.message
    assert evaluate(data, {}).is_unknown if isinstance(data, dict) else True


def test_depth_has_a_limit():
    data = {"fact": "x", "op": "present"}
    for _ in range(7):
        data = {"not": data}
    assert parse_condition(data)
    with pytest.raises(ConditionError, match="too large"):
        parse_condition({"not": data})


def test_a_verdict_is_not_a_truth_value():
    with pytest.raises(TypeError):
        bool(YES)


def test_describe_speaks_plainly():
    condition = parse_condition(
        {
            "all": [
                {"fact": "release", "op": "<", "value": "ulmo.1"},
                {
                    "any": [
                        {"fact": "plugins.tutor-indigo", "op": "present"},
                        {"fact": "database.engine", "op": "in", "value": ["mysql", "mariadb"]},
                    ]
                },
                {"not": {"fact": "site_count", "op": ">", "value": 3}},
                {"fact": "release", "op": "matches_range", "value": {"affected_from": "teak.1", "fixed_in": "ulmo.1"}},
            ]
        }
    )
    assert describe(condition) == (
        "the release is before 'ulmo.1', and (plugin 'tutor-indigo' is installed, or the database engine is one of "
        "'mysql', 'mariadb'), and not (the fact 'site_count' is more than 3), and the release is from 'teak.1' "
        "and before 'ulmo.1'"
    )
    assert describe(None) == "every site"
    assert [part.fact for part in parts_of(condition)] == [
        "release",
        "plugins.tutor-indigo",
        "database.engine",
        "site_count",
        "release",
    ]


# Properties

UNKNOWN = unknown("why")
verdicts = st.sampled_from([YES, NO, UNKNOWN])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
words = st.sampled_from(
    ["all", "any", "not", "fact", "op", "value", "release", "plugins", "name", "version", "affected_from"]
)
keys = words | st.text(max_size=6)
anything = st.recursive(
    scalars | words, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=15
)
versions = st.sampled_from(["teak", "teak.3", "ulmo.1", "koa.2a", "ulmo@2026-06-04", "21.0.9", "main", "???", ""])
names = st.sampled_from(
    ["release", "line", "plugins.x", "plugins.y", "database.version", "locale", "count", "flag", "gone"]
)
questions = st.builds(
    lambda fact, op, value: {"fact": fact, "op": op, "value": value},
    names,
    st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "newer"]),
    versions | st.integers(-3, 3) | st.booleans(),
) | st.builds(lambda fact, op: {"fact": fact, "op": op}, names, st.sampled_from(["present", "absent"]))
conditions = st.recursive(
    questions,
    lambda inner: (
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3))
        | st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3))
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=8,
).filter(lambda data: str(data).count("{") < 20)
facts = st.fixed_dictionaries(
    {},
    optional={
        "release": versions | st.none(),
        "plugins": st.lists(st.fixed_dictionaries({"name": st.sampled_from("xyz"), "version": versions | st.none()}))
        | st.none(),
        "database": st.fixed_dictionaries({"version": versions}),
        "languages": st.lists(st.sampled_from(["en", "es-419", ""])),
        "count": st.integers(-3, 3) | st.floats(),
        "flag": st.booleans(),
    },
)


@given(verdicts, verdicts, verdicts)
def test_kleene_laws(a, b, c):
    def same(left: Verdict, right: Verdict) -> bool:
        return left.answer is right.answer

    assert same(both([a, b]), both([b, a]))
    assert same(either([a, b]), either([b, a]))
    assert same(both([a, both([b, c])]), both([a, b, c]))
    assert same(either([a, either([b, c])]), either([a, b, c]))
    assert same(both([a, either([b, c])]), either([both([a, b]), both([a, c])]))
    assert same(negate(both([a, b])), either([negate(a), negate(b)]))
    assert same(negate(negate(a)), a)
    assert same(both([a, YES]), a)
    assert same(either([a, NO]), a)
    assert both([a, NO]).is_no
    assert either([a, YES]).is_yes


def test_the_middle_is_not_excluded():
    assert either([UNKNOWN, negate(UNKNOWN)]).is_unknown
    assert both([]).is_yes
    assert either([]).is_no


@given(conditions)
def test_a_condition_is_written_back_as_it_was_read(data):
    assert condition_to_data(parse_condition(data)) == data


@given(conditions, facts)
def test_not_turns_the_answer_round(data, site):
    opposite = {"yes": "no", "no": "yes", "unknown": "unknown"}
    answer = evaluate(data, site, lines=LINES).answer.value
    if str(data).count("{") < 8:
        assert evaluate({"not": data}, site, lines=LINES).answer.value == opposite[answer]


@given(conditions, facts)
def test_unknown_always_has_a_reason_and_only_unknown_has_one(data, site):
    verdict = evaluate(data, site, lines=LINES)
    assert verdict.is_unknown == bool(verdict.reasons)


@given(conditions, facts, names)
def test_learning_a_fact_never_turns_a_certain_answer(data, site, name):
    """Kleene's logic is monotone: with less known, the answer is the same or unknown."""
    less = {key: value for key, value in site.items() if key != name.partition(".")[0]}
    if "languages" in site and name == "locale":
        less.pop("languages", None)
    before, after = evaluate(data, less, lines=LINES), evaluate(data, site, lines=LINES)
    assert before.is_unknown or before.answer is after.answer


@given(anything, anything)
@settings(max_examples=250)
def test_arbitrary_json_is_never_an_exception(data, site):
    facts_of_site = site if isinstance(site, dict) else {"release": site, "plugins": site, "database": site}
    with contextlib.suppress(FormatError):
        condition = parse_condition(data)
        assert evaluate(condition, facts_of_site, lines=LINES).answer in set(Answer)
        assert describe(condition)
    if isinstance(data, dict):
        assert evaluate(data, facts_of_site).answer in set(Answer)


@given(names, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "matches_range"]), anything, anything)
@settings(max_examples=200)
def test_arbitrary_values_are_never_an_exception(name, op, value, have):
    data = {"fact": name, "op": op, "value": value}
    site = {"release": have, "plugins": {"x": have}, "database": {"version": have}, "locale": have, "count": have}
    assert evaluate(data, site, lines=LINES).answer in set(Answer)
