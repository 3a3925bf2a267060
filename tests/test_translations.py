"""The translations: in step with the sources, complete, with their placeholders whole, and shown."""

import functools
import re
from html.parser import HTMLParser

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_supported_language_variant, ngettext

from sapwood.accounts.api import create_person
from sapwood.accounts.data import ROLES_OF
from sapwood.console import figures
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from tests import messages, sentences
from tests.test_permissions import addresses, come_in, get_signed_out

SIDE = settings.ROLE.get()
CATALOGUES = messages.catalogues()
LANGUAGES = {"es_419": "es-419", "ar": "ar"}
# Forms of the plural that stand for exactly one number: only they may say it in a word instead of a figure.
ONE_NUMBER = {"es_419": {0}, "ar": {0, 1, 2}}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\{?\w+\}?\}")
TAG = re.compile(r"</?\w[^<>]*>")
# The same word in the language: units, loan words, cognates.
SAME = {
    "es_419": {"%(one)s, %(other)s", "%(one)s; %(other)s"}
    | {"commit", "d", "error", "Feed", "h", "min", "ms", "no", "Original", "Roles", "s", "webhook", "Webhooks"}
    | {"B", "kB", "MB", "GB", "TB", "PB"},
    "ar": set(),
}
# Names that stay in their own letters between Arabic words: products, formats, people of the samples.
NAMES = frozenset(
    {"Sapwood", "Tutor", "Open", "Atom", "RSS", "JSON", "Feed", "Markdown", "WordPress", "JavaScript", "Webhook", "API"}
    | {"URL", "CSV", "UTC", "English", "Español", "Riverside", "College", "MySQL", "Kubernetes"}
    | {"Latinoamérica", "olive", "palm", "quince", "redwood", "sumac", "teak", "ulmo", "verawood", "willow", "xylon"}
)
# Pages that show samples or data written in English: only their direction is looked at.
OF_ENGLISH_DATA = {"/console/patterns", "/catalogue/"}


def stem(path):
    return path.parent.parent.name


# Ten thousand lines each, and no test changes them.
load = functools.cache(messages.load)


@pytest.fixture(params=CATALOGUES, ids=stem)
def catalogue(request):
    return request.param


@pytest.fixture(scope="module")
def sources():
    if messages.missing_programs():
        pytest.skip("msgfmt/xgettext missing")
    return {messages.key(entry) for entry in messages.extract()}


def texts(entry):
    """Each text of the translation with its original; in a plural, only one number may go unsaid."""
    if not entry.msgid_plural:
        return [(None, entry.msgid, entry.msgstr)]
    return [(form, entry.msgid_plural, text) for form, text in entry.msgstr_plural.items()]


def test_there_is_one_catalogue_for_each_language_that_can_be_chosen(settings):
    assert {stem(path) for path in CATALOGUES} == {translation.to_locale(c) for c, _name in settings.LANGUAGES[1:]}


def test_every_string_of_the_sources_is_in_the_catalogue_and_none_that_is_gone(catalogue, sources):
    kept = {messages.key(entry) for entry in load(catalogue)}
    next_step = "run `.venv/bin/python -m tests.messages` and translate what is new"
    assert sorted(sources - kept) == [], next_step
    assert sorted(kept - sources) == [], next_step


def test_every_entry_is_translated_by_somebody(catalogue):
    entries = load(catalogue)
    assert [entry.msgid for entry in entries if not entry.translated() or entry.fuzzy or entry.obsolete] == []


def test_every_form_of_a_plural_is_there(catalogue):
    forms = {"es_419": 2, "ar": 6}[stem(catalogue)]
    entries = [entry for entry in load(catalogue) if entry.msgid_plural]
    assert [e.msgid for e in entries if sorted(e.msgstr_plural) != list(range(forms))] == []


def test_placeholders_and_tags_are_the_same_in_the_translation(catalogue):
    wrong = []
    for entry in load(catalogue):
        for form, original, text in texts(entry):
            if sorted(TAG.findall(original)) != sorted(TAG.findall(text)):
                wrong.append((entry.msgid, text))
            wanted, given = (sorted(PLACEHOLDER.findall(one)) for one in (original, text))
            spoken = form in ONE_NUMBER[stem(catalogue)]
            if not (set(given) <= set(wanted) if spoken else given == wanted):
                wrong.append((entry.msgid, text))
    assert wrong == []


def test_edges_of_a_text_are_kept(catalogue):
    """A mail's lines and a sentence's end: white space around, and the final mark of a sentence."""
    wrong = []
    for entry in load(catalogue):
        for _form, original, text in texts(entry):
            same_space = (original[:1].isspace(), original[-1:].isspace()) == (text[:1].isspace(), text[-1:].isspace())
            ends = original.endswith((".", "?")) == text.endswith((".", "?", "؟"))
            if not same_space or not ends or original.count("\n") != text.count("\n"):
                wrong.append((original, text))
    assert wrong == []


def test_nothing_is_left_in_english(catalogue):
    same = SAME[stem(catalogue)]
    left = [entry.msgid for entry in load(catalogue) if entry.msgstr == entry.msgid]
    assert sorted(set(left) - same) == []
    assert sorted(same - set(left)) == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", sentences.FOLDERS)
def test_no_sentence_of_these_folders_is_bare(folder):
    """What to do about one: see the head of tests/sentences.py."""
    assert sentences.bare_sentences(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", sentences.ERRORS_IN)
def test_no_error_that_a_page_may_show_speaks_english_only(folder):
    """What to do about one: see the head of tests/sentences.py."""
    assert sentences.bare_errors(folder) == []


@pytest.mark.slow
def test_no_exception_outlives_its_sentence():
    assert sentences.unused() == []
    assert sentences.unknown_errors() == []


@pytest.mark.parametrize(
    ("asked", "given"),
    [("es-419", "es-419"), ("es-mx", "es-419"), ("es-es", "es-419"), ("es", "es-419"), ("ar-eg", "ar"), ("ar", "ar")],
)
def test_every_kind_of_spanish_and_arabic_finds_its_catalogue(asked, given):
    assert get_supported_language_variant(asked) == given


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("es-419", {0: "0 pasos", 1: "1 paso", 2: "2 pasos", 1000000: "1000000 pasos"}),
        (
            "ar",
            {
                0: "لا خطوات",
                1: "خطوة واحدة",
                2: "خطوتان",
                3: "3 خطوات",
                11: "11 خطوة",
                100: "100 خطوة",
                103: "103 خطوات",
            },
        ),
    ],
)
def test_numbers_take_the_right_plural(language, shown):
    with translation.override(language):
        assert {n: ngettext("%(n)s step", "%(n)s steps", n) % {"n": n} for n in shown} == shown


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "15 Jan 2026"), ("es-419", "15 ene 2026"), ("ar", "15 يناير 2026")]
)
def test_dates_are_written_as_the_language_writes_them(language, shown):
    import datetime as dt

    with translation.override(language):
        assert figures.day(dt.date(2026, 1, 15)) == shown


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ["1 minute ago", "2 minutes ago", "in 1 week"]),
        ("es-419", ["hace 1 minuto", "hace 2 minutos", "en 1 semana"]),
        ("ar", ["قبل دقيقة", "قبل دقيقتين", "بعد أسبوع"]),
    ],
)
def test_how_long_ago_is_inflected_as_the_language_does(language, shown):
    import datetime as dt

    now = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    spans = [dt.timedelta(minutes=-1), dt.timedelta(minutes=-2), dt.timedelta(days=12)]
    with translation.override(language):
        assert [figures.relative(now + span, now).replace(figures.NBSP, " ") for span in spans] == shown


def test_sizes_are_in_the_letters_of_the_language():
    with translation.override("ar"):
        assert figures.size(161_000) == f"161{figures.NBSP}كيلوبايت"


class Words(HTMLParser):
    """What a reader reads or hears, except what is marked as code or as another language."""

    SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-label")
    FOREIGN = ("code", "kbd", "samp", "pre", "script", "style", "bdi", "textarea")
    VOID = ("br", "hr", "img", "input", "link", "meta", "source", "wbr", "path", "circle", "rect", "line", "use")

    def __init__(self):
        super().__init__()
        self.open, self.found, self.html = [], [], {}

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "html":
            self.html = given
        other = given.get("lang", self.html.get("lang")) != self.html.get("lang")
        hidden = tag in self.FOREIGN or other or (given.get("dir") == "ltr" and tag != "html")
        if not self._hidden() and not hidden:
            self.found += [given[name] for name in self.SPOKEN if given.get(name)]
        if tag not in self.VOID:
            self.open.append((tag, hidden))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        while self.open and any(one == tag for one, _hidden in self.open):
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data):
        if data.strip() and not self._hidden():
            self.found.append(" ".join(data.split()))

    def _hidden(self):
        return any(hidden for _tag, hidden in self.open)


def latin(text):
    return set(re.findall(r"[A-Za-zÀ-ÿ]{3,}", text))


def english(html, loan_words):
    """The texts of a page that nobody translated: Latin letters only, or words that no translation holds."""
    page = Words()
    page.feed(html)
    left = []
    for text in page.found:
        allowed = NAMES | loan_words if re.search("[\u0600-\u06ff]", text) else NAMES
        if latin(re.sub(r"\S*[@/._:=-]\S*|“[^”]*”|«[^»]*»", " ", text)) - allowed:
            left.append(text)
    return page.html, left


@pytest.fixture
def everybody(db):
    now = system_clock().now()
    return create_person("all@riverside.example", actor=Actor.command(), now=now, roles=ROLES_OF[SIDE])


PAGES = [one for one in addresses() if not one.is_api and not one.has_sample and not one.name.startswith("schema")]


@pytest.mark.slow
def test_pages_in_arabic_run_from_right_to_left_and_hold_no_english(everybody):
    client, wrong, read = come_in(everybody), [], 0
    arabic = load(messages.LOCALE / "ar" / "LC_MESSAGES" / "django.po")
    loan_words = {word for entry in arabic for _form, _original, text in texts(entry) for word in latin(text)}
    for address in PAGES:
        response = client.get(address.path, headers={"accept-language": "ar"})
        if get_signed_out(client):
            client = come_in(everybody)
        if response.status_code != 200 or not response["Content-Type"].startswith("text/html"):
            continue
        html, left = english(response.text, loan_words)
        read += 1
        if address.path in OF_ENGLISH_DATA:
            left = []
        if (html.get("lang"), html.get("dir")) != ("ar", "rtl") or left:
            wrong.append(f"{address.path}: {html.get('lang')} {html.get('dir')} {left}")
    assert wrong == []
    assert read > 15


# Pages whose words are partly allauth's and Django's own: what is typed into their form, or None to look at them.
STRANGERS_TYPE = {
    "account_login": {"login": "nobody@riverside.example", "password": "wrong"},
    "account_reset_password": {"email": "nonsense"},
}
OWNERS_TYPE = {
    "account_change_password": {"oldpassword": "wrong", "password1": "short", "password2": "other"},
    "account_email": {"email": "nonsense", "action_add": ""},
    "account_reauthenticate": {"password": "wrong"},
    "mfa_add_webauthn": {"name": "", "credential": "nonsense"},
    "mfa_reauthenticate": {"code": "000000"},
    "account_reset_password_done": None,
    "mfa_deactivate_totp": None,
    "mfa_generate_recovery_codes": None,
    "mfa_index": None,
    "mfa_list_webauthn": None,
    "mfa_view_recovery_codes": None,
}


@pytest.fixture
def with_factors(everybody):
    """Signed in, with a password, an authenticator app and recovery codes."""
    everybody.set_password("a long enough sentence")
    everybody.save()
    client = come_in(everybody)
    for kind, data in [
        (Authenticator.Type.TOTP, {"secret": "GEZDGNBVGY3TQOJQ"}),
        (Authenticator.Type.RECOVERY_CODES, {"seed": "GEZDGNBVGY3TQOJQ", "used_mask": 0}),
    ]:
        Authenticator.objects.create(user=everybody, type=kind, data=data)
    return client


@pytest.mark.parametrize("language", LANGUAGES.values())
@pytest.mark.parametrize("name", [*STRANGERS_TYPE, *OWNERS_TYPE])
def test_pages_of_passwords_and_second_factors_say_nothing_in_english(with_factors, language, name):
    client = Client() if name in STRANGERS_TYPE else with_factors
    typed = {**STRANGERS_TYPE, **OWNERS_TYPE}[name]
    read = {}
    for asked in ("en", language):
        ask = client.get if typed is None else client.post
        response = ask(reverse(name), typed, headers={"accept-language": asked})
        assert response.status_code == 200
        page = Words()
        page.feed(response.text)
        assert page.html["lang"].lower() == asked
        assert typed is None or "error" in response.text
        read[asked] = {text for text in page.found if re.search("[a-z]{3}", re.sub(r"\S*@\S*", "", text))}
    assert read["en"]
    assert read["en"] & read[language] <= {"Sapwood", settings.SITE_NAME.get()}
