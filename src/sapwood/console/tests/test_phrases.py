"""What code without Django says, in the reader's language."""

import datetime as dt

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation

from sapwood.console.middleware import ErrorMiddleware
from sapwood.console.phrases import say, say_error
from sapwood.core.errors import ConflictError
from sapwood.formats.phrase import Figure, Phrase, recorded

WHY = Phrase("%(release)s is older than %(tag)s, which carries the fix", release="teak.1", tag="teak.3")
SPANISH = "teak.1 es anterior a teak.3, que incluye la corrección"
ON = Phrase("%(line)s was not released by %(day)s", line="ulmo", day=dt.date(2026, 1, 15))
SIZE = Phrase("It has %(size)s bytes; at most %(most)s are taken", size=Figure(1_234_567), most=Figure(5))


def shown(text, filter_name="say"):
    return Template("{% load sapwood %}{{ text|" + filter_name + " }}").render(Context({"text": text}))


@pytest.mark.parametrize(
    ("language", "why", "on"),
    [
        ("en", "teak.1 is older than teak.3, which carries the fix", "ulmo was not released by 15 Jan 2026"),
        (
            "es-419",
            "teak.1 es anterior a teak.3, que incluye la corrección",
            "ulmo no se había publicado al 15 ene 2026",
        ),
    ],
)
def test_a_sentence_its_names_and_its_day_are_in_the_reader_s_language(language, why, on):
    with translation.override(language):
        assert (say(WHY), say(ON)) == (why, on)


def test_in_arabic_names_keep_their_own_direction():
    with translation.override("ar"):
        assert say(WHY) == "\u2068teak.1\u2069 أقدم من \u2068teak.3\u2069 الذي يتضمن الإصلاح"
        assert say(Phrase.listed(["teak", "ulmo"])) == "\u2068teak\u2069؛ \u2068ulmo\u2069"


def test_a_sentence_in_a_sentence_and_figures_are_translated_too():
    outer = Phrase("check by hand: %(words)s (%(why)s)", words="MariaDB", why=Phrase.joined("; ", [SIZE, WHY]))
    with translation.override("es-419"):
        assert say(outer) == f"por revisar a mano: MariaDB ({say(SIZE)}; {say(WHY)})"
        assert say(SIZE) == "Tiene 1\xa0234\xa0567 bytes; se aceptan 5 como máximo"


@pytest.mark.parametrize("text", ["", "words from outside", Phrase(""), Phrase("no translation %(x)s", x=1)])
def test_what_nobody_translated_is_shown_as_it_is(text):
    with translation.override("es-419"):
        assert say(text) == text


def test_a_translation_that_does_not_fit_the_values_gives_way_to_english():
    wrong = Phrase("%(line)s is not affected", line="teak")
    wrong.values = {"name": "teak"}
    with translation.override("es-419"):
        assert say(wrong) == "teak is not affected"


def test_a_page_escapes_values_from_outside():
    with translation.override("es-419"):
        assert shown(Phrase("%(line)s is not affected", line="<b>")) == "&lt;b&gt; no está afectada"


@pytest.mark.parametrize("filter_name", ["say", "noted"])
def test_what_was_recorded_as_a_phrase_is_said_from_the_database(filter_name):
    kept = recorded(WHY) if filter_name == "noted" else WHY
    with translation.override("es-419"):
        assert shown(kept, filter_name) == SPANISH


def test_an_older_row_is_marked_as_the_english_that_it_is():
    with translation.override("ar"):
        assert shown("It broke <b>", "noted") == '<span lang="en" dir="ltr">It broke &lt;b&gt;</span>'
    with translation.override("en"):
        assert shown("It broke", "noted") == "It broke"


def test_an_error_is_one_line_however_its_message_ends():
    whole, part = Phrase("Validate the catalogue."), Phrase("There is nothing to pull from")
    assert say_error(ConflictError(part, hint=whole)) == "There is nothing to pull from. Validate the catalogue."
    assert say_error(ConflictError(whole, hint=whole)) == "Validate the catalogue. Validate the catalogue."
    assert say_error(ConflictError(part)) == "There is nothing to pull from"


@pytest.mark.parametrize(
    ("accept", "words"),
    [("text/html", "No hay nada que publicar."), ("application/json", "There is nothing to publish.")],
)
def test_an_error_s_page_speaks_the_reader_s_language_and_its_json_english(db, accept, words):
    error = ConflictError(Phrase("%(name)s stands twice", name="teak"), hint=Phrase("There is nothing to publish."))
    request = RequestFactory().get("/", headers={"accept": accept})
    request.session = {}
    with translation.override("es-419"):
        response = ErrorMiddleware(lambda _request: None).process_exception(request, error)
    assert words in response.content.decode()
