"""The command line, the front page and the sources page."""

import json

import pytest
from click.testing import CliRunner
from django.urls import reverse
from tests.people import sign_in

from sapwood.accounts.api import create_person, grant_role
from sapwood.commons.announcements import cli
from sapwood.commons.announcements.actions.publishing import publish_folder
from sapwood.commons.announcements.models import Revision, Source, State
from sapwood.commons.announcements.tests.conftest import ADVISORY, PLAIN, UUID_TWO
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError

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
    run("sources", "pause", "blog", "--resume")
    run("sources", "remove", "blog")
    with pytest.raises(SapwoodError):
        run("import", "blog")


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
    assert "https://blog.example.org/feed" in bob_client.get(address).content.decode()
    bob_client.post(reverse("announcements:remove_source", args=[Source.objects.get().pk]))
    assert Source.objects.count() == 0


def test_the_seed_is_valid_and_in_more_than_one_language(now, alice, bob):
    from sapwood.commons.announcements.api import SEED

    report = publish_folder(SEED, actor=alice, second=bob, now=now)
    assert report.problems == ()
    assert {line.outcome.value for line in report.lines} == {"staged"}
    locales = {locale for row in Revision.objects.all() for locale in row.locales}
    assert {"en", "es-419", "ar"} <= locales
    assert [warning.message for warning in report.warnings] == []
