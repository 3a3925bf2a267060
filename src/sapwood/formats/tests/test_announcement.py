"""Announcements: what is refused and why, and what readers of each language see."""

import copy
import datetime as dt
import json
from pathlib import Path

import pytest

from sapwood.formats.announcement import Announcement, Event, Kind
from sapwood.formats.documents import parse_document
from sapwood.formats.errors import FormatError, SchemaError
from sapwood.formats.publication import (
    Audience,
    LocaleText,
    Origin,
    Severity,
    fill_placeholders,
    match_locale,
    pick_locale,
)

GOLDEN = Path(__file__).parent / "golden"
NOON = dt.datetime(2026, 8, 3, 12, tzinfo=dt.UTC)


def golden(name):
    return json.loads((GOLDEN / f"announcement-{name}.json").read_text())


def changed(name, path, value):
    data = copy.deepcopy(golden(name))
    *steps, last = path.split("/")
    place = data
    for step in steps:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = value
    return json.dumps(data).encode()


def test_administrators_and_no_severity_are_the_default():
    item = parse_document(json.dumps(golden("first")).encode())
    assert (item.audience, item.severity, item.condition) == (Audience.ADMINISTRATORS, Severity.NONE, None)
    assert item.type == "announcement"
    assert item.alert


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [
        ("first", "kind", "poll", "'kind' must be one of \"news\""),
        ("first", "kind", "event", 'lacks "event"'),
        ("first", "kind", "feedback_request", 'lacks "feedback"'),
        ("event", "event", None, "'event' must be an object"),
        ("first", "severity", "apocalyptic", "'severity' must be one of"),
        ("first", "audience", "everybody", "'audience' must be one of"),
        ("first", "revision", 0, "'revision' must be at least 1"),
        ("first", "revision", 1.5, "'revision' must be a whole number"),
        ("first", "revision", True, "'revision' must be a whole number"),
        ("first", "channel", "Security", "'channel'"),
        ("first", "channel", "security\n", "'channel'"),
        ("first", "uuid", "6F7E3BB2-53A5-4A7E-9D60-0E6F6A1F1A01", "'uuid'"),
        ("first", "uuid", "6f7e3bb253a54a7e9d600e6f6a1f1a01", "'uuid'"),
        ("first", "texts", {}, "'texts' must have at least 1"),
        ("first", "texts", {"english!": {"title": "x"}}, "language tag"),
        ("first", "texts/en", {"summary": "x"}, "'texts.en' lacks \"title\""),
        ("first", "texts/en/title", "", "must not be empty"),
        ("first", "texts/en/title", "x" * 10_000, "10,000 characters; at most 200"),
        ("first", "texts/en/title", "two\nlines", "'texts.en.title'"),
        ("first", "texts/en/title", "nul \0", "'texts.en.title'"),
        ("first", "texts/en/title", "\u202egnp.exe", "'texts.en.title'"),
        ("first", "texts/en/body", "x" * 100_001, "at most 100,000"),
        ("first", "texts/en/body", "bell \x07", "'texts.en.body'"),
        ("first", "texts/en/origin", "robot", "'texts.en.origin' must be one of"),
        ("feature", "publish_at", "2026-08-03T09:00:00", "instant in UTC"),
        ("feature", "publish_at", "2026-08-03T09:00:00+02:00", "instant in UTC"),
        ("feature", "publish_at", "2026-08-03", "instant in UTC"),
        ("feature", "publish_at", "2026-02-30T09:00:00Z", "instant in UTC"),
        ("feature", "publish_at", "2026-08-03T09:00:00Z\n", "instant in UTC"),
        ("feature", "publish_at", 1754211600, "'publish_at'"),
        ("feature", "expires_at", "2026-08-03T09:00:00Z", "expires_at is not after publish_at"),
        ("event", "event/ends_at", "2027-04-19T00:00:00Z", "event.ends_at is not after event.starts_at"),
        ("event", "event/remote_url", "http://example.org", "'event.remote_url'"),
        ("feature", "supersedes/0", "x", None),
        ("feature", "condition", {"all": [3]}, "'condition.all[0]'"),
        ("feature", "condition", {"fact": "release", "op": "<", "value": None}, "'condition.value'"),
        ("feature", "links/0/kind", "See here", "'links[0].kind'"),
        ("feedback", "feedback/question", "", "must not be empty"),
    ],
)
def test_a_bad_field_is_refused_with_its_place(name, path, value, message):
    if message is None:
        data = golden(name)
        data["supersedes"] = [data["uuid"]]
        raw, message = json.dumps(data).encode(), "names itself in supersedes"
    else:
        raw = changed(name, path, value)
    with pytest.raises(FormatError) as caught:
        parse_document(raw)
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400
    assert caught.value.path or "lacks" in message


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/", "javascript:alert(1)", "data:text/html,x", "//example.org/", "mailto:a@example.org"),
        *("https://openedx.org@evil.example/", "https://user:secret@example.org/", "https:/example.org", "https://"),
        *("https://example.org/a b", "https://example.org/\n", " https://example.org/", "HTTPS://example.org/"),
        *("https://оpenedx.org/", "https://example.org\\@evil.example/", "https://example.org/\u202egnp"),
        *("https://example.org:port/", "https://[::1/", "https://?x", "https://.../", "https://e/" + "x" * 2000),
    ],
)
def test_only_plain_https_links_pass(url):
    with pytest.raises(SchemaError) as caught:
        parse_document(changed("feature", "links/0/url", url))
    assert "links[0]" in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org:8443/a/b?c=d&e=%C3%A9#f",
        "https://xn--penedx-8ze.org/",
        "https://example.org/~bob/@carol",
        "https://[2001:db8::1]/",
        "https://docs.example.org/x_(y)",
    ],
)
def test_honest_links_pass(url):
    assert parse_document(changed("feature", "links/0/url", url)).links[0].url == url


def test_the_site_name_is_filled_in_once_and_other_braces_are_text():
    text = "{{site_name}}: {p} {{name}} {{ site_name }} {0} {{site_name}} %s {{{site_name}}}"
    assert fill_placeholders(text, site_name="U{{site_name}}") == (
        "U{{site_name}}: {p} {{name}} {{ site_name }} {0} U{{site_name}} %s {U{{site_name}}}"
    )


@pytest.mark.parametrize(
    ("available", "wanted", "picked"),
    [
        (["en", "es", "es-419"], "es-419", "es-419"),
        (["en", "es"], "es-419", "es"),
        (["en", "ar"], "es-419", "en"),
        (["ar", "fr"], "es-419", "ar"),
        (["en", "es"], "ES_419", "es"),
        (["pt-BR", "en"], "pt_br", "pt-BR"),
        (["zh-Hant", "en"], "zh-Hant-TW", "zh-Hant"),
        (["zh-Hant", "en"], "zh-Hans-CN", "en"),
        (["de", "en"], "de-x-private", "de"),
        (["fr", "en"], ["es-419", "fr-CA"], "fr"),
        (["en-GB", "fr"], "de", "en-GB"),
        (["en"], "", "en"),
        ([], "en", None),
    ],
)
def test_the_language_falls_back(available, wanted, picked):
    assert pick_locale(available, wanted) == picked


def test_the_default_language_is_cut_too_and_a_match_is_not_a_guess():
    assert pick_locale(["de", "fr"], "es", default="fr-CA") == "fr"
    assert match_locale(["de", "fr"], "es") is None


def test_an_announcement_speaks_to_each_reader():
    item = parse_document(json.dumps(golden("feature")).encode())
    assert item.text("es-419").origin is Origin.COMMUNITY
    assert item.text("ar-EG").origin is Origin.MACHINE
    assert item.text("de").title.startswith("Course authors")
    assert [link.kind for link in item.links_for("en-GB")] == ["documentation", "forum"]
    assert [link.kind for link in item.links_for("ar")] == ["documentation"]
    feedback = parse_document(json.dumps(golden("feedback")).encode())
    assert feedback.question("es-419") == "¿Qué le hace perder tiempo?"
    assert feedback.question("de") == "What costs you time in the course editor?"
    assert feedback.seeks("es") == "Autoras y autores de cursos"


def test_an_announcement_is_live_from_publication_until_expiry():
    item = parse_document(json.dumps(golden("feature")).encode())
    hours = dt.timedelta(hours=3)
    assert item.is_live(NOON - hours)
    assert not item.is_live(NOON - hours - dt.timedelta(seconds=1))
    assert not item.is_live(dt.datetime(2026, 12, 9, tzinfo=dt.UTC))
    assert parse_document(json.dumps(golden("first")).encode()).is_live(NOON)


def test_an_instant_without_a_time_zone_cannot_even_be_constructed():
    with pytest.raises(SchemaError, match="time zone"):
        Event(starts_at=dt.datetime(2027, 1, 1), ends_at=NOON)  # noqa: DTZ001 - that is the mistake


def test_severities_have_a_rank():
    assert max(Severity, key=lambda item: item.rank) is Severity.CRITICAL
    assert min(Severity, key=lambda item: item.rank) is Severity.NONE


def test_a_message_without_any_language_says_so():
    item = Announcement(
        uuid=parse_document(json.dumps(golden("first")).encode()).uuid,
        revision=1,
        channel="community",
        kind=Kind.NEWS,
        texts={},
    )
    with pytest.raises(SchemaError):
        item.text("en")
    assert LocaleText(title="x").origin is Origin.AUTHOR
