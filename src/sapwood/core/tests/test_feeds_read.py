"""Hostile feeds: what is read, what is refused, and what never comes through."""

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood.core.feeds import FeedError, FeedForbiddenError, FeedTooLargeError, GuidSource, read_feed
from sapwood.core.feeds.data import MAX_ENTRIES
from sapwood.core.http import CaptivePortalError

NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def rss(*items: str, head: str = "", declaration: str = '<?xml version="1.0"?>') -> bytes:
    body = "".join(f"<item>{item}</item>" for item in items)
    return (
        f'{declaration}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
        f"<title>Open edX news</title><link>https://openedx.org/</link>{head}{body}</channel></rss>"
    ).encode()


def item(**parts: str) -> str:
    given = {"title": "News", "link": "https://openedx.org/a", "guid": "a", "description": "words"} | parts
    given.setdefault("pubDate", "Mon, 02 Nov 2026 10:00:00 +0000")
    return "".join(f"<{name}>{text}</{name}>" for name, text in given.items() if text)


def read(raw: bytes, content_type: str = "application/rss+xml"):
    return read_feed(raw, content_type, NOW)


def only(raw: bytes, content_type: str = "application/rss+xml"):
    feed = read(raw, content_type)
    assert len(feed.entries) == 1
    return feed.entries[0]


# Dialects


def test_an_rss_entry_is_read_whole():
    entry = only(
        rss(
            "<title>Teak &amp;amp; Ulmo</title><link>https://openedx.org/teak</link>"
            '<guid isPermaLink="false">https://openedx.org/?p=7</guid><dc:creator>Alice (a@example.org)</dc:creator>'
            "<category>Releases</category><category>Releases</category><category>Ops</category>"
            "<pubDate>Mon, 02 Nov 2026 10:00:00 -0500</pubDate><description>short</description>"
            "<content:encoded><![CDATA[<h1>Hi</h1><p>long <b>text</b></p>]]></content:encoded>",
            head="<language>en-US</language>",
        )
    )
    assert entry.title == "Teak & Ulmo"
    assert (entry.guid, entry.guid_source) == ("https://openedx.org/?p=7", GuidSource.GIVEN)
    assert entry.url == "https://openedx.org/teak"
    assert entry.summary == "short"
    assert entry.body_html == "<h3>Hi</h3><p>long <strong>text</strong></p>"
    assert entry.body_markdown == "### Hi\n\nlong **text**"
    assert entry.categories == ("Releases", "Ops")
    assert entry.author == "Alice"
    assert entry.language == "en-US"
    assert entry.published_at == dt.datetime(2026, 11, 2, 15, tzinfo=dt.UTC)
    assert entry.problems == ()


ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="ar"><title>أخبار</title><id>urn:feed</id>
<link href="https://openedx.org/"/><updated>2026-11-01T00:00:00Z</updated>
<entry><id>urn:uuid:1</id><title type="text">1 &lt; 2 &amp; {p}</title>
<link rel="self" href="https://openedx.org/self"/><link rel="alternate" href="https://openedx.org/one"/>
<published>2026-11-01T10:00:00+02:00</published><updated>2026-11-03T10:00:00Z</updated>
<author><name>Bob</name><email>bob@example.org</email></author><category term="x" label="Ops"/>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p dir="rtl">مرحبا</p></div></content></entry></feed>"""


def test_an_atom_entry_is_read_whole():
    entry = only(ATOM.encode(), "application/atom+xml")
    assert entry.title == "1 < 2 & {p}"
    assert (entry.guid, entry.url) == ("urn:uuid:1", "https://openedx.org/one")
    assert entry.published_at == dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC)
    assert entry.updated_at == dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)
    assert entry.body_html == '<p dir="rtl">مرحبا</p>'
    assert (entry.author, entry.categories, entry.language) == ("Bob", ("Ops",), "ar")


def json_feed(*items: object, **more: object) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "News", "items": items} | more).encode()


def test_a_json_feed_entry_is_read_whole():
    entry = only(
        json_feed(
            {
                "id": 7, "url": "https://openedx.org/7", "title": "Seven", "content_html": "<p>x</p>", "tags": ["a", 3],
                "authors": [{"name": "Carol"}, "odd"], "date_published": "2026-11-01T00:00:00-05:00", "language": "es",
                "date_modified": "2026-11-02T00:00:00Z", "summary": "short",
            }
        ),
        "application/feed+json",
    )  # fmt: skip
    assert (entry.guid, entry.url, entry.title, entry.summary) == (
        "7",
        "https://openedx.org/7",
        "Seven",
        "short",
    )
    assert (entry.body_html, entry.author, entry.categories, entry.language) == (
        "<p>x</p>",
        "Carol",
        ("a",),
        "es",
    )
    assert entry.published_at == dt.datetime(2026, 11, 1, 5, tzinfo=dt.UTC)
    assert entry.problems == ()


def test_plain_text_of_a_json_feed_is_text():
    entry = only(json_feed({"id": "1", "title": "t", "content_text": "a <b> {x}\n\nc & d"}))
    assert entry.body_html == "<p>a &lt;b&gt; {x}</p><p>c &amp; d</p>"
    assert entry.summary == "a <b> {x} c & d"


def post(**more: object) -> dict[str, object]:
    return {
        "id": 41, "date_gmt": "2026-11-01T08:00:00", "modified_gmt": "2026-11-05T09:30:00", "status": "publish",
        "guid": {"rendered": "https://old.example/?p=41"}, "link": "https://openedx.org/teak/",
        "title": {"rendered": "Teak &#8217;s last day"}, "excerpt": {"rendered": "<p>Short [&hellip;]</p>"},
        "content": {"rendered": "<p>Long</p><script>x</script>", "protected": False},
        "_embedded": {"author": [{"name": "Alice"}], "wp:term": [[{"name": "Releases"}], [{"name": "teak"}]]},
    } | more  # fmt: skip


def test_a_wordpress_post_is_read_whole_and_its_edit_date_is_in_utc():
    entry = only(json.dumps([post()]).encode(), "application/json")
    assert (entry.guid, entry.guid_source) == ("wordpress:41", GuidSource.POST_NUMBER)
    assert entry.title == "Teak ’s last day"
    assert (entry.summary, entry.body_html) == ("Short […]", "<p>Long</p>")
    assert entry.published_at == dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC)
    assert entry.updated_at == dt.datetime(2026, 11, 5, 9, 30, tzinfo=dt.UTC)
    assert (entry.author, entry.categories) == ("Alice", ("Releases", "teak"))


def test_a_wordpress_site_that_moves_keeps_the_identity_of_its_posts():
    moved = post(link="https://new.example/teak/", guid={"rendered": "https://new.example/?p=41"})
    old, new = (only(json.dumps([found]).encode()) for found in (post(), moved))
    assert old.guid == new.guid
    assert old.fingerprint == new.fingerprint


def test_a_post_that_is_not_published_or_protected_is_said_to_be_so():
    protected = post(id=42, content={"rendered": "", "protected": True})
    feed = read(json.dumps([post(status="draft"), protected, "odd"]).encode())
    assert [(entry.position, entry.why) for entry in feed.refused] == [
        (1, "The post is not published."), (3, "The entry is not an object."),
    ]  # fmt: skip
    assert "password" in feed.entries[0].problems[0]


# What is refused as a whole


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1/evil.dtd">',
        "<!DOCTYPE lolz [<!ENTITY a 'x'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>",
        '<?xml version="1.0"?><!DOCTYPE rss>',
        "<!DOCTYPE rss [<!ENTITY % p SYSTEM 'http://evil.example/x'> %p;]>",
    ],
)
def test_a_document_type_is_refused_before_anything_is_expanded(declaration):
    with pytest.raises(FeedForbiddenError) as caught:
        read(rss(item(description="&x;&b;"), declaration=declaration))
    assert caught.value.code == "feed.forbidden"


def test_a_document_type_behind_broken_markup_is_refused_too():
    with pytest.raises(FeedForbiddenError):
        read(b"<rss version='2.0' oops><!DOCTYPE x [<!ENTITY a 'b'>]><channel><item/></channel></rss>")


def test_a_document_type_that_is_only_written_about_is_text():
    entry = only(rss(item(description="<![CDATA[Write &lt;!DOCTYPE html> first]]>")))
    assert "<!DOCTYPE html>" in entry.summary


def test_a_feed_of_fifty_megabytes_is_refused():
    with pytest.raises(FeedTooLargeError) as caught:
        read(b"<rss>" + b" " * 50_000_000)
    assert caught.value.code == "feed.too_large"


@pytest.mark.slow
def test_a_hundred_thousand_entries_are_cut_off_with_a_visible_note():
    entry = "<item><title>t</title><guid>{}</guid></item>"
    raw = b"<rss version='2.0'><channel>" + "".join(map(entry.format, range(100_000))).encode() + b"</channel></rss>"
    feed = read(raw)
    assert [entry.guid for entry in feed.entries] == [str(number) for number in range(MAX_ENTRIES)]
    assert "100,000" in feed.problems[0]


@pytest.mark.slow
def test_a_hundred_thousand_items_of_a_json_feed_are_cut_off_with_a_visible_note():
    feed = read(json_feed(*({"id": str(number), "title": "t"} for number in range(100_000))))
    assert len(feed.entries) == MAX_ENTRIES
    assert "100,000" in feed.problems[0]


@pytest.mark.parametrize("dialect", ["rss", "json"])
def test_one_entry_of_five_megabytes_is_refused_on_its_own(dialect):
    big = "x" * 5_000_000
    if dialect == "rss":
        feed = read(rss(item(guid="1"), item(guid="2", description=big), item(guid="3")))
    else:
        feed = read(
            json_feed(*({"id": str(n), "title": "t", "content_text": big if n == 2 else "x"} for n in (1, 2, 3)))
        )
    assert [entry.guid for entry in feed.entries] == ["1", "3"]
    assert [(entry.position, "5,000" in entry.why) for entry in feed.refused] == [(2, True)]


def test_bottomless_nesting_is_refused():
    with pytest.raises(FeedForbiddenError):
        read(rss("<a>" * 5000 + "</a>" * 5000))
    with pytest.raises(FeedError):
        read(b'{"version": "https://jsonfeed.org/version/1.1", "items": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b"", ""), (b"hello", "text/plain"), (b"{", ""), (b"{}", ""), (b'{"items": []}', ""), (b"[1, 2]", ""),
        (b'{"code": "rest_no_route", "message": "x"}', ""), (b"<opml version='2.0'/>", ""), (b"<svg/>", ""),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": 3}', ""), (b"\x00\x01\x02", ""), (b"<", ""),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_refused_with_a_reason_and_a_next_step(raw, content_type):
    with pytest.raises(FeedError) as caught:
        read(raw, content_type)
    assert caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("raw", [b"<!doctype html><title>Wi-Fi</title>", b"\n<html><body>sign in", b"Please sign in"])
def test_a_web_page_instead_of_a_feed_is_called_that(raw):
    with pytest.raises(CaptivePortalError):
        read(raw, "text/html")


def test_a_feed_that_calls_itself_a_web_page_is_read():
    assert only(rss(item()), "text/html").title == "News"


def test_a_broken_feed_is_read_as_well_as_possible_and_says_so():
    feed = read(rss(item(description="caf&eacute; &nbsp; & more <br> <script>x</script>")))
    assert feed.entries[0].title == "News"
    assert "not well-formed" in feed.problems[0]
    assert "script" not in feed.entries[0].body_html


# Encodings


@pytest.mark.parametrize(
    ("encoding", "label", "header", "problem"),
    [
        ("utf-8", "utf-8", "", False),
        ("utf-8-sig", "utf-8", "", False),
        ("utf-8", "iso-8859-1", "", True),
        ("utf-8", "", "application/xml; charset=iso-8859-1", True),
        ("iso-8859-1", "iso-8859-1", "", False),
        ("cp1252", "iso-8859-1", "", False),
        ("cp1252", "utf-8", "text/xml; charset=windows-1252", False),
        ("utf-16", "utf-16", "", False),
        ("utf-16-be", "utf-16", "", False),
        ("utf-16-le", "utf-8", "text/xml; charset=utf-8", False),
        ("iso-8859-1", "utf-8", "", "replaced"),
    ],
)
def test_a_feed_is_read_in_the_encoding_it_is_in_whatever_it_says(encoding, label, header, problem):
    declaration = f'<?xml version="1.0" encoding="{label}"?>' if label else '<?xml version="1.0"?>'
    text = rss(item(title="café à côté", pubDate="")).decode().replace('<?xml version="1.0"?>', declaration)
    feed = read(text.encode(encoding), header)
    assert feed.entries[0].title == ("caf\ufffd \ufffd c\ufffdt\ufffd" if problem == "replaced" else "café à côté")
    assert bool(feed.problems) == bool(problem)


@pytest.mark.parametrize(
    "label", ["utf-7", "UTF7", "iso-2022-jp", "hz", "utf-32", "punycode", "rot13", "ebcdic-cp-us", "nonsense"]
)
@pytest.mark.parametrize("place", ["declaration", "header"])
def test_an_encoding_that_can_hide_markup_is_refused(label, place):
    declaration = f'<?xml version="1.0" encoding="{label}"?>' if place == "declaration" else ""
    with pytest.raises(FeedForbiddenError):
        read(
            rss(item(title="+ADw-script+AD4-"), declaration=declaration),
            f"text/xml; charset={label}" if not declaration else "",
        )


# Entries


HOSTILE = [
    "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<math href='javascript:alert(1)'>", "\u202egnp.exe", "ze\u200bro", "{p} {0} %s {% x %}",
    "x" * 10_000, "]]>", "&#x202e;&#x200b;", "<a href='javascript:alert(1)'>x</a>",
    "<style>@import 'https://t.example'</style>",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_any_field_comes_out_harmless(hostile):
    names = ("id", "title", "content_html", "summary", "url", "language", "date_published")
    fields = dict.fromkeys(names, hostile) | {"tags": [hostile], "authors": [{"name": hostile}]}
    feed = read(json_feed(fields, title=hostile))
    entry = feed.entries[0]
    assert (entry.url, entry.published_at) == ("", None)
    for text in (
        entry.body_html,
        entry.title,
        entry.author,
        entry.summary,
        feed.title,
        *entry.categories,
        entry.guid,
    ):
        assert not set(text) & set("\u202e\u200b\x00")
        assert len(text) <= 600 or text is entry.body_html
    for tag in ("<script", "<img", "<svg", "<math", "<style", "javascript:", "onerror="):
        assert tag not in entry.body_html
    if "{" in hostile:
        assert entry.title == hostile


@pytest.mark.parametrize(
    "hostile", ["<![CDATA[<script>alert(1)</script>Hi]]>", "&lt;b&gt;Hi&lt;/b&gt;", "&amp;lt;b&amp;gt;Hi"]
)
def test_markup_in_an_rss_title_becomes_words(hostile):
    assert only(rss(item(title=hostile))).title in {"Hi", "<b>Hi"}


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example/", "https://openedx.org@evil.example/",
     "http://openedx.org/",
     "mailto:a@example.org"],
)  # fmt: skip
def test_an_unsafe_address_of_an_entry_is_removed_with_a_problem(link):
    entry = only(rss(item(link=link)))
    assert entry.url == ""
    assert any("address was removed" in problem for problem in entry.problems)


def test_an_identifier_that_is_no_address_never_becomes_one():
    assert only(rss(item(link="", guid="1"))).url == ""


def test_links_that_were_removed_or_look_odd_are_named_for_the_reviewer():
    entry = only(
        rss(
            item(
                description="&lt;a href='javascript:x'&gt;a&lt;/a&gt; &lt;a href='https://xn--penedx-vqf.org'&gt;b&lt;/a&gt;"
            )
        )
    )
    assert any("A link was removed" in problem for problem in entry.problems)
    assert any("imitate" in problem for problem in entry.problems)


def test_a_relative_link_is_resolved_against_the_feeds_home():
    entry = only(rss(item(link="/teak", description='<![CDATA[<a href="more">x</a>]]>')))
    assert entry.url == "https://openedx.org/teak"
    assert 'href="https://openedx.org/more"' in entry.body_html


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("not a date", "cannot be read"), ("Thu, 01 Jan 1970 00:00:00 GMT", "impossible"), ("2026-11-01",
        "no time zone"),
        ("2026-11-01T10:00:00", "no time zone"), ("Mon, 02 Nov 2026 10:00:00", "no time zone"),
        ("0000-00-00T00:00:00Z", "read"),
        ("Mon, 02 Nov 2099 10:00:00 GMT", "future"), ("2026-11-23T00:00:00Z", "future"), ("9999-12-31T23:59:59-14:00",
        "read"),
        ("2026-02-30T00:00:00Z", "cannot be read"), ("Mon, 99 Nov 2026 10:00:00 GMT", "read"), ("1", "read"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["rss", "json"])
def test_a_date_in_doubt_is_none_with_a_problem(raw, problem, dialect):
    entry = only(
        rss(item(pubDate=raw)) if dialect == "rss" else json_feed({"id": "1", "title": "t", "date_published": raw})
    )
    assert entry.published_at is None
    assert any(problem in found for found in entry.problems)


@pytest.mark.parametrize(
    ("raw", "hour"),
    [("Mon, 02 Nov 2026 10:00:00 GMT", 10), ("Mon, 02 Nov 2026 10:00:00 EST", 15), ("02 Nov 26 10:00:00 +0200", 8),
     ("Mon, 02 Nov 2026 10:00:00 -0000", 10), ("2026-11-02T10:00:00.123Z", 10)],
)  # fmt: skip
def test_a_good_date_is_an_instant_in_utc(raw, hour):
    entry = only(rss(item(pubDate=raw)))
    assert entry.published_at is not None
    assert (entry.published_at.hour, entry.published_at.tzinfo) == (hour, dt.UTC)


def test_a_missing_date_is_none_with_a_problem():
    entry = only(json_feed({"id": "1", "title": "t"}))
    assert (entry.published_at, entry.updated_at) == (None, None)
    assert "The entry has no date." in entry.problems


# Identity


def test_the_same_entry_twice_is_one():
    feed = read(rss(item(), item()))
    assert len(feed.entries) == 1
    assert "more than once" in feed.problems[0]


def test_two_entries_under_one_identifier_are_both_kept_and_the_second_says_so():
    feed = read(rss(item(), item(title="Other", description="else"), item(title="Other", description="else")))
    first, second = feed.entries
    assert first.guid == "a"
    assert second.guid_source is GuidSource.DERIVED
    assert "same identifier" in second.problems[-1]
    assert [entry.guid for entry in read(rss(item(), item(title="Other", description="else"))).entries] == [
        first.guid,
        second.guid,
    ]


def test_a_missing_identifier_is_made_from_address_and_title_and_is_stable():
    entry, again = (only(rss(item(guid="", description=words))) for words in ("one", "two"))
    other = only(rss(item(guid="", title="Else")))
    assert entry.guid_source is GuidSource.DERIVED
    assert entry.guid == again.guid != other.guid
    assert any("identifier" in problem for problem in entry.problems)


def test_a_fingerprint_changes_with_title_or_body_only():
    base = only(rss(item())).fingerprint
    assert only(rss(item(pubDate="Tue, 03 Nov 2026 10:00:00 GMT", link="https://openedx.org/b"))).fingerprint == base
    assert only(rss(item(description="changed"))).fingerprint != base
    assert only(rss(item(title="changed"))).fingerprint != base


def test_an_entry_without_a_title_is_called_by_its_first_words():
    entry = only(rss(item(title="", description="First words of it")))
    assert entry.title == "First words of it"
    assert any("no title" in problem for problem in entry.problems)


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.text('<>/!?xml&;rss{}[]":,1 ', max_size=80).map(str.encode)
)
def test_any_bytes_are_read_or_refused_with_a_reason(raw):
    try:
        read(raw, "")
    except (FeedError, CaptivePortalError) as error:
        assert error.message  # noqa: PT017 - either way is right


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "title", "content", "link", "rendered", "_embedded", "wp:term", "author", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(JSON_VALUES, st.sampled_from(["feed", "post", "bare"]))
def test_any_json_is_read_or_refused_with_a_reason(value, place):
    item = {"id": value, "title": value, "authors": value, "tags": value}
    post = {"link": value, "title": value, "id": value, "_embedded": value, "content": value}
    document = {"feed": {"version": "https://jsonfeed.org/version/1.1", "items": [value, item]}, "post": [post]}
    document = document.get(place, value)
    try:
        feed = read(json.dumps(document).encode(), "application/json")
    except FeedError as error:
        assert error.message  # noqa: PT017 - either way is right
    else:
        for entry in feed.entries:
            entry.title.encode()
            entry.body_html.encode()
            entry.guid.encode()
