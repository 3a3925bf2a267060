"""Markup from strangers: attacks from the field, and properties that hold for anything."""

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood.core.markup import MarkupTooLargeError, clean_html, html_to_text, render_markdown
from sapwood.core.markup.html import TAGS

ATTACKS = [
    "<script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://tracker.example/pixel.gif width=1 height=1>",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    '<svg><use href="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=#x"/></svg>',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<math><mi//xlink:href="data:x,<script>alert(4)</script>">',
    '<math href="javascript:alert(1)">x</math>',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href="java\nscript:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="//evil.example">x</a>',
    '<a href="https://openedx.org@evil.example/">x</a>',
    '<a href="https://example.org/" onclick="alert(1)" style="position:fixed" target=_blank id=y>x</a>',
    '<p style="background:url(https://tracker.example/x)">x</p>',
    "<style>@import 'https://tracker.example/x.css';@font-face{src:url(https://t.example/f)}</style>",
    '<link rel=stylesheet href="https://tracker.example/x.css">',
    '<meta http-equiv=refresh content="0;url=https://evil.example">',
    '<base href="https://evil.example/">',
    '<form action="https://evil.example"><input name=password></form>',
    "<object data='https://evil.example/x.swf'></object><embed src='https://evil.example'>",
    "<video src='https://t.example/v' poster='https://t.example/p' onerror=alert(1)><audio src='https://t.example/a'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version='1.0'?><?php echo 1 ?><x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "<template><script>alert(1)</script></template>",
    "<details open ontoggle=alert(1)>x</details>",
    "<p lang='x\" onmouseover=alert(1)' dir='\"><script>'>x</p>",
    "<a href='https://example.org/\"><script>alert(1)</script>'>x</a>",
    "<listing>&lt;img onerror=alert(1) src&gt;</listing>",
    "<xmp></p><img src=x onerror=alert(1)></xmp><plaintext><script>",
    "<title><a id='</title><img src=x onerror=alert(1)>'>",
    "<b><a href='x'><b><a href='y'><table><td><a><svg><p><style><a title='</style><img onerror=alert(1)>'>",
    "<select><style><script>alert(1)</script></style></select>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<" * 5000,
    "<b>" * 20_000,
    "<a href='" * 2000,
]  # fmt: skip
FRAGMENTS = st.sampled_from(
    [*(attack for attack in ATTACKS if len(attack) < 200), "<p>", "</p>", "<div>", "</div>", "<h1>", "<h5>",
    "<li>", "<ul>",
     "</ul>", "<pre>\n\n", "</pre>", "<b>", "</b>", "<i>", "</a>", '<a href="https://a.example/?a=1&b">',
     "<span class=host>",
     "</span>", "<br>", "&lt;script&gt;", "&amp;lt;", "&#x202e;", "&nbsp;", "text", "\n", " ",
     "<table><tr><td>", "ن", "\u2067",
     "<blockquote dir=rtl lang=ar>",
     "<img alt='a *b* <i>'>", "{{site_name}}", "<ol>", "<code>", "]]>", "-->", '"', "'", "<"]
)  # fmt: skip
MARKUP = st.lists(FRAGMENTS | st.text(max_size=8), max_size=14).map("".join)


class Inspector(HTMLParser):
    """Fails on anything that is not on the allow-list."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.hosts = 0
        self.links = 0
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = {name for name, _ in attrs}
        given = dict(attrs)
        if tag == "span":
            assert given == {"class": "host", "dir": "ltr"}
            self.hosts += 1
        else:
            assert tag in TAGS
            assert names <= ({"href", "rel", "dir", "lang"} if tag == "a" else {"dir", "lang"})
        if tag == "a":
            assert given["href"].startswith(("https://", "mailto:"))
            assert given["rel"] == "noopener nofollow"
            self.links += 1
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError("a comment came through")

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_an_attack_leaves_only_allowed_markup_and_cleaning_again_changes_nothing(attack):
    clean = clean_html(f"<p>before {attack} after</p>")
    inspector = Inspector(clean)
    assert inspector.hosts == inspector.links
    assert clean_html(clean) == clean


@settings(max_examples=100, deadline=None)
@given(MARKUP)
def test_whatever_comes_in_only_allowed_markup_comes_out_and_stays(html):
    clean = clean_html(html)
    inspector = Inspector(clean)
    assert inspector.hosts == inspector.links
    clean.encode()
    assert not set(clean) & set("\u202e\u202a\u200b\x00\ufeff")
    assert clean_html(clean) == clean


@settings(max_examples=100, deadline=None)
@given(MARKUP, st.text(max_size=20))
def test_whatever_markdown_comes_in_only_allowed_markup_comes_out(text, name):
    Inspector(render_markdown(text, values={"site_name": name}))


@settings(max_examples=100, deadline=None)
@given(MARKUP)
def test_the_words_of_markup_hold_no_control_characters(html):
    text = html_to_text(html)
    assert not any(ord(character) < 32 and character != "\n" for character in text)


def test_ordinary_markup_survives():
    html = (
        "<h3>News</h3><p>Teak is <em>out</em> of <strong>support</strong>.<br>Run <code>x</code></p>"
        "<ul><li>one</li></ul><ol><li>two</li></ol><blockquote><p>q</p></blockquote><pre>a\n b</pre>"
    )  # fmt: skip
    assert clean_html(html) == html


def test_each_link_shows_its_real_host_beside_it():
    assert clean_html('<a href="https://evil.example/x">https://openedx.org</a>') == (
        '<a href="https://evil.example/x" rel="noopener nofollow">https://openedx.org</a>'
        '<span class="host" dir="ltr"> evil.example</span>'
    )


def test_a_host_note_cannot_be_forged():
    clean = clean_html('<a href="https://evil.example/">x</a><span class="host" dir="ltr"> openedx.org</span>')
    assert "openedx.org" not in clean
    assert clean.count('class="host"') == 1


def test_a_refused_link_leaves_its_words():
    assert clean_html('<p>see <a href="javascript:x">this <em>page</em></a>!</p>') == "<p>see this <em>page</em>!</p>"


def test_a_picture_is_shown_by_its_description_and_never_fetched():
    html = '<p>Done <img src="https://s.w.org/1f389.png" alt="🎉" class="wp-smiley"> <img src=x alt="<b>{x}"></p>'
    assert clean_html(html) == "<p>Done 🎉 &lt;b&gt;{x}</p>"
    assert html_to_text(html) == "Done 🎉 <b>{x}"


def test_direction_and_language_are_kept_for_right_to_left_text():
    html = '<p dir="rtl" lang="ar">مرحبا <a href="https://example.org/">رابط</a></p>'
    assert clean_html(html).startswith('<p dir="rtl" lang="ar">مرحبا <a href="https://example.org/"')
    assert clean_html('<p dir="up" lang="a b">x</p>') == "<p>x</p>"


def test_headings_start_below_those_of_the_page_and_boxes_become_paragraphs():
    assert clean_html("<h1>a</h1><h2>b</h2><h3>c</h3><h6>d</h6>") == "<h3>a</h3><h4>b</h4><h3>c</h3><h4>d</h4>"
    assert clean_html("<div>a<div>b<p>c</p></div></div>") == "<p>a</p><p>b</p><p>c</p>"


def test_the_first_line_end_of_preformatted_text_survives_repeated_cleaning():
    once = clean_html("<pre>\n\n\nx</pre>")
    assert once == clean_html(once)
    assert once.endswith("\n\nx</pre>")


def test_relative_links_find_their_base():
    assert 'href="https://openedx.org/blog/x"' in clean_html('<a href="x">x</a>', base="https://openedx.org/blog/")
    assert "href" not in clean_html('<a href="x">x</a>')


def test_a_text_beyond_all_measure_is_refused():
    with pytest.raises(MarkupTooLargeError) as caught:
        clean_html("x" * 1_000_001)
    assert caught.value.code == "markup.too_large"


def test_markup_nested_beyond_all_measure_is_reduced_to_its_words():
    assert clean_html("<em>" * 3000 + "<strong>" * 3000 + "deep") == "deep"
    assert clean_html("<ul><li>" * 100_000 + "deep &lt;b&gt;").strip() == "deep &lt;b&gt;"
    assert clean_html("<p>one<p>two" * 1000).count("<p>") == 2000
    assert clean_html("<blockquote>" * 50 + "deep").count("<blockquote>") == 50


def test_words_of_markup_keep_their_paragraphs():
    assert (
        html_to_text("<p>One &amp; two</p><ul><li>a<li>b</ul><script>x</script>c<br>d") == "One & two\n\na\nb\n\nc\nd"
    )
    assert html_to_text("if a < b &amp;&amp; c &gt; d") == "if a < b && c > d"
