"""The command line, the front page and the sources page."""

import datetime as dt
import json
import re

import pytest
from click.testing import CliRunner
from django.urls import reverse
from tests.fakes import FakeHttp
from tests.people import sign_in

from sapwood.accounts.api import create_person, grant_role
from sapwood.commons.announcements import cli
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.models import Revision, Source, State
from sapwood.commons.announcements.tests.conftest import ADVISORY, PLAIN, UUID_TWO
from sapwood.commons.announcements.tests.test_importing import item, rss
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.core.models import AuditRow
from sapwood.core.worker import run_worker

pytestmark = pytest.mark.django_db


def run(*arguments, code=0):
    result = CliRunner().invoke(cli.announce, [str(argument) for argument in arguments])
    if isinstance(result.exception, SapwoodError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def bob_client(client, now):
    user = create_person("bob@commons.example", actor=Actor.command(), now=now, name="Bob")
    grant_role(user, role="release_manager", actor=Actor.command(), now=now)
    sign_in(client, user)
    return client


def test_a_new_file_is_valid_once_its_words_are_there(folder):
    run("new", "willow-delayed", "--folder", folder.path)
    assert "staged" in run("publish", folder.path, "--dry-run")
    with pytest.raises(SapwoodError, match="exists already"):
        run("new", "willow-delayed", "--folder", folder.path)
    with pytest.raises(SapwoodError, match="not a slug"):
        run("new", "../etc/passwd", "--folder", folder.path)


def test_publish_reports_file_and_line_and_exits_1(folder):
    folder.write("verawood.md", PLAIN.replace("kind:", "kimd:"))
    output = run("publish", folder.path, code=1)
    assert "verawood.md:5: 'kimd' is not a known name. Did you mean 'kind'?" in output


def test_publish_and_list_as_json(folder):
    folder.write("verawood.md", PLAIN)
    published = json.loads(run("publish", folder.path, "--json"))
    assert [a["outcome"] for a in published["announcements"]] == ["staged"]
    [row] = json.loads(run("list", "--json"))
    assert (row["slug"], row["state"], row["revision"]) == ("verawood", "staged", 1)
    assert json.loads(run("list", "--state", "open", "--json")) == []


def test_translations_go_out_and_come_back(folder, tmp_path):
    folder.write("verawood.md", PLAIN)
    run("publish", folder.path)
    file = tmp_path / "es.po"
    run("translation", "export", "verawood", "es-419", "--output", file)
    import polib

    po = polib.pofile(str(file))
    for entry in po:
        entry.msgstr = entry.msgid
    po.save()
    run("translation", "import", "verawood", file)
    assert Revision.objects.get(number=2).locales == ["en", "es-419"]


def test_sources_by_command(folder):
    run("sources", "add", "blog", "https://blog.example.org/feed", "--channel", "community")
    assert "not read yet" in run("sources", "list")
    Source.objects.update(last_error={"code": "x", "message": "No answer.", "hint": ""}, failures=2)
    assert "failed 2 times: No answer." in run("sources", "list", code=3)
    assert "paused" in run("sources", "pause", "blog")
    assert "paused" in run("sources", "list")
    assert json.loads(run("sources", "list", "--json"))[0]["paused"] is True
    run("sources", "pause", "blog", "--resume")
    run("sources", "remove", "blog")
    with pytest.raises(SapwoodError):
        run("import", "blog")


def test_an_address_can_be_imported_without_naming_it_first(folder, monkeypatch):
    asked = []

    def answer(source, **_given):
        asked.append(source)
        return {"source": source.name, "outcome": "new", "new": 1}

    monkeypatch.setattr("sapwood.commons.announcements.cli.api.import_source", answer)
    run("import", "http://127.0.0.1:9/feed", "--locale", "es")
    run("import", "http://127.0.0.1:9/feed")
    run("import", "https://127.0.0.1.example.org/feed", "--wordpress")
    first, again, other = asked
    assert (first.name, first.paused, first.allow_private, first.locale) == ("127.0.0.1", True, True, "es")
    assert again.pk == first.pk
    assert (other.kind, other.allow_private) == ("WORDPRESS", False)


def test_an_address_inside_is_refused_by_command(folder):
    with pytest.raises(SapwoodError):
        run("sources", "add", "inside", "http://169.254.169.254/latest/meta-data")


def test_retract_and_budget_by_command(folder):
    folder.write("verawood.md", PLAIN)
    run("publish", folder.path)
    assert "taken back" in run("retract", "verawood", "--reason", "Wrong.")
    assert Revision.objects.get().state == State.RETRACTED
    run("budget", "learners", 2)


def test_the_front_page_shows_drafts_approvals_and_budget(bob_client, folder, alice, now):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    page = bob_client.get("/").content.decode()
    assert "To approve: Update the PDF reader" in page
    assert "Drafts waiting" in page
    assert "Live items per audience" in page
    assert reverse("announcements:detail", args=[UUID_TWO]) in page


def test_the_front_page_tells_strangers_nothing(client, folder, alice, now):
    folder.write("pdf.md", ADVISORY)
    publish_folder(folder.path, actor=alice, now=now)
    assert "Update the PDF reader" not in client.get("/", follow=True).content.decode()


def test_sources_in_the_console(bob_client):
    address = reverse("announcements:sources")
    form = {"name": "blog", "url": "https://blog.example.org/feed", "kind": "FEED", "channel": "community"}
    form |= {"audience": "administrators", "locale": "en"}
    assert bob_client.post(address, {**form, "channel": "security", "trusted": "on"}).status_code == 200
    assert Source.objects.count() == 0
    assert bob_client.post(address, form).status_code == 302
    assert "https://blog.example.org/feed" in bob_client.get(address).content.decode().replace("<wbr>", "")
    bob_client.post(reverse("announcements:remove_source", args=[Source.objects.get().pk]))
    assert Source.objects.count() == 0


@pytest.fixture
def blog(now, bob):
    from sapwood.commons.announcements import api

    return api.add_source(Source(name="blog", url="https://blog.example.org/feed"), actor=bob, now=now)


def test_a_source_is_paused_and_read_again_in_the_console(bob_client, blog):
    address = reverse("announcements:pause_source", args=[blog.pk])
    page = bob_client.post(address, {"paused": "yes"}, follow=True).content.decode()
    assert Source.objects.get().paused
    assert "not before somebody says so" in page
    page = bob_client.post(address, {"paused": "no"}, follow=True).content.decode()
    assert not Source.objects.get().paused
    assert "within a quarter of an hour" in page
    assert AuditRow.objects.filter(action="announcements.pause_source").count() == 2


def test_the_page_of_sources_says_when_each_was_read_what_failed_and_what_comes_next(bob_client, blog, now):
    later = system_clock().now().replace(microsecond=0) + dt.timedelta(hours=7)  # the page knows what is to come
    error = {"code": "x", "message": "No answer.", "hint": "Look.", "at": now.isoformat()}
    Source.objects.update(
        last_good_at=now - dt.timedelta(days=3), last_error=error, failures=4, next_poll_at=later, report={"new": 3}
    )
    page = bob_client.get(reverse("announcements:sources")).content.decode()
    for words in ("No answer. Look.", "failed 4 times in a row", "19 Nov 2026", "3</span> new"):
        assert words in page
    assert later.isoformat() in page


def test_who_may_not_import_reads_pauses_and_removes_nothing(client, blog, now):
    user = create_person("ada@commons.example", actor=Actor.command(), now=now, name="Ada")
    grant_role(user, role="auditor", actor=Actor.command(), now=now)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("pause_source", "read_source", "remove_source"):
        assert client.post(reverse(f"announcements:{name}", args=[blog.pk])).status_code == 403
    assert not Source.objects.get().paused


class Feed:
    """The blog at the edge of the world: a feed, or nothing."""

    def __init__(self, monkeypatch):
        self.http = FakeHttp()
        monkeypatch.setattr("sapwood.commons.announcements.tasks.default_client", lambda: self.http)

    def has(self, *items):
        self.http.answer("https://blog.example.org/feed", rss(*items), headers={"content-type": "text/xml"})


@pytest.fixture
def feed(monkeypatch):
    return Feed(monkeypatch)


def test_a_source_is_read_at_the_press_of_a_button(bob_client, blog, feed):
    feed.has(item(), item(guid="2", title="Second", body="More."))
    pressed = [bob_client.post(reverse("announcements:read_source", args=[blog.pk]))["Location"] for _ in range(2)]
    assert len(set(pressed)) == 1  # a second press rings for the same work
    page = bob_client.get(pressed[0])
    assert "It waits for the worker" in page.content.decode() or "No worker is running" in page.content.decode()
    assert 'http-equiv="refresh"' in page.content.decode()
    sources = reverse("announcements:sources")
    assert pressed[0] in bob_client.get(sources).content.decode()  # whoever left finds the way back
    run_worker(clock=system_clock(), once=True)
    page = bob_client.get(pressed[0]).content.decode()
    assert "finished" in page
    assert "refresh" not in page
    assert "2</span> new" in bob_client.get(sources).content.decode()


def test_a_source_that_cannot_be_read_says_so_where_somebody_waits(bob_client, blog, feed):
    address = bob_client.post(reverse("announcements:read_source", args=[blog.pk]))["Location"]
    run_worker(clock=system_clock(), once=True)
    page = bob_client.get(address).content.decode()
    assert "stopped" in page
    assert "has no answer" in page
    assert "has no answer" in bob_client.get(reverse("announcements:sources")).content.decode()


def test_a_host_that_asked_for_a_pause_is_not_asked_by_hand(bob_client, blog):
    until = system_clock().now() + dt.timedelta(hours=2)
    Source.objects.update(pause_until=until, next_poll_at=until)
    page = bob_client.get(reverse("announcements:sources")).content.decode()
    assert "asks for a pause until" in page
    assert "Read now" not in page


NEW = {
    "title": "A tidy release", "body": "Words.", "kind": "news", "channel": "community", "severity": "none",
    "audience": "administrators",
}  # fmt: skip


def sent_form(client, **changes):
    """A form as the page gives it, filled in."""
    page = client.get(reverse("announcements:new")).text
    return {**NEW, "key": re.search(r'name="key" value="([0-9a-f-]{36})"', page)[1], **changes}


def test_a_new_announcement_that_is_sent_twice_is_one(bob_client):
    form = sent_form(bob_client)
    first, second = (bob_client.post(reverse("announcements:new"), form) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Revision.objects.count() == 1


def test_whoever_goes_back_and_sends_other_words_loses_neither(bob_client):
    form = sent_form(bob_client)
    bob_client.post(reverse("announcements:new"), form)
    answer = bob_client.post(reverse("announcements:new"), {**form, "body": "Better words."})
    assert answer.status_code == 200
    assert "sent before" in answer.text
    assert "Better words." in answer.text
    assert reverse("announcements:edit", args=[form["key"]]) in answer.text
    assert "Better" not in bytes(Revision.objects.get().raw).decode()


def test_a_form_cannot_name_an_announcement_of_a_channel_that_is_closed_to_its_sender(client, bob_client, now):
    form = sent_form(bob_client, channel="releases")
    bob_client.post(reverse("announcements:new"), form)
    user = create_person("ada@commons.example", actor=Actor.command(), now=now, name="Ada")
    grant_role(user, role="communicator", scope=("channel", "community"), actor=Actor.command(), now=now)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(reverse("announcements:new"), {**form, "channel": "community"}).status_code == 403
    assert Revision.objects.get().channel == "releases"


def test_every_step_of_an_announcement_may_be_pressed_twice(bob_client, folder, alice, now):
    form = sent_form(bob_client)
    bob_client.post(reverse("announcements:new"), form)
    sha256 = Revision.objects.get().sha256
    for verb, state in (("submit", "IN_REVIEW"), ("approve", "APPROVED"), ("stage", "STAGED")):
        for _ in range(2):
            address = reverse("announcements:act", args=[form["key"], verb])
            page = bob_client.post(address, {"sha256": sha256}, follow=True).text
            assert 'class="callout is-bad"' not in page, verb
        assert Revision.objects.get().state == state
        assert AuditRow.objects.filter(action=f"announcements.{verb}").count() <= 2
    assert AuditRow.objects.filter(action="announcements.stage").count() == 1


def test_the_seed_is_valid_and_in_more_than_one_language(now, alice, bob):
    from sapwood.commons.announcements.api import SEED

    report = publish_folder(SEED, actor=alice, second=bob, now=now)
    assert report.problems == ()
    assert {line.outcome.value for line in report.lines} == {"staged"}
    locales = {locale for row in Revision.objects.all() for locale in row.locales}
    assert {"en", "es-419", "ar"} <= locales
    assert [warning.message for warning in report.warnings] == []
