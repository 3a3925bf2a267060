"""Imported HTML becomes Markdown that renders to the same."""

import re

import pytest
from hypothesis import given, settings

from sapwood.core.markup import clean_html, html_to_markdown, html_to_text, render_markdown
from sapwood.core.tests.test_markup_html import ATTACKS, MARKUP, Inspector


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        (
            "<h1>Title</h1><p>Some <b>bold </b>and <em>soft</em> words</p>",
            "### Title\n\nSome **bold** and *soft* words",
        ),
        ("<p>x<em>«quoted»</em>y<b>a</b><b>b</b></p>", "x«*quoted*»y**a**b"),
        ("<p>a<br></p>", "a"),
        ("<h2>a<br>b #</h2>", "#### a b \\#"),
        ("<ul><li>one</li><li>two <p>more</p></li></ul>", "- one\n- two\n\n  more"),
        ("<ol><li>one<ul><li>inner</li></ul></li><li>two</li></ol>", "1. one\n\n   - inner\n2. two"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<pre>x\n  ``` y</pre>", "````\nx\n  ``` y\n````"),
        ("<p>a<br>b</p>", "a\\\nb"),
        ("<p>use <code>a`b</code></p>", "use `` a`b ``"),
        ('<a href="https://a.example/x_(1)">link [1]</a>', "[link \\[1\\]](<https://a.example/x_(1)>)"),
        ('<a href="javascript:x">words</a>', "words"),
        ("1. not a list", "1\\. not a list"),
        (
            "# not a title * or _emphasis_ &amp;lt; <span>x</span>",
            "\\# not a title \\* or \\_emphasis\\_ &amp;lt; x",
        ),
        ("{{site_name}}", "{ {site\\_name}}"),
    ],
)
def test_html_becomes_markdown(html, markdown):
    assert html_to_markdown(html) == markdown


def words(html: str) -> str:
    return re.sub(r"\s+", "", html_to_text(re.sub(r"<span class=\"host\".*?</span>", "", html)))


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_an_attack_does_not_come_back_through_markdown(attack):
    Inspector(render_markdown(html_to_markdown(f"<p>x {attack} y</p>")))


@settings(max_examples=100, deadline=None)
@given(MARKUP)
def test_the_words_survive_the_way_through_markdown(html):
    assert words(render_markdown(html_to_markdown(html))) == words(clean_html(html))


def test_a_break_before_nothing_but_space_is_no_break():
    assert html_to_markdown("<p>x<br>&nbsp;</p>") == "x"
