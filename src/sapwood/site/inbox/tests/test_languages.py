"""What a page refuses, it refuses in the reader's language; what is kept is kept in English, and marked as such."""

import html
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import translation
from tests import messages
from tests.test_translations import english, latin, texts

from sapwood.accounts.api import Role, revoke_role
from sapwood.accounts.tests.test_pages import come_in
from sapwood.config.cli import main
from sapwood.core.data import Actor
from sapwood.formats.logic import Answer
from sapwood.formats.phrase import Phrase
from sapwood.site.inbox import api, tokens
from sapwood.site.inbox.data import Audience, Choices, OutletKind, RuleEffect
from sapwood.site.inbox.models import Approval, ChannelPolicy, Delivery, Dispatch, FeedSubscription, Item, OutletConfig
from sapwood.site.inbox.sources import Facts
from sapwood.site.inbox.tests.given import NOW, SiteSays, announcement, revised

pytestmark = pytest.mark.django_db
LANGUAGES = ("es-419", "ar")
LEARNERS = Choices(audience=Audience.LEARNERS, outlets=(OutletKind.PAGE,))


@pytest.fixture
def press():
    """A button of the inbox's pages, pressed by somebody whose browser asks for a language: status and page."""

    def go(user, name, /, *args, language, **post):
        client, address = come_in(user), reverse(f"inbox:{name}", args=args)
        ask = client.post if post else client.get
        answer = ask(address, post, headers={"accept-language": language}, follow=True)
        return answer.status_code, answer.text

    return go


@pytest.fixture
def half_approved(arrive, alice, by):
    """An item for learners that alice approved and that waits for somebody else."""
    item = arrive(announcement())
    ChannelPolicy.objects.filter(channel=item.channel).update(stage=Audience.LEARNERS)
    api.approve(item.pk, LEARNERS, seen=api.review(item.pk).seen, actor=by(alice), now=NOW)
    return Item.objects.get(pk=item.pk)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["Usted ya aprobó esto", "La segunda aprobación tiene que venir de otra persona."]),
        ("ar", ["سبق أن وافقت على هذا", "يجب أن تأتي الموافقة الثانية من شخص آخر."]),
    ],
)
def test_the_same_person_cannot_be_the_second_one(language, said, half_approved, alice, press):
    digest = half_approved.approval.digest
    status, page = press(alice, "second", half_approved.pk, language=language, digest=digest)
    assert status == 409
    assert [words for words in said if words not in page] == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["El canal community no está abierto a estudiantes", "Ábralo primero en Confianza."]),
        ("ar", ["القناة community غير مفتوحة لفئة: المتعلّمون", "افتحها أولًا من صفحة «الثقة»."]),
    ],
)
def test_a_closed_channel_is_named_with_the_audience(language, said, arrive, alice):
    item = arrive(announcement())
    answer = come_in(alice).post(
        f"/api/v1/inbox/{item.pk}/approve",
        json.dumps({"seen": api.review(item.pk).seen, "audience": "learners"}),
        content_type="application/json",
        headers={"accept-language": language},
    )
    assert answer.status_code == 409
    assert [words for words in said if words not in " ".join(answer.json().values())] == []
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["La primera línea no tiene una columna llamada email", "Columnas: email, audience"]),
        ("ar", ["لا عمود باسم email في السطر الأول", "الأعمدة: email"]),
    ],
)
def test_a_file_without_addresses(language, said, alice, press):
    file = SimpleUploadedFile("people.csv", b"name,audience\r\nCarol,learners\r\n")
    status, page = press(alice, "people_import", language=language, file=file, audience="learners")
    assert status == 400
    assert [words for words in said if words not in page] == []


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["Esto no es una dirección de correo", "No existe ese umbral", "La dirección está dos veces"]),
        ("ar", ["هذا ليس عنوان بريد إلكتروني", "لا توجد عتبة كهذه", "العنوان مذكور في الملف مرتين"]),
    ],
)
def test_each_line_of_a_file_that_is_refused(language, said, alice, press):
    lines = ["email,threshold", "carol,high", "dave@riverside.example,often", *["erin@riverside.example,"] * 2]
    file = SimpleUploadedFile("people.csv", "\r\n".join(lines).encode())
    status, page = press(alice, "people_import", language=language, file=file, audience="learners")
    assert status == 200
    assert [words for words in said if words not in page] == []


@pytest.mark.parametrize("days", ["-1", "0", "nonsense"])
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", "Un elemento se puede posponer desde ahora hasta un año"),
        ("ar", "يمكن تأجيل العنصر من الآن حتى سنة"),
    ],
)
def test_a_snooze_into_the_past(language, said, days, arrive, alice, press):
    item = arrive(announcement())
    status, page = press(alice, "snooze", item.pk, language=language, days=days)
    assert (status, said in page) == (400, True)
    item.refresh_from_db()
    assert item.snoozed_until is None


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["El receptor necesita una dirección https", "http solo es posible dentro de su propia red."]),
        ("ar", ["يحتاج المستقبِل إلى عنوان https", "لا يمكن http إلا داخل شبكتك الخاصة."]),
    ],
)
def test_an_outlet_without_encryption(language, said, alice, press):
    given = {"name": "Portal", "url": "http://portal.riverside.example/hook", "audience": "learners"}
    status, page = press(alice, "add_webhook", language=language, **given)
    assert status == 400
    assert [words for words in said if words not in page] == []
    assert not OutletConfig.objects.exists()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", "El enlace lleva “email”, que puede nombrar a una persona o a un sitio."),
        ("ar", "يحمل الرابط «email»، وقد يدل ذلك على شخص أو موقع."),
    ],
)
def test_a_link_that_names_people(language, said, arrive, alice, press):
    item = arrive(announcement(kind="feedback_request", feedback={"question": "How was it?"}))
    template = "https://forms.riverside.example/?email=x"
    _status, page = press(alice, "hand_over", item.pk, language=language, template=template)
    assert said in page


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("es-419", "Alguien que aprobó esto ya no puede aprobar"),
        ("ar", "أحد من وافقوا على هذا لم يعد يحق له أن يوافق"),
    ],
)
def test_a_hold_is_kept_in_english_and_shown_to_each_reader(language, shown, half_approved, alice, erin, press):
    revoke_role(alice, role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=NOW)
    press(erin, "second", half_approved.pk, language=language, digest=half_approved.approval.digest)
    assert Dispatch.objects.get().held == "Somebody who approved this may no longer approve"
    for name, args in (("deliveries", []), ("review", [half_approved.pk])):
        _status, page = press(erin, name, *args, language=language)
        assert shown in page
    home = come_in(erin).get("/", headers={"accept-language": language}).text
    assert shown in home


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_no_catalogue_knows_is_marked_as_english(language, arrive, alice, by, press):
    item = arrive(announcement())
    api.approve(item.pk, Choices(), actor=by(alice), now=NOW)
    Delivery.objects.update(reason="The receiver answered 500")
    FeedSubscription.objects.create(name="blog", url="https://x.example/feed", error="blog <b>is</b> gone", next_at=NOW)
    marked = '<span lang="en" dir="ltr">{}</span>'
    assert marked.format("The receiver answered 500") in press(alice, "deliveries", language=language)[1]
    assert marked.format("blog &lt;b&gt;is&lt;/b&gt; gone") in press(alice, "trust", language=language)[1]
    assert '<span lang="en"' not in press(alice, "deliveries", language="en")[1]


def test_a_reason_with_values_is_said_in_the_language_and_given_out_in_english(arrive, alice, press):
    why = Phrase("There is no revision %(n)s", n=7)
    document = announcement(condition={"fact": "line", "op": "is", "value": "teak"})
    item = arrive(document, facts=SiteSays(Answer.UNKNOWN, (why, "an older row")))
    page = press(alice, "review", item.pk, language="es-419")[1]
    assert "No existe la revisión 7" in page
    assert '<span lang="en" dir="ltr">an older row</span>' in page
    answer = come_in(alice).get(f"/api/v1/inbox/{item.pk}", headers={"accept-language": "es-419"})
    assert answer.json()["verdict_reasons"] == ["There is no revision 7", "an older row"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("es-419", ["este sitio no indica 'database.version'", "el operador 'resembles' no se entiende aquí"]),
        ("ar", ["لا يذكر هذا الموقع \u2068'database.version'\u2069", "المعامل \u2068'resembles'\u2069 غير مفهوم هنا"]),
    ],
)
def test_why_this_site_cannot_tell_whether_a_condition_holds(language, said, arrive, alice, press):
    asked = [
        {"fact": "database.version", "op": "<", "value": "8.4"},
        {"fact": "release", "op": "resembles", "value": "ulmo.1"},
    ]
    item = arrive(announcement(condition={"all": asked}), facts=Facts())
    page = press(alice, "review", item.pk, language=language)[1]
    assert [words for words in said if words not in html.unescape(page)] == []


@pytest.mark.parametrize(("language", "word"), [("es-419", "Encuesta"), ("ar", "استبيان")])
def test_a_link_without_a_title_is_called_by_its_kind(language, word, arrive, alice, press):
    item = arrive(announcement(links=[{"kind": "survey", "url": "https://forms.riverside.example/1"}]))
    assert f">{word}</a>" in press(alice, "review", item.pk, language=language)[1]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "words"])
def test_a_command_speaks_english_whatever_the_site_speaks(language, as_json, known_channels, capsys, settings):
    settings.LANGUAGE_CODE = language
    with translation.override(language), pytest.raises(SystemExit) as done:
        main(["inbox", "snooze", "999", "--days", "1", *(["--json"] if as_json else [])])
    assert done.value.code == 1
    said = capsys.readouterr()
    assert "There is no item 999. See 'sapwood inbox list'." in said.err
    if as_json:
        wanted = {"code": "core.not_found", "message": "There is no item 999", "hint": "See 'sapwood inbox list'."}
        assert json.loads(said.out) == {"error": wanted}


def test_the_line_that_a_file_is_refused_for_is_english_at_the_command(tmp_path, alice, capsys, settings):
    settings.LANGUAGE_CODE = "ar"
    file = tmp_path / "people.csv"
    file.write_text("email\ncarol\n", encoding="utf-8")
    with translation.override("ar"), pytest.raises(SystemExit):
        main(["people", "import", str(file), "--audience", "learners", "--json"])
    assert json.loads(capsys.readouterr().out)["refused"] == [{"line": 2, "why": "This is not a mail address"}]


BUTTONS = ("approve", "second", "keep", "withdraw", "snooze", "start", "answer", "hand_over", "reject", "archive")
FORMS = ("people_add", "people_import", "people_erase", "people_invite", "add_webhook", "add_rule", "subscribe_feed")
CHANGES = ("set_brand", "open_channel", "revoke_channel", "two_people", "set_public")


@pytest.mark.slow
def test_every_page_and_every_button_of_an_arabic_inbox_speaks_arabic(arrive, alice, by):
    """Items in Arabic, so that whatever is English on a page is ours; each button is pressed with nothing filled in."""
    told = {"texts": {"ar": {"title": "عنوان", "summary": "ملخص", "body": "نص"}}}
    links = [{"kind": kind, "url": f"https://riverside.example/{kind}"} for kind in ("survey", "documentation")]
    event = {"starts_at": "2026-12-01T10:00:00Z", "ends_at": "2026-12-02T10:00:00Z", "place": "قاعة"}
    first = announcement(**told)
    arrive(first)
    api.approve(Item.objects.get().pk, Choices(), actor=by(alice), now=NOW)
    arrive(revised(first))
    arrive(announcement(**told, kind="event", event=event, links=links))
    arrive(announcement(**told, kind="feedback_request", feedback={"question": "؟"}))
    arrive(announcement(**told, channel="security", severity="critical"))
    person = api.add_person("x@riverside.example", Audience.LEARNERS, actor=by(alice), now=NOW)
    api.add_rule(RuleEffect.FILE, actor=by(alice), now=NOW, kind="news")
    items = [(name, [item.pk]) for item in Item.objects.all() for name in ("review", "preview", *BUTTONS)]
    tokened = [("unsubscribe", [tokens.unsubscribe(person)]), ("subscription", [tokens.manage(person)])]
    tokened += [("confirm", ["wrong"]), ("announcement", [999]), ("review", [999])]
    lists = [(name, []) for name in ("list", "deliveries", "trust", "people", "announcements", "subscribe")]
    client, wrong, read = come_in(alice), [], 0
    arabic = messages.load(messages.LOCALE / "ar" / "LC_MESSAGES" / "django.po")
    loan_words = {word for entry in arabic for _form, _original, text in texts(entry) for word in latin(text)}
    for name, args in [*lists, *tokened, *items, *((name, []) for name in (*FORMS, *CHANGES))]:
        address = reverse(f"inbox:{name}", args=args)
        ask = client.post if name in {*BUTTONS, *FORMS, *CHANGES} else client.get
        answer = ask(address, headers={"accept-language": "ar"}, follow=True)
        html, left = english(answer.text, loan_words)
        read += 1
        if html.get("lang") != "ar" or set(left) - {"Alice"} or answer.status_code >= 500:
            wrong.append((address, answer.status_code, left))
    assert wrong == []
    assert read > 60
