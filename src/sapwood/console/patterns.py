"""Made-up but true-looking content for the patterns page: every component in every state."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from sapwood.console import figures
from sapwood.console.charts import (
    Bar,
    HeatRow,
    Hop,
    Part,
    Series,
    Span,
    Stack,
    Tick,
    bars,
    heat,
    line,
    release_path,
    sparkline,
    stacked,
    timeline,
)
from sapwood.console.registry import Need

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LEVELS = [
    ("good", "fresh"),
    ("caution", "stale since yesterday"),
    ("bad", "unsupported"),
    ("info", "for information"),
    ("unknown", "not known"),
]
OLD = """Open edX Teak is supported until January 2026.
Plan your upgrade now.
Backups are yours to make.
Write to the forum with questions."""
OURS = """Open edX Teak is supported until January 2026.
Plan your upgrade with the platform team.
Backups are yours to make.
Write to the help desk with questions."""
THEIRS = """Open edX Teak is unsupported since 15 January 2026.
Plan your upgrade now.
Backups are yours to make.
Write to the forum with questions.
Security fixes no longer reach it."""


IDENTIFIERS = [
    ("PDF textbooks run code", "security", "item:security:6f211819-11d2-4e09-8377-55bd8180e478"),
    ("Open hour on upgrades", "community@riverside", "https://discuss.example.org/t/open-hour/1234?page=2"),
    ("How do authors work?", "surveys", "1f6f54e48f2ba2c1f8b86a5dfb0d5b1a1c7f6e0a9d3c2b1a0f9e8d7c6b5a4938"),
]


class SampleForm(forms.Form):
    """A field of each kind."""

    name = forms.CharField(
        label="Name", help_text="As others read it.", widget=forms.TextInput({"autocomplete": "name"})
    )
    email = forms.EmailField(label="E-mail", widget=forms.EmailInput({"autocomplete": "email"}))
    audience = forms.ChoiceField(
        label="Audience",
        choices=[("administrators", "Administrators"), ("instructors", "Instructors")],
        help_text="Learners are closed on this channel.",
    )
    outlets = forms.MultipleChoiceField(
        label="Outlets",
        required=False,
        choices=[("page", "Page"), ("mail", "E-mail"), ("webhook", "Webhook")],
        widget=forms.CheckboxSelectMultiple,
    )
    urgency = forms.ChoiceField(
        label="Urgency", choices=[("digest", "In the digest"), ("now", "At once")], widget=forms.RadioSelect
    )
    text = forms.CharField(label="Your text", widget=forms.Textarea({"rows": 3}))
    seen = forms.BooleanField(label="I have read exactly this", help_text="Approval is bound to this text.")


def context() -> dict[str, Any]:
    """All samples by name."""
    return {"now": NOW, "levels": LEVELS, **_texts(), **_tables(), **_states(), **_pictures(), **_forms()}


def _forms() -> dict[str, Any]:
    good = {
        "name": "Alice",
        "email": "alice@example.org",
        "outlets": ["page"],
        "urgency": "now",
        "text": "Hello",
    }
    failed = SampleForm({"failed-email": "alice", "failed-urgency": "digest"}, prefix="failed")
    failed.add_error(None, _("The channel changed while you were writing."))
    return {"form": SampleForm(initial=good, prefix="plain"), "failed_form": failed}


def _texts() -> dict[str, Any]:
    return {
        "old": OLD,
        "ours": OURS,
        "theirs": THEIRS,
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "needs": [
            Need("critical", "Security: two fixes affect you.", "#x", "See", NOW - timedelta(days=23)),
            Need(
                "medium",
                "Survey for course authors, Spanish ready.",
                "#x",
                "Review",
                NOW - timedelta(hours=3),
            ),
            Need("low", "Your catalogue is from last week.", "#x", "Refresh", NOW - timedelta(days=7)),
        ],
        "instants": [
            NOW - timedelta(seconds=20),
            NOW - timedelta(minutes=12),
            NOW - timedelta(days=23),
            NOW + timedelta(days=8),
            date(2026, 1, 15),
        ],
    }


def _tables() -> dict[str, Any]:
    columns = [{"label": "Release"}, {"label": "Supported until"}, {"label": "Sites", "number": True}]
    cells = [
        (["verawood.1", "open", figures.number(812)], False),
        (["ulmo.3", figures.day(date(2026, 7, 30)), figures.number(1490)], False),
        (["teak.3", figures.day(date(2026, 1, 15)), figures.number(377)], True),
    ]
    rows = [
        {
            "cells": [{"value": value, "column": column} for value, column in zip(row, columns, strict=True)],
            "ours": ours,
        }
        for row, ours in cells
    ]
    return {
        "columns": columns,
        "table_rows": rows,
        "identifiers": [
            {"title": title, "channel": channel, "subject": subject, "at": NOW - timedelta(minutes=12)}
            for title, channel, subject in IDENTIFIERS
        ],
        "tabs": [
            {"label": "New", "url": "#x", "current": True, "count": 3},
            {"label": "Approved", "url": "#x", "current": False, "count": 18},
            {"label": "All", "url": "#x", "current": False, "count": None},
        ],
        "tags": ["teak", {"word": "security", "level": "bad"}, {"word": "forum", "url": "#x"}],
        "facts": [("Release", "teak.3"), ("Database", "MySQL 8.4"), ("Languages", "en, es-419")],
    }


def _states() -> dict[str, Any]:
    return {
        "events": [
            {
                "at": NOW,
                "title": "Approved by Alice",
                "level": "good",
                "text": "Two locales, page and e-mail.",
            },
            {"at": NOW - timedelta(hours=2), "title": "Revision 3 arrived", "level": "caution", "text": ""},
            {"at": NOW - timedelta(days=4), "title": "Received", "level": "", "text": "Signed by two keys."},
        ],
        "steps": [
            {"title": "Inspect", "state": "done"},
            {"title": "Rehearse", "state": "current"},
            {"title": "Apply", "state": "waiting"},
        ],
        "failed_steps": [
            {"title": "Inspect", "state": "done"},
            {"title": "Rehearse", "state": "failed"},
            {"title": "Apply", "state": "waiting"},
        ],
        "keys": ["releases-1", "releases-2"],
        "error": {
            "code": "core.unavailable",
            "message": "The channel does not answer.",
            "hint": "Look at the worker's log.",
        },
    }


def _pictures() -> dict[str, Any]:
    months = ["Jun", "Jul", "Aug", "Sep", "Oct", "Nov"]
    steps = [
        Bar("submissions.0006", 128, 101, 160, ours=True),
        Bar("courseware.0011", 64, 55, 71),
        Bar("student.0044", 17, 12, 30),
    ]
    shares = [
        Stack("Your rehearsal", [Part("SQL", 182), Part("Python", 61), Part("checks", 17)]),
        Stack("Median of 40 sites", [Part("SQL", 96), Part("Python", 40), Part("checks", 20)]),
    ]
    adoption = [
        Series("teak", [61, 48, 40, 31, 24, 19], ours=True),
        Series("ulmo", [39, 47, 48, 46, 43, 40]),
        Series("verawood", [None, None, 12, 23, 33, 41]),
    ]
    received = [HeatRow("Publications received", [0, 2, 1, None, 4, 8])]
    percent = _percent
    return {
        "chart_bars": bars("Slowest steps, with the range of three rehearsals", steps, show=figures.duration),
        "chart_stacked": stacked("Where the time goes", shares, show=figures.duration),
        "chart_line": line("Share of reporting sites by line", months, adoption, show=percent),
        "chart_heat": heat("The channel by month", months, received),
        "chart_timeline": timeline("Release lines and their support", _lines(), NOW.date()),
        "chart_path": release_path("The way to verawood", _way()),
        "chart_spark": sparkline([1, 1, 2, 1, 1, 3, 1], "Publications in each of the last 7 days: 1 today, 3 at most"),
        "chart_empty": bars("Steps of a rehearsal that has not run", []),
    }


def _percent(value: float) -> str:
    return figures.number(value, "%")


def _lines() -> list[Span]:
    return [
        Span(
            "teak",
            date(2025, 6, 25),
            date(2026, 1, 15),
            [
                Tick(date(2025, 6, 25), "teak.1"),
                Tick(date(2025, 8, 12), "teak.2"),
                Tick(date(2025, 10, 15), "teak.3"),
            ],
            cut=date(2025, 4, 25),
            ours=True,
        ),
        Span(
            "ulmo",
            date(2026, 1, 15),
            date(2026, 7, 30),
            [
                Tick(date(2026, 1, 15), "ulmo.1"),
                Tick(date(2026, 3, 2), "ulmo.2"),
                Tick(date(2026, 5, 20), "ulmo.3"),
            ],
            cut=date(2025, 10, 24),
        ),
        Span(
            "verawood",
            date(2026, 7, 30),
            None,
            [Tick(date(2026, 7, 30), "verawood.1")],
            cut=date(2026, 4, 24),
        ),
        Span("willow", date(2026, 12, 9), date(2027, 6, 9), cut=date(2026, 10, 23), planned=True),
    ]


def _way() -> list[Hop]:
    return [
        Hop("teak", here=True, note="you are here"),
        Hop("ulmo", steps=8, risks=3),
        Hop("verawood", steps=6, risks=2, note="newest"),
    ]
