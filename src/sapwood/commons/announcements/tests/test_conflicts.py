"""The source and somebody here changed the same text: a person decides, in the console or by command."""

import datetime as dt
import random

import pytest
from django.test import Client
from django.urls import reverse
from tests.fakes import FakeHttp

from sapwood.accounts.api import create_person, grant_role
from sapwood.commons.announcements import api
from sapwood.commons.announcements.documents import read_document
from sapwood.commons.announcements.errors import ChangedError, WrongStateError
from sapwood.commons.announcements.models import ImportedEntry, Revision, Source, State
from sapwood.commons.announcements.tests.test_doors import run
from sapwood.commons.announcements.tests.test_importing import URL, item, rss
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow

pytestmark = pytest.mark.django_db
OURS = {"title": "Hello", "summary": "Bob's summary.", "body": "Bob's better words."}


def read(source, now, body):
    http = FakeHttp().answer(URL, rss(item(body=body)), headers={"content-type": "text/xml"})
    return api.import_source(source, http=http, chance=random.Random(1), actor=Actor.system("poll"), now=now)


def save(text, actor, now):
    revision = Revision.objects.select_related("announcement").latest("number")
    document = read_document(revision.raw)
    document["texts"]["en"] = text
    return api.save_draft(document, slug=revision.announcement.slug, actor=actor, now=now)


@pytest.fixture
def source(now, bob):
    return api.add_source(Source(name="blog", url=URL), actor=bob, now=now)


@pytest.fixture
def conflict(source, now, bob):
    """A post was imported, edited here by Bob, translated, and then changed at its source."""
    read(source, now, "Words.")
    save(OURS, bob, now)
    revision = Revision.objects.select_related("announcement").get()
    spanish = {"title": "Hola", "body": "Palabras.", "origin": "community"}
    api.translate(revision.announcement.uuid, locale="es-419", text=spanish, actor=bob, now=now)
    read(source, now + dt.timedelta(days=2), "The source's new words.")
    entry = ImportedEntry.objects.get()
    assert entry.conflict
    return entry


def newest():
    return Revision.objects.select_related("announcement").latest("number")


def texts():
    return read_document(newest().raw)["texts"]


def pins():
    revision = newest()
    return revision.announcement.uuid, {"sha256": revision.sha256, "seen": ImportedEntry.objects.get().fingerprint}


def someone(now, *roles, scope=None):
    user = create_person(f"{'-'.join(roles)}@commons.example", actor=Actor.command(), now=now, name="Eve")
    for role in roles:
        grant_role(user, role=role, actor=Actor.command(), now=now, **({"scope": scope} if scope else {}))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_theirs_replaces_the_words_in_one_language_and_nothing_else(conflict, now, alice):
    key, seen = pins()
    api.take_theirs(key, **seen, actor=alice, now=now)
    assert texts()["en"] == {"title": "Hello", "body": "The source's new words.", "summary": "The source's new words."}
    assert texts()["es-419"]["title"] == "Hola"
    assert f"person:{alice.key}" in newest().author_keys
    assert AuditRow.objects.filter(action="announcements.take_theirs", subject=str(key)).count() == 1
    with pytest.raises(WrongStateError):
        api.take_theirs(key, sha256=newest().sha256, seen=seen["seen"], actor=alice, now=now)


def test_after_theirs_was_taken_the_source_is_followed_again(conflict, source, now, alice):
    key, seen = pins()
    api.take_theirs(key, **seen, actor=alice, now=now)
    report = read(source, now + dt.timedelta(days=4), "Newer words.")
    assert (report["edited"], report["conflicts"]) == (1, 0)
    assert texts()["en"]["body"] == "Newer words."


def test_ours_stays_and_the_next_change_of_the_source_is_asked_about_again(conflict, source, now, alice):
    key, seen = pins()
    before = newest().sha256
    api.keep_ours(key, seen=seen["seen"], actor=alice, now=now)
    assert (newest().sha256, ImportedEntry.objects.get().conflict) == (before, False)
    assert AuditRow.objects.filter(action="announcements.keep_ours", subject=str(key)).count() == 1
    assert read(source, now + dt.timedelta(days=4), "The source's new words.")["outcome"] == "unchanged"
    assert read(source, now + dt.timedelta(days=6), "Newer words.")["conflicts"] == 1
    entry = ImportedEntry.objects.get()
    assert (entry.base["body"], entry.theirs["body"]) == ("The source's new words.", "Newer words.")


def test_a_source_that_goes_back_to_what_it_said_leaves_nothing_to_decide(conflict, source, now):
    assert read(source, now + dt.timedelta(days=4), "Words.")["conflicts"] == 0
    assert texts()["en"] == OURS
    assert not ImportedEntry.objects.get().conflict


def test_nobody_decides_on_words_that_they_did_not_see(conflict, source, now, alice, bob):
    key, seen = pins()
    read(source, now + dt.timedelta(days=4), "Even newer words.")
    with pytest.raises(ChangedError):
        api.take_theirs(key, **seen, actor=alice, now=now)
    with pytest.raises(ChangedError):
        api.keep_ours(key, seen=seen["seen"], actor=alice, now=now)
    key, seen = pins()
    save({**OURS, "body": "Bob's even better words."}, bob, now)
    with pytest.raises(ChangedError):
        api.take_theirs(key, **seen, actor=alice, now=now)
    assert texts()["en"]["body"] == "Bob's even better words."


def test_taking_theirs_voids_an_approval_of_the_other_text(conflict, now, alice):
    key, seen = pins()
    api.submit(key, sha256=seen["sha256"], actor=alice, now=now)
    api.approve(key, sha256=seen["sha256"], actor=alice, now=now)
    api.take_theirs(key, **seen, actor=alice, now=now)
    assert newest().state == State.DRAFT


def test_theirs_after_publication_is_a_new_revision(conflict, now, alice):
    Revision.objects.update(state=State.PUBLISHED, published_at=now)
    key, seen = pins()
    api.take_theirs(key, **seen, actor=alice, now=now)
    assert (newest().number, newest().state) == (2, State.DRAFT)


def test_hostile_words_of_a_source_stay_words_in_the_comparison(conflict, source, now):
    read(source, now + dt.timedelta(days=4), "&lt;script&gt;alert(1)&lt;/script&gt; `<b>`")
    client = someone(now, "release_manager")
    page = client.get(reverse("announcements:detail", args=[newest().announcement.uuid])).content.decode()
    assert "<script>alert" not in page


@pytest.mark.parametrize("role", ["release_manager", "communicator"])
@pytest.mark.parametrize("verb", ["take-theirs", "keep-ours"])
def test_whoever_may_write_decides_on_the_page_of_the_draft(conflict, now, role, verb):
    client = someone(now, role)
    key, seen = pins()
    front = client.get("/").content.decode()
    assert "The source changed what somebody here had edited" in front
    page = client.get(reverse("announcements:detail", args=[key])).content.decode()
    for words in ("As imported", "Bob&#x27;s better words.", "The source&#x27;s new ", "Take theirs", "Keep ours"):
        assert words in page
    done = client.post(reverse("announcements:act", args=[key, verb]), seen, follow=True).content.decode()
    assert "Take theirs" not in done
    assert (texts()["en"]["body"] == "The source's new words.") == (verb == "take-theirs")
    assert "The source changed what" not in client.get("/").content.decode()


@pytest.mark.parametrize("role", ["auditor", "second_signer"])
def test_whoever_may_only_read_sees_it_and_decides_nothing(conflict, now, role):
    client = someone(now, role)
    key, seen = pins()
    page = client.get(reverse("announcements:detail", args=[key])).content.decode()
    assert "The source changed this text" in page
    assert "Take theirs" not in page
    for verb in ("take-theirs", "keep-ours"):
        assert client.post(reverse("announcements:act", args=[key, verb]), seen).status_code == 403
    assert ImportedEntry.objects.get().conflict


@pytest.mark.parametrize(("channel", "status"), [("community", 302), ("releases", 403)])
def test_a_narrowed_role_decides_in_its_channel_only(conflict, now, channel, status):
    client = someone(now, "communicator", scope=("channel", channel))
    key, seen = pins()
    assert client.post(reverse("announcements:act", args=[key, "take-theirs"]), seen).status_code == status


def test_a_decision_on_something_that_changed_says_so_on_the_page(conflict, source, now):
    client = someone(now, "release_manager")
    key, seen = pins()
    read(source, now + dt.timedelta(days=4), "Even newer words.")
    page = client.post(reverse("announcements:act", args=[key, "take-theirs"]), seen, follow=True).content.decode()
    assert "changed again since you looked" in page
    assert "Take theirs" in page


def test_the_same_by_command(conflict):
    slug = newest().announcement.slug
    shown = run("conflicts", code=3)
    assert "-Words." in shown
    assert "+The source's new words." in shown
    assert "+Bob's better words." in shown
    run("resolve", slug, "--theirs")
    assert texts()["en"]["body"] == "The source's new words."
    assert "Nothing" in run("conflicts")
    with pytest.raises(WrongStateError):
        run("resolve", slug, "--ours")


def test_ours_by_command(conflict):
    run("resolve", newest().announcement.slug, "--ours")
    assert texts()["en"] == OURS
    assert not ImportedEntry.objects.get().conflict
    assert AuditRow.objects.filter(action="announcements.keep_ours").exists()
