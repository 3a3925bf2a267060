"""Translations: without a new alert, out and back as gettext files, nothing smuggled in."""

import json

import polib
import pytest

from sapwood.commons.announcements import api
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.actions.translating import stale_locales
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import TranslationFileError
from sapwood.commons.announcements.models import Revision
from sapwood.commons.announcements.po import export_po, read_po
from sapwood.commons.announcements.reading import read_for
from sapwood.commons.announcements.tests.conftest import PLAIN, SPANISH, UUID_ONE, UUID_TWO

pytestmark = pytest.mark.django_db


@pytest.fixture
def revision(folder, alice, now):
    folder.write("verawood.md", PLAIN)
    publish_folder(folder.path, actor=alice, now=now)
    return Revision.objects.select_related("announcement").get()


def translated(revision, locale="es-419", **changes):
    po = polib.pofile(export_po(revision, locale))
    for entry in po:
        block = entry.msgctxt.rpartition(":")[2]
        entry.msgstr = changes.get(block.replace(".", "_"), entry.msgid.replace("the", "la"))
    return po


def newest():
    return Revision.objects.select_related("announcement").order_by("-number").first()


def test_each_block_goes_out_in_its_context_and_comes_back(revision, bob, now):
    po = translated(revision, title="Salió Verawood")
    assert [entry.msgctxt for entry in po][:1] == [f"{UUID_ONE}:1:title"]
    po.metadata["Last-Translator"] = "Carol <carol@example.org>"
    locale, text = read_po(str(po).encode(), revision)
    draft = api.translate(revision.announcement.uuid, locale=locale, text=text, actor=bob, now=now)
    assert (draft.number, draft.alert, draft.locales) == (2, False, ["en", "es-419"])
    stored = json.loads(bytes(draft.raw))["texts"]["es-419"]
    assert (stored["title"], stored["origin"], stored["translator"]) == ("Salió Verawood", "community", "Carol")
    assert stored["of_revision"] == 1
    assert "](https://docs.openedx.org/)" in stored["body"]


def test_a_changed_original_goes_out_as_fuzzy(revision, folder, alice, now):
    folder.write("verawood.es-419.md", SPANISH.replace("---\nVerawood", "of_revision: 1\n---\nVerawood") + "\nLea.\n")
    folder.write("verawood.md", PLAIN.replace("is out", "is here"))
    publish_folder(folder.path, actor=alice, now=now)
    entries = {entry.msgctxt.rpartition(":")[2]: entry for entry in polib.pofile(export_po(newest(), "es-419"))}
    assert (entries["title"].fuzzy, entries["title"].previous_msgid) == (True, "Verawood is out")
    assert not entries["summary"].fuzzy
    with pytest.raises(TranslationFileError, match="title"):
        read_po(export_po(newest(), "es-419").encode(), newest())


def test_case_33_a_translation_of_an_older_revision_is_not_taken_for_the_present_one(revision, folder, alice, now):
    old = str(translated(revision)).encode()
    folder.write("verawood.md", PLAIN.replace("is out", "is here"))
    publish_folder(folder.path, actor=alice, now=now)
    with pytest.raises(TranslationFileError, match="another original"):
        read_po(old, newest())


def test_case_33_a_stale_translation_in_a_file_is_flagged(revision, folder, alice, now):
    folder.write("verawood.md", PLAIN.replace("is out", "is here"))
    folder.write("verawood.es-419.md", SPANISH.replace("---\nVerawood", "of_revision: 1\n---\nVerawood"))
    report = publish_folder(folder.path, actor=alice, now=now)
    assert stale_locales(newest()) == {"es-419": 1}
    assert [(w.file, "revision 1" in w.message) for w in report.warnings] == [("verawood.es-419.md", True)]


def test_the_author_s_language_is_not_a_translation(revision, bob, now):
    with pytest.raises(TranslationFileError):
        api.translate(revision.announcement.uuid, locale="en", text={"title": "x"}, actor=bob, now=now)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body_2": "Lea las [notas](https://evil.example/)."}, "links to"),
        ({"body_2": "Lea las [notas](javascript:alert(1))."}, "links to"),
        ({"title": "Hola {{admin_password}}"}, "placeholders"),
        ({"title": "Una\n# Dos"}, "more than one line"),
    ],
)
def test_a_file_that_smuggles_something_in_is_refused(revision, changes, message):
    with pytest.raises(TranslationFileError, match=message):
        read_po(str(translated(revision, **changes)).encode(), revision)


@pytest.mark.parametrize(
    "raw",
    [
        b"/etc/passwd",
        b"",
        b"\xff\xfe",
        b'msgid ""\nmsgstr "\n',
        b'msgid "a"\nmsgstr "b"\n',
        b'msgid "x"\nmsgstr[' + b"9" * 5000 + b'] "y"\n',
        b"x" * 2_000_001,
        b'#: \0\nmsgid "a"\nmsgstr "b"\n',
    ],
)
def test_a_hostile_file_is_refused_in_one_line(revision, raw):
    with pytest.raises(TranslationFileError):
        read_po(raw, revision)


def test_a_file_of_another_announcement_is_refused(revision):
    other = str(translated(revision)).replace(UUID_ONE, UUID_TWO).encode()
    with pytest.raises(TranslationFileError, match="something else"):
        read_po(other, revision)


def test_a_file_from_the_future_is_refused(revision):
    with pytest.raises(TranslationFileError, match="no revision 9"):
        read_po(str(translated(revision)).replace(f"{UUID_ONE}:1:", f"{UUID_ONE}:9:").encode(), revision)


def test_readers_fall_back_from_their_variant_to_the_language_to_english(folder, alice, now):
    folder.write("verawood.md", PLAIN)
    folder.write("verawood.es.md", SPANISH)
    publish_folder(folder.path, actor=alice, now=now)
    raw = newest().raw
    assert read_for(raw, ["es-419"], site_name="").locale == "es"
    arabic = read_for(raw, ["ar"], site_name="")
    assert (arabic.locale, arabic.fallback) == ("en", True)
    assert read_document(raw)["texts"]["es"]["origin"] == "community"
