"""What an author is told is in the author's language; what a program is told stays English."""

import json

import polib
import pytest
from click.testing import CliRunner
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from sapwood.commons.announcements import cli
from sapwood.commons.announcements.actions.consenting import ask_consent
from sapwood.commons.announcements.models import CaseStudyConsent, ImportedEntry, Source
from sapwood.commons.announcements.tasks import mail_consent
from sapwood.commons.announcements.tests.conftest import PLAIN
from sapwood.commons.announcements.tests.test_authoring import filled, press, sign_in, write
from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.models import Job
from sapwood.formats.phrase import Phrase, recorded

pytestmark = pytest.mark.django_db
SPANISH = {"accept-language": "es-419"}
ARABIC = {"accept-language": "ar"}
CONDITION = "all:\n- fact: release\n  op: <\n  value: teak.1\n- fact: plugins.indigo\n  op: present"


@pytest.fixture
def bob(client, now):
    return sign_in(client, "bob", now, "release_manager")


def text_of(response):
    return response.content.decode().replace("\u2068", "").replace("\u2069", "")


@pytest.mark.parametrize(
    ("headers", "what", "hint"),
    [
        (SPANISH, "Este no es un archivo de gettext.", "Dé el archivo .po que se exportó."),
        (ARABIC, "هذا ليس ملف gettext.", "أعطِ ملف .po الذي صُدّر."),
    ],
)
def test_a_translation_file_that_is_none_is_refused(client, bob, headers, what, hint):
    revision = write(client)
    upload = {"po": SimpleUploadedFile("x.po", b"/etc/passwd"), "seen_sha256": revision.sha256}
    address = reverse("announcements:translate", args=[revision.announcement.uuid])
    assert f"{what} {hint}" in text_of(client.post(address, upload, headers=headers))


def test_a_translation_that_smuggles_in_a_link_is_told_which(client, bob):
    revision = write(client)
    address = reverse("announcements:translate", args=[revision.announcement.uuid])
    po = client.get(address, {"locale": "es-419", "download": "po"}).content.decode()
    bad = polib.pofile(po)
    bad[0].msgstr = "https://evil.example/"
    upload = {"po": SimpleUploadedFile("x.po", str(bad).encode()), "seen_sha256": revision.sha256}
    page = text_of(client.post(address, upload, headers=SPANISH))
    assert "La traducción de title enlaza a &#x27;https://evil.example/&#x27;, y el original no." in page


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "the release is before &#x27;teak.1&#x27;, and plugin &#x27;indigo&#x27; is installed"),
        (
            SPANISH,
            "la versión es anterior a &#x27;teak.1&#x27;, y el complemento &#x27;indigo&#x27; está instalado",
        ),
        (ARABIC, "الإصدار أقدم من &#x27;teak.1&#x27;، والإضافة &#x27;indigo&#x27; مثبّتة"),
    ],
)
def test_which_sites_it_concerns_is_a_sentence(client, bob, headers, words):
    revision = write(client, condition=CONDITION)
    for name in ("detail", "preview"):
        page = text_of(client.get(reverse(f"announcements:{name}", args=[revision.announcement.uuid]), headers=headers))
        assert words in page


def test_why_it_cannot_be_told_whether_a_site_is_concerned(client, bob):
    revision = write(client, condition="fact: colour\nop: ==\nvalue: green")
    page = text_of(client.get(reverse("announcements:detail", args=[revision.announcement.uuid]), headers=SPANISH))
    assert "este sitio no indica &#x27;colour&#x27;" in page


def test_what_is_wrong_with_a_draft_stands_beside_its_field_and_on_its_page(client, bob):
    page = text_of(client.post(reverse("announcements:new"), filled(expires_at="soon"), headers=SPANISH))
    assert "&#x27;soon&#x27; no es un instante. Escriba 2026-12-09" in page
    revision = write(client, body="![x](https://pictures.example/x.png)")
    page = text_of(client.get(reverse("announcements:detail", args=[revision.announcement.uuid]), headers=SPANISH))
    assert "Las imágenes no se muestran. En su lugar, enlace la imagen" in page


def test_pressing_a_button_too_early_is_answered_in_the_reader_s_language(client, bob):
    revision = write(client)
    address = reverse("announcements:act", args=[revision.announcement.uuid, "approve"])
    page = text_of(client.post(address, {"sha256": revision.sha256}, follow=True, headers=SPANISH))
    assert "El borrador no se ha enviado a aprobación. Envíelo primero a aprobación." in page


def test_what_a_source_left_to_look_at(client, bob, now):
    told = "%(n)s pages of posts were read; the rest follows at the next reading."
    source = Source.objects.create(
        name="blog",
        url="https://blog.example/feed",
        last_error={"code": "x", "message": "No answer.", "hint": ""},
        report=recorded({"problems": [Phrase(told, n=40)]}),
    )
    moved = Phrase("It moved: it was known as %(guid)s.", guid="post-1")
    ImportedEntry.objects.create(
        source=source, guid="g", guid_sha256="1", title="T", fingerprint="f", seen_at=now,
        problems=["Words of an older row", recorded(moved)],
    )  # fmt: skip
    page = text_of(client.get(reverse("announcements:sources"), headers=SPANISH))
    assert "Se leyeron 40 páginas de entradas" in page
    assert "Se movió: se conocía como post-1." in page
    for text in ("No answer.", "Words of an older row"):
        assert f'<span lang="en" dir="ltr">{text}</span>' in page
    printed = CliRunner().invoke(cli.announce, ["sources", "list", "--json"]).output
    [row] = json.loads(printed)
    assert row["report"] == {"problems": [told % {"n": 40}]}


def test_a_used_up_link_says_so(client):
    page = text_of(client.get("/consent/x/", headers=ARABIC))
    assert "هذا الرابط ليس من روابطنا." in page


def test_the_organisation_is_asked_in_the_language_of_the_installation(client, bob, alice, now, monkeypatch):
    revision = write(client, kind="case_study", organisation="Riverside College")
    press(client, revision, "submit")
    ask_consent(revision.announcement.uuid, sha256=revision.sha256, email="p@riverside.example", actor=alice, now=now)
    monkeypatch.setenv("SAPWOOD_LANGUAGE", "es-419")
    mail_consent(jobs.JobContext(Job.objects.get(name="announcements.ask_consent"), FixedClock(now)))
    [message] = mail.outbox
    assert "ha escrito sobre Riverside College" in message.body
    assert message.subject.endswith("un texto sobre Riverside College")
    assert CaseStudyConsent.objects.count() == 1


def test_the_api_and_the_command_line_stay_english(client, bob, folder, monkeypatch):
    monkeypatch.setenv("LANG", "ar_EG.UTF-8")
    folder.write("verawood.md", PLAIN.replace("title: Verawood is out", ""))
    printed = CliRunner().invoke(cli.announce, ["publish", str(folder.path)]).output
    assert "verawood.md:1: The title is missing. Add title: …" in printed
    revision = write(client)
    address = f"/api/v1/announcements/{revision.announcement.uuid}/approve"
    body = {"sha256": revision.sha256}
    answer = client.post(address, body, content_type="application/json", headers=SPANISH)
    assert (answer.status_code, answer.json()["message"]) == (409, "The draft has not been submitted.")
