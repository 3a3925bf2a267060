"""Markdown of announcements."""

import pytest

from sapwood.core.markup import placeholders, render_markdown


def test_commonmark_becomes_allowed_markup():
    text = "# Title\n\n## Part\n\nSome *words* and **more** `code`.\n\n- one\n- two\n\n> quoted\n\n1. first"
    assert render_markdown(text) == (
        "<h3>Title</h3>\n<h4>Part</h4>\n"
        "<p>Some <em>words</em> and <strong>more</strong> <code>code</code>.</p>\n"
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n<blockquote>\n<p>quoted</p>\n</blockquote>\n<ol>\n<li>first</li>\n</ol>\n"
    )


def test_html_in_markdown_is_text():
    assert render_markdown("<b>bold</b> <script>x</script>") == (
        "<p>&lt;b&gt;bold&lt;/b&gt; &lt;script&gt;x&lt;/script&gt;</p>\n"
    )


def test_a_picture_is_shown_by_its_description_and_never_fetched():
    html = render_markdown("![a *chart* of <b>](https://tracker.example/x.png)")
    assert html == "<p>a chart of &lt;b&gt;</p>\n"


@pytest.mark.parametrize(
    "link", ["[x](javascript:alert(1))", "[x](//evil.example)", "<javascript:x>", "[x](data:text/html,y)"]
)
def test_an_unsafe_link_in_markdown_never_becomes_a_link(link):
    assert "<a" not in render_markdown(link)


def test_a_link_in_markdown_shows_its_host():
    assert '<span class="host" dir="ltr"> openedx.org</span>' in render_markdown("[read](https://openedx.org/x)")


def test_a_value_is_put_in_as_text_and_never_as_markup():
    html = render_markdown(
        "Hello {{site_name}} and {{ site_name }}!", values={"site_name": "<i>A&B</i> [x](https://e.example)"}
    )
    assert html == (
        "<p>Hello &lt;i&gt;A&amp;B&lt;/i&gt; [x](https://e.example) and "
        "&lt;i&gt;A&amp;B&lt;/i&gt; [x](https://e.example)!</p>\n"
    )


def test_a_value_cannot_hold_another_placeholder():
    assert render_markdown("{{a}}", values={"a": "{{b}}", "b": "secret"}) == "<p>{{b}}</p>\n"


def test_a_right_to_left_name_in_a_left_to_right_sentence_is_isolated():
    assert (
        render_markdown("News of {{site_name}}.", values={"site_name": "جامعة"})
        == "<p>News of \u2068جامعة\u2069.</p>\n"
    )


def test_a_hostile_value_is_cleaned_before_it_is_put_in():
    assert render_markdown("{{site_name}}", values={"site_name": "a\u202eb\x00\n" + "c" * 500}).count("c") == 196


@pytest.mark.parametrize(
    "text", ["{", "}", "{p}", "{0.x}", "{% load x %}", "{{unknown}}", "%(x)s", "{{ 7*7 }}", "{{{p}}}"]
)
def test_braces_and_per_cent_signs_of_strangers_stay_what_they_are(text):
    assert render_markdown(text, values={"p": "wrong"} if "{{{" not in text else {}) == f"<p>{text}</p>\n"


def test_the_names_between_double_braces_are_found():
    assert placeholders("{{site_name}} {{ other }} {no} {{ 7*7 }}") == {"site_name", "other"}


def test_a_sentence_without_values_keeps_its_placeholder():
    assert render_markdown("{{site_name}}") == "<p>{{site_name}}</p>\n"
