"""A report of migrations is added to a release, shown, published once, and taken back."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from sapwood.accounts.api import actor_for
from sapwood.channel import api as channel
from sapwood.channel.layout import hashed_path
from sapwood.commons.releases import api, reporting
from sapwood.commons.releases.cli import release
from sapwood.commons.releases.models import MigrationReportRevision
from sapwood.core.data import Actor
from sapwood.core.errors import ForbiddenError, NotFoundError, SapwoodError, UsageError
from sapwood.core.models import AuditRow
from sapwood.formats import tests
from sapwood.formats.documents import parse_document

pytestmark = pytest.mark.django_db
GOLDEN = Path(tests.__file__).parent / "golden"
MEASURED = json.loads((GOLDEN / "migrationreport-measured.json").read_bytes())
STATIC = json.loads((GOLDEN / "migrationreport-static.json").read_bytes())
CLI = Actor.command()


def add(data, now, *, previous="ulmo.4", name="verawood.1", actor=CLI):
    return api.add_report(json.dumps(data).encode(), previous=previous, release=name, actor=actor, now=now)


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """Adds or withdraws as a request that ends well does."""

    def run(act, *args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            return act(*args, **kwargs)

    return run


def waiting():
    return [str(path) for path in channel.waiting(["releases"])]


def published(repository, now):
    channel.sign(now=now)
    channel.publish(now=now)
    served = repository / "repository" / "targets"
    paths = [served / hashed_path(str(item.path), item.sha256) for item in channel.served(["releases"])]
    return [parse_document(path.read_bytes()) for path in paths]


def test_what_is_published_is_the_report_with_its_envelope(committed, repository, now):
    row = committed(add, MEASURED | {"uuid": str(uuid4()), "revision": 9, "channel": "community", "mood": 1}, now)
    row.refresh_from_db()
    assert row.staged_at == now
    [document] = published(repository, now)
    assert (document.uuid, document.revision, document.channel) == (row.uuid, 1, "releases")
    assert (document.previous, document.release, document.extra) == ("ulmo.4", "verawood.1", {"mood": 1})
    assert len(document.migrations) == 3


def test_the_next_report_of_the_same_is_its_next_revision_and_other_servers_have_their_own(now):
    first = add(MEASURED, now)
    with pytest.raises(api.NothingChangedError):
        add(MEASURED, now)
    second = add(MEASURED | {"note": "Measured again."}, now)
    other = add(MEASURED | {"engines": {"default": "postgresql 15.18"}}, now)
    assert (first.uuid, second.revision, other.revision) == (second.uuid, 2, 1)
    assert other.uuid != first.uuid
    assert [row.pk for row in api.newest_reports()] == [other.pk, second.pk]


def test_a_report_of_other_releases_or_of_none_is_refused(now):
    with pytest.raises(api.RefusedReportError, match=r"ulmo\.4 > verawood\.1"):
        add(MEASURED, now, previous="ulmo.3")
    with pytest.raises(NotFoundError):
        add(STATIC, now, name="oak.1")
    with pytest.raises(api.RefusedReportError):
        add(STATIC, now, previous="verawood.1")
    assert not MigrationReportRevision.objects.exists()


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"\xff", b'{"type": "migrationreport", "version": 2}', b"[" * 60_000]
)
def test_a_file_that_is_no_report_is_one_error(raw, now):
    with pytest.raises(api.RefusedReportError):
        api.add_report(raw, previous="ulmo.4", release="verawood.1", actor=CLI, now=now)
    golden = (GOLDEN / "release-full.json").read_bytes()
    with pytest.raises(api.RefusedReportError, match="no report"):
        api.add_report(golden, previous="ulmo.4", release="verawood.1", actor=CLI, now=now)


def test_only_who_may_adds_and_withdraws_and_both_are_audited(bob, frank, now):
    for person in (frank,):
        with pytest.raises(ForbiddenError):
            add(MEASURED, now, actor=actor_for(person))
    row = add(MEASURED, now, actor=actor_for(bob))
    with pytest.raises(ForbiddenError):
        api.withdraw_report(row.uuid, reason="x", actor=actor_for(frank), now=now)
    api.withdraw_report(row.uuid, reason="The machine was busy.", actor=actor_for(bob), now=now)
    rows = AuditRow.objects.filter(action__startswith="releases.report").order_by("seq")
    assert [row.action for row in rows] == ["releases.report_added", "releases.report_withdrawn"]


def test_a_withdrawn_report_is_gone_from_pages_and_sites_are_told_once(client, committed, repository, now):
    row = committed(add, MEASURED, now)
    page = f"/catalogue/reports/{row.uuid}/"
    assert client.get(page).status_code == 200
    with pytest.raises(UsageError):
        api.withdraw_report(row.uuid, reason=" \u202e ", actor=CLI, now=now)
    committed(api.withdraw_report, row.uuid, reason="The machine was busy.", actor=CLI, now=now)
    assert client.get(page).status_code == 404
    assert client.get(f"/catalogue/reports/{row.uuid}.json").status_code == 404
    assert len(waiting()) == 2
    assert reporting.hand_over_reports(actor=CLI, now=now) == 0
    MigrationReportRevision.objects.update(retracted_at=None)  # as if the process had died in between
    assert reporting.hand_over_reports(actor=CLI, now=now) == 1
    assert len(waiting()) == 2
    report, word = published(repository, now)
    assert word.covers(report.uuid, report.revision)
    assert word.reason == "The machine was busy."
    again = add(MEASURED, now)
    assert again.revision == 2
    assert not word.covers(again.uuid, again.revision)


def test_what_was_added_before_there_was_a_channel_is_handed_over_later(committed, now, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(tmp_path / "later"))
    committed(add, MEASURED, now)
    gone = committed(add, STATIC, now)
    committed(api.withdraw_report, gone.uuid, reason="Too early.", actor=CLI, now=now)
    channel.init_repository(now=now)
    assert reporting.hand_over_reports(actor=CLI, now=now) == 1, "what was withdrawn in between never leaves"
    assert len(waiting()) == 1


def test_an_edge_shows_what_its_migrations_cost_and_leads_to_all_of_it(client, now):
    assert "What the migrations cost" not in client.get("/catalogue/edges/ulmo/verawood/").text
    row = add(MEASURED, now)
    edge = client.get("/catalogue/edges/ulmo/verawood/").text
    page = client.get(f"/catalogue/reports/{row.uuid}/").text
    for text in (edge, page):
        assert "15\xa0s for a million rows" in text
        assert "mysql 10.11.19-MariaDB" in text.replace("<wbr>", "")
        assert "2 operations" in text
    assert f"/catalogue/reports/{row.uuid}/" in edge
    for part in ("<svg", "COPY", "2,000,000", "33", "failed", "Measured on the demonstration"):
        assert part in page, part
    document = client.get(f"/catalogue/reports/{row.uuid}.json")
    assert document.content == bytes(row.raw)
    assert document["ETag"] == f'"{row.sha256}"'


def test_a_report_within_a_line_is_on_the_page_of_the_line(client, now):
    add(STATIC, now, previous="ulmo.3", name="ulmo.4")
    page = client.get("/catalogue/lines/ulmo/").text
    assert "ulmo.3 → ulmo.4" in page
    assert "not measured" in page
    assert client.get(f"/catalogue/reports/{uuid4()}/").status_code == 404


def test_hostile_names_act_on_no_page(client, now):
    steps = [{"app": "<script>alert(1)</script>", "name": "\u2066\u200b<img src=x>", "classes": ["expand"]}]
    row = add(STATIC | {"migrations": steps, "note": "<b>bold</b>"}, now)
    page = client.get(f"/catalogue/reports/{row.uuid}/").text
    for bad in ("<script>alert", "<img src=x", "<b>bold", "\u200b", "\u2066"):
        assert bad not in page


def test_rest_lists_reports_and_gives_the_whole_of_one(client, now):
    row = add(MEASURED, now)
    [found] = client.get("/api/v1/catalogue/reports?release=verawood.1").json()["reports"]
    assert (found["uuid"], found["contract_steps"], found["migrations"]) == (str(row.uuid), 1, 3)
    assert found["longest"]["seconds_per_million"] == 15.25
    assert client.get("/api/v1/catalogue/reports?release=teak.1").json() == {"reports": []}
    assert client.get(f"/api/v1/catalogue/reports/{row.uuid}").json() == json.loads(bytes(row.raw))
    assert client.get(f"/api/v1/catalogue/reports/{uuid4()}").status_code == 404


def run(*args):
    return CliRunner().invoke(release, ["report", *map(str, args)])


def test_the_command_adds_lists_shows_and_withdraws(tmp_path, repository):
    file = tmp_path / "migrations.json"
    file.write_text(json.dumps(MEASURED))
    added = json.loads(run("add", "verawood.1", file, "--from", "ulmo.4", "--json").output)
    assert (added["migrations"], added["growth_bytes"]) == (3, -4194304)
    listed = run("list", "--release", "verawood.1").output
    assert "submissions.0006_mariadb_uuid_conversion, 15.2 s per million rows, on mysql 10.11.19" in listed
    shown = run("show", added["uuid"])
    assert "31.2 s, 2,000,000 rows, COPY" in shown.output
    assert json.loads(run("show", added["uuid"], "--json").output)["document"]["revision"] == 1
    assert run("withdraw", added["uuid"], "--reason", "The machine was busy.").exit_code == 0
    assert json.loads(run("list", "--json").output) == []
    for wrong in (run("show", added["uuid"]), run("add", "oak", file, "--from", "ulmo"), run("add", "x", "/nowhere")):
        assert wrong.exit_code
        assert wrong.exception is None or isinstance(wrong.exception, SapwoodError | SystemExit)
