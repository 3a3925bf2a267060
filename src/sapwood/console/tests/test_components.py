"""The components: what they print, in which language, and that hostile words stay words."""

from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django import forms
from django.template import Context, Template
from django.template.loader import render_to_string
from django.utils import translation

from sapwood.console import figures, icons

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'"
COMPONENTS = Path(__file__).resolve().parent.parent / "templates" / "console" / "components"


def show(source, **context):
    return Template("{% load sapwood %}" + source).render(Context({"now": NOW, **context}))


@pytest.mark.parametrize("level", ["good", "caution", "bad", "info", "unknown"])
def test_a_status_is_a_word_an_icon_and_a_colour(level):
    html = show('{% status level "fresh" %}', level=level)
    assert f"is-{level}" in html
    assert "<svg" in html
    assert "fresh" in html


def test_a_level_that_nobody_knows_never_looks_green():
    assert "is-unknown" in show('{% status "excellent" "x" %}')
    assert "excellent" not in show('{% status "excellent" "x" %}')


HOSTILE_SOURCES = [
    "{% status 'good' word %}",
    "{% badge word 'bad' %}",
    "{% code word full=word %}",
    "{% key word %}",
    "{% number 3 word %}",
    "{% when None word %}",
    "{% empty_state title=word text=word url=word action=word %}",
    "{% card title=word slug=word %}{{ word }}{% endcard %}",
    "{% callout title=word url=word action=word %}{{ word }}{% endcallout %}",
    "{% callout_line word word 'bad' word word %}",
    "{% dialog name=word title=word %}{{ word }}{% enddialog %}",
    "{% difference word other %}",
    "{% difference word other view='unified' old_title=word %}",
    "{% difference_three word other word %}",
    "{% rings 1 3 word %}",
    "{% meter 1 3 word unit=word words=word %}",
    "{{ parts|joined }}",
    "{% include 'console/components/table.html' with columns=columns table_rows=rows caption=word %}",
    "{% include 'console/components/timeline.html' with events=events %}",
    "{% include 'console/components/stepper.html' with steps=events label=word %}",
    "{% include 'console/components/tabs.html' with tabs=tabs label=word %}",
    "{% include 'console/components/tags.html' with tags=tabs label=word %}",
    "{% include 'console/components/tags.html' with tags=parts %}",
    "{% include 'console/components/pager.html' with next_url=word previous_url=word words=word %}",
    "{% include 'console/components/provenance.html' with author=word signed=parts changed=word %}",
    "{% include 'console/components/progress.html' with slug=word done=1 total=2 label=word note=word %}",
    "{% include 'console/components/progress.html' with done=1 total=2 poll_url=word %}",
    "{% include 'console/components/progress.html' with done=1 total=2 failed=1 error=error %}",
    "{% difference_three word other word word word word %}",
    "{% include 'console/components/error_card.html' with error=error %}",
    "{% include 'console/components/facts.html' with facts=pairs %}",
    "{% include 'console/components/card.html' with title=word text=word %}",
]


@pytest.mark.parametrize("source", HOSTILE_SOURCES)
def test_hostile_words_stay_words(source):
    column = {"label": HOSTILE}
    context = {
        "word": HOSTILE,
        "other": HOSTILE.replace("alert", "other"),
        "parts": [HOSTILE, HOSTILE],
        "pairs": [(HOSTILE, HOSTILE)],
        "columns": [column],
        "rows": [{"cells": [{"value": HOSTILE, "column": column}, {"value": HOSTILE, "column": column}]}],
        "events": [{"at": NOW, "title": HOSTILE, "text": HOSTILE, "level": "bad", "state": "done"}],
        "tabs": [{"label": HOSTILE, "url": HOSTILE, "count": HOSTILE, "word": HOSTILE, "level": "bad"}],
        "error": {"code": HOSTILE, "message": HOSTILE, "hint": HOSTILE},
    }
    html = show(source, **context)
    assert "script" in html
    assert "<script" not in html
    assert HOSTILE not in html


@pytest.mark.parametrize(
    ("value", "absolute", "beside"),
    [
        (NOW - timedelta(seconds=5), "22 Nov 2026, 09:59", "just now"),
        (NOW - timedelta(minutes=12), "22 Nov 2026, 09:48", "12\xa0minutes ago"),
        (NOW + timedelta(days=2), "24 Nov 2026, 10:00", "in 2\xa0days"),
        (date(2026, 11, 21), "21 Nov 2026", "yesterday"),
        (date(2026, 11, 22), "22 Nov 2026", "today"),
        (date(2026, 11, 23), "23 Nov 2026", "tomorrow"),
        (date(2026, 1, 15), "15 Jan 2026", "311 days ago"),
    ],
)
def test_an_instant_is_absolute_with_the_relative_form_beside(value, absolute, beside):
    html = show("{% when value %}", value=value)
    assert f">{absolute}</time>" in html
    assert beside in html
    assert f'datetime="{value.isoformat()}"' in html


def test_a_long_identifier_may_be_broken_after_its_separators_and_a_short_one_nowhere():
    assert "<wbr>" not in show('{% code "announcements.save" %}')
    html = show('{% code "item:security:6f211819-11d2-4e09-8377" %}')
    assert ">item:<wbr>security:<wbr>6f211819-11d2-4e09-8377<" in html
    assert ">https://<wbr>example.<wbr>org/<wbr>a<" in show('{% code "https://example.org/a" %}')
    digest = "1f6f54e48f2ba2c1f8b86a5dfb0d5b1a1c7f6e0a"
    assert f">{digest[:16]}<wbr>{digest[16:32]}<wbr>{digest[32:]}<" in show("{% code digest %}", digest=digest)


def test_an_instant_speaks_the_readers_language():
    with translation.override("es"):
        assert "22 Nov 2026" in show("{% when value %}", value=NOW)
        assert "minutos" in show("{% when value %}", value=NOW - timedelta(minutes=5))


def test_what_never_happened_says_so():
    assert "never" in show("{% when None %}")
    assert "not yet" in show('{% when None "not yet" %}')


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "250 ms"),
        (4, "4 s"),
        (260, "4 min 20 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (11100, "3 h 5 min"),
        (187200, "2 d 4 h"),
        (59.7, "1 min"),
        (0, "0 ms"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, words):
    assert figures.duration(seconds).replace("\xa0", " ") == words


def test_an_interval_stands_beside_its_duration():
    html = show("{% duration 260 low=180 high=420 %}").replace("\xa0", " ")
    assert "4 min 20 s" in html
    assert "between 3 min and 7 min" in html


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (640_000, "640 kB"),
        (2_040_000_000, "2.0 GB"),
        (9e17, "900 PB"),
    ],
)
def test_a_size_has_its_unit(size_bytes, words):
    assert figures.size(size_bytes).replace("\xa0", " ") == words


def test_numbers_are_grouped_as_the_reader_groups_them():
    assert figures.number(1234567.5, "GB", 1) == "1,234,567.5\xa0GB"
    with translation.override("es"):
        assert figures.number(1234567.5, decimals=1) == "1\xa0234\xa0567,5"


def test_a_number_that_is_missing_is_not_a_zero():
    assert "unknown" in show("{% number None %}{% size None %}{% duration None %}")


def test_identifiers_run_left_to_right_in_every_language():
    with translation.override("ar"):
        assert 'dir="ltr"' in show('{% code "teak.3" %}')


def test_a_meter_says_its_amount_and_stays_within_its_frame():
    html = show('{% meter 7 5 "Live items" "items" level="bad" %}')
    assert 'aria-valuetext="7 of 5\xa0items"' in html
    assert 'width="100.0"' in html
    assert 'width="0.0"' in show('{% meter 0 0 "x" %}')


@pytest.mark.parametrize(("done", "total"), [(0, 3), (1, 3), (3, 3), (12, 40), (5, 0), (99, 3)])
def test_rings_grow_with_the_work(done, total):
    html = show("{% rings done total 'x' %}", done=done, total=total)
    drawn = html.count('class="ring ')
    assert 1 <= drawn <= 9
    assert html.count("is-done") <= drawn
    assert ("is-growing" in html) == (html.count("is-done") < drawn)


def test_a_ring_that_stopped_differs():
    html = show("{% rings 1 3 'x' failed=True %}")
    assert html.count("is-failed") == 2  # the picture and its ring
    assert "is-growing" not in html


def test_removed_and_added_words_differ_by_more_than_colour():
    html = show("{% difference 'a word' 'a term' view='unified' %}")
    assert "<del>a <mark>word</mark></del>" in html
    assert "<ins>a <mark>term</mark></ins>" in html
    assert "removed" in html
    assert "added" in html


class Wish(forms.Form):
    name = forms.CharField(help_text="As others read it.", widget=forms.TextInput({"autocomplete": "name"}))
    ways = forms.MultipleChoiceField(choices=[("a", "A")], widget=forms.CheckboxSelectMultiple, required=False)


def test_a_form_without_errors_has_labels_and_help():
    html = render_to_string("console/components/form.html", {"form": Wish(), "submit": "Send"})
    assert '<label for="id_name">Name' in html
    assert 'aria-describedby="id_name_helptext"' in html
    assert 'autocomplete="name"' in html
    assert "(optional)" in html
    assert "id_name_error" not in html


def test_a_form_with_errors_starts_with_a_summary_that_links_to_its_fields():
    html = render_to_string("console/components/form.html", {"form": Wish({})})
    assert html.index('role="alert"') < html.index("<label")
    assert '<a href="#id_name">Name</a>: This field is required.' in html
    assert 'id="id_name_error"' in html
    assert 'aria-invalid="true"' in html


def test_a_form_that_changes_something_carries_its_token(rf):
    html = render_to_string("console/components/form.html", {"form": Wish()}, rf.get("/"))
    assert "csrfmiddlewaretoken" in html
    assert "csrfmiddlewaretoken" not in render_to_string(
        "console/components/form.html", {"form": Wish(), "method": "get"}, rf.get("/")
    )


def test_a_running_job_asks_again_by_itself_and_a_finished_one_does_not():
    def job(**context):
        return render_to_string("console/components/progress.html", {"done": 1, "total": 2, **context})

    running = job(poll_url="/job/1")
    assert 'hx-get="/job/1"' in running
    assert 'hx-target="this"' in running
    assert 'hx-swap="outerHTML"' in running
    assert "hx-get" not in job(done=2)
    assert "finished" in job(done=2)
    assert "stopped" in job(failed=True)


def test_every_icon_is_silent_and_an_unknown_one_is_no_hole():
    for name in icons.NAMES:
        assert 'aria-hidden="true"' in icons.icon(name)
    assert icons.icon("nonsense") == icons.icon("unknown")


def test_a_mail_has_a_text_and_a_simple_html_form():
    context = {
        "subject": "The channel is <stale>",
        "institution": "Riverside College",
        "action": "Look",
        "action_url": "https://example.org/?a=1&b=2",
        "why": "You administer this site.",
        "unsubscribe_url": "https://example.org/u",
    }
    text = render_to_string("console/mail/base.txt", context)
    html = render_to_string("console/mail/base.html", context)
    assert "https://example.org/?a=1&b=2" in text
    assert "The channel is &lt;stale&gt;" in html
    assert "<script" not in html
    assert "http" not in html.replace("https://example.org/", "")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_patterns_page_has_every_component(client, language):
    html = client.get("/console/patterns", headers={"accept-language": language}).content.decode()
    marks = {
        "badge": 'class="badge',
        "callout": 'class="callout',
        "card": 'class="card',
        "dialog": "<dialog",
        "diff": 'class="diff is-split"',
        "diff_runs": "<mark>",
        "diff_three": 'class="three"',
        "empty_state": 'class="empty"',
        "error_card": "core.unavailable",
        "error_summary": 'role="alert"',
        "facts": 'class="facts"',
        "field": 'class="field',
        "form": "<form",
        "meter": 'role="meter"',
        "pager": 'class="pager"',
        "progress": 'class="progress"',
        "provenance": 'class="provenance"',
        "rings": 'class="rings',
        "signed_by": "releases-1",
        "sparkline": 'class="sparkline"',
        "stepper": 'class="steps"',
        "table": 'class="table is-cards"',
        "tabs": 'class="tabs"',
        "tags": 'class="tags"',
        "timeline": 'class="timeline"',
    }
    elsewhere = {"messages", "progress_head", "work"}
    assert {path.stem for path in COMPONENTS.glob("*.html")} == set(marks) | elsewhere
    assert [name for name, mark in marks.items() if mark not in html] == []


@pytest.mark.django_db
def test_no_identifier_stands_twice_and_no_style_is_inline_on_the_patterns_page(client):
    tags = Tags()
    tags.feed(client.get("/console/patterns").content.decode())
    ids = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert sorted(ids) == sorted(set(ids))
    assert not any("style" in attributes or tag == "style" for tag, attributes in tags.seen)
    assert not any(name.startswith("on") for _, attributes in tags.seen for name in attributes)


@pytest.mark.django_db
def test_every_htmx_element_says_where_its_answer_goes(client):
    sources = Path(__file__).resolve().parent.parent.joinpath("templates").rglob("*.html")
    for source in sources:
        text = source.read_text(encoding="utf-8")
        asks = text.count("hx-get=") + text.count("hx-post=")
        assert text.count("hx-target=") == text.count("hx-swap=") == asks, source
