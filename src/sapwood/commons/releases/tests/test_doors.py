"""Pages, REST and commands of the catalogue."""

import json
import re

import pytest
from click.testing import CliRunner
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from tests.people import sign_in

from sapwood.accounts.api import actor_for
from sapwood.commons.releases import api, panels
from sapwood.commons.releases.cli import catalogue
from sapwood.commons.releases.data import PROJECTS, seed
from sapwood.commons.releases.models import CatalogueRevision, State
from sapwood.core.clock import FixedClock
from sapwood.core.errors import SapwoodError

pytestmark = pytest.mark.django_db
RAW = seed(PROJECTS[0])


@pytest.fixture(autouse=True)
def today(monkeypatch, now):
    for module in ("panels", "rest", "cli", "views.public", "views.desk"):
        monkeypatch.setattr(f"sapwood.commons.releases.{module}.system_clock", lambda: FixedClock(now))


def request_of(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def upload(raw, note="Because"):
    return {"file": SimpleUploadedFile("catalogue.json", raw), "note": note}


def test_anybody_reads_lines_edges_and_the_document(client):
    page = client.get("/catalogue/").content.decode()
    for text in (
        "verawood",
        "supported",
        "unsupported since 15 Jan 2026",
        "planned for 9 Dec 2026",
        "GHSA-rh64-vc2h-7wfj",
        "<svg",
    ):
        assert text in page, text
    assert "aspen" not in page
    assert "aspen" in client.get("/catalogue/?lines=all").content.decode()
    line = client.get("/catalogue/lines/teak/").content.decode()
    for text in ("release/teak.3", "tutor 20.0.3", "4.2.20", "teak → ulmo", "Teak was cut on 2025-06-06"):
        assert text in line, text
    edge = client.get("/catalogue/edges/ulmo/verawood/").content.decode()
    for text in (
        "Discard and rebuild the search index",
        "Enterprise tables locked",
        "If: MariaDB",
        "Back up",
    ):
        assert text in edge, text
    assert json.loads(client.get("/catalogue/catalogue.json").content) == json.loads(RAW)


def test_every_line_and_edge_has_a_page(client):
    found = api.current_catalogue()
    for line in found.lines:
        assert client.get(f"/catalogue/lines/{line.name}/").status_code == 200, line.name
    for edge in found.edges:
        assert client.get(f"/catalogue/edges/{edge.start}/{edge.end}/").status_code == 200


@pytest.mark.parametrize("path", ["/catalogue/lines/oak/", "/catalogue/edges/ulmo/teak/"])
def test_what_is_not_there_is_not_found(client, path):
    assert client.get(path).status_code == 404


def test_an_unchanged_document_is_not_sent_again(client):
    first = client.get("/catalogue/catalogue.json")
    assert client.get("/catalogue/catalogue.json", headers={"if-none-match": first["ETag"]}).status_code == 304


def test_a_proposal_goes_from_upload_to_second_look(client, bob, erin, repository):
    sign_in(client, bob)
    changed = json.loads(RAW) | {"title": "Edited"}
    response = client.post("/catalogue/revisions/new", upload(json.dumps(changed).encode()), follow=True)
    row = CatalogueRevision.objects.get()
    page = response.content.decode()
    assert "waits for a second look" in page
    assert "release.unlisted" in page
    client.post(f"/catalogue/revisions/{row.pk}/approve", {"sha256": row.sha256})
    row.refresh_from_db()
    assert row.state == State.PROPOSED
    sign_in(client, erin)
    client.post(f"/catalogue/revisions/{row.pk}/approve", {"sha256": row.sha256})
    row.refresh_from_db()
    assert row.state == State.APPROVED
    assert "Edited" in client.get("/catalogue/").content.decode()


def test_the_second_look_sees_what_changes(client, bob, erin, repository, now):
    api.publish_catalogue(RAW, actor=actor_for(bob), second=actor_for(erin), now=now)
    data = json.loads(RAW)
    data["advisories"][0]["title"] = "Another title"
    data["edges"][7]["risks"].pop()
    row = api.propose(json.dumps(data).encode(), actor=actor_for(bob), now=now)
    sign_in(client, erin)
    page = client.get(f"/catalogue/revisions/{row.pk}/").content.decode()
    assert "advisories.GHSA-7j9p-67mm-5g87" in page.replace("<wbr>", "")
    assert "removed" in page


def test_an_upload_with_errors_is_answered_with_all_findings(client, bob):
    data = json.loads(RAW)
    data["lines"][21]["cut"] = "2026-04-23"
    sign_in(client, bob)
    response = client.post("/catalogue/revisions/new", upload(json.dumps(data).encode()))
    assert response.status_code == 422
    assert "line.cut_outside_window" in response.content.decode().replace("<wbr>", "")
    assert not CatalogueRevision.objects.exists()


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'{"type": "announcement"}', b"[" * 60_000])
def test_an_upload_that_is_no_catalogue_is_a_sentence(client, bob, raw):
    sign_in(client, bob)
    assert client.post("/catalogue/revisions/new", upload(raw)).status_code == 422


def test_texts_of_an_upload_are_escaped(client, bob, erin, repository, now):
    data = json.loads(RAW)
    data["title"] = "<script>alert(1)</script>"
    data["lines"][19]["cut_note"] = "<img src=x onerror=alert(1)>"
    api.publish_catalogue(json.dumps(data).encode(), actor=actor_for(bob), second=actor_for(erin), now=now)
    assert "<script>alert" not in client.get("/catalogue/").content.decode()
    assert "<img src=x" not in client.get("/catalogue/lines/teak/").content.decode()


def test_an_address_that_runs_script_is_kept_out(bob, now):
    data = json.loads(RAW)
    data["lines"][19]["notes_url"] = "javascript:alert(1)"
    with pytest.raises(api.RefusedCatalogueError):
        api.propose(json.dumps(data).encode(), actor=actor_for(bob), now=now)


@pytest.mark.parametrize("path", ["/catalogue/revisions/", "/catalogue/revisions/new", "/catalogue/revisions/1/"])
def test_strangers_do_not_see_proposals(client, path):
    assert client.get(path).status_code == 302


def test_an_auditor_sees_proposals_but_changes_nothing(client, frank, bob, now):
    row = api.propose(RAW, actor=actor_for(bob), now=now)
    sign_in(client, frank)
    assert client.get("/catalogue/revisions/").status_code == 200
    assert client.get(f"/catalogue/revisions/{row.pk}/").status_code == 200
    assert client.get("/catalogue/revisions/new").status_code == 403
    for verb in ("approve", "refuse"):
        assert client.post(f"/catalogue/revisions/{row.pk}/{verb}", {"sha256": row.sha256}).status_code == 403


def test_a_proposer_takes_a_proposal_back(client, bob, now):
    row = api.propose(RAW, actor=actor_for(bob), now=now)
    sign_in(client, bob)
    client.post(f"/catalogue/revisions/{row.pk}/refuse", {"sha256": row.sha256})
    row.refresh_from_db()
    assert row.state == State.REFUSED


def test_a_second_signer_is_told_what_waits(bob, erin, frank, now):
    api.propose(RAW, actor=actor_for(bob), now=now)
    assert [need.severity for need in panels.needs(request_of(erin))] == ["medium"]
    assert list(panels.needs(request_of(frank))) == []
    assert panels.waiting(request_of(frank)) == 1


def test_the_front_page_shows_the_catalogue(client, bob):
    sign_in(client, bob)
    assert "verawood.1" in client.get("/").content.decode()


def test_rest_reads_the_catalogue(client, frank):
    assert client.get("/api/v1/catalogue").json()["project"] == "openedx"
    assert client.get("/api/v1/catalogue/lines/teak").json()["supported"] is False
    path = client.get("/api/v1/catalogue/path?from=teak.3&to=verawood").json()["path"]
    assert [(hop["from"], hop["to"]) for hop in path] == [("teak", "ulmo"), ("ulmo", "verawood")]
    assert client.get("/api/v1/catalogue/findings").status_code in {401, 403}
    sign_in(client, frank)
    assert client.get("/api/v1/catalogue/findings").json()["findings"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, "core.usage"),
        ("?from=oak&to=teak", 404, "catalogue.unknown_release"),
        ("?from=ulmo&to=teak", 404, "catalogue.no_path"),
        ("?from=ulmo&to=willow", 404, "catalogue.no_path"),
    ],
)
def test_rest_errors_have_a_code(client, query, status, code):
    response = client.get(f"/api/v1/catalogue/path{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.get("/api/v1/catalogue/lines/oak").status_code == 404


def run(*args):
    return CliRunner().invoke(catalogue, [str(arg) for arg in args])


def test_validate_says_by_its_exit_code_whether_there_are_errors(tmp_path):
    assert run("validate").exit_code == 0
    data = json.loads(RAW)
    data["lines"][21]["cut"] = "2026-04-23"
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(data))
    result = run("validate", file, "--json")
    assert result.exit_code == 3
    found = json.loads(result.output)
    assert (found["valid"], found["counts"]["error"], found["findings"][0]["code"]) == (
        False,
        1,
        "line.cut_outside_window",
    )
    assert "line.cut_outside_window" in run("validate", file).output


@pytest.mark.parametrize("content", ["", "{", "[]", '{"type":"catalogue"}'])
def test_validate_of_something_else_is_one_error(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content)
    assert isinstance(run("validate", file).exception, SapwoodError)
    assert isinstance(run("validate", tmp_path / "nothing").exception, SapwoodError)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("teak", "release/teak"),
        ("teak.3", "tutor 20.0.3"),
        ("GHSA-rh64-vc2h-7wfj", "CVE-2025-68270"),
        ("20.0.3", "teak.3"),
    ],
)
def test_show_finds_lines_releases_advisories_and_distribution_versions(name, text):
    assert text in run("show", name).output
    assert json.loads(run("show", name, "--json").output)


def test_show_lists_all_lines():
    data = json.loads(run("show", "--json").output)
    assert len(data["lines"]) == 24
    assert {line["name"]: line["supported"] for line in data["lines"]}["verawood"] is True
    assert "teak" in run("show").output
    assert isinstance(run("show", "oak").exception, SapwoodError)


def test_path_prints_hops_in_both_forms():
    data = json.loads(run("path", "teak.3", "verawood", "--json").output)
    assert [hop["release"] for hop in data["path"]] == ["ulmo.4", "verawood.1"]
    assert "teak > ulmo > verawood" in run("path", "teak", "verawood").output
    assert "nothing to do" in run("path", "ulmo.4", "ulmo").output
    assert isinstance(run("path", "ulmo", "willow").exception, SapwoodError)
    assert "announced" in run("path", "ulmo", "willow", "--announced").output


@pytest.mark.parametrize(
    ("language", "refusal", "finding"),
    [
        ("es-419", "Errores del catálogo: 1", "está a 7 días de los puntos de corte"),
        ("ar", "عدد أخطاء الفهرس", "يبعد عن نقاط التفرع"),
    ],
)
def test_findings_are_told_in_the_reader_s_language(client, bob, language, refusal, finding):
    data = json.loads(RAW)
    data["lines"][21]["cut"] = "2026-04-23"
    client.force_login(bob)
    headers = {"accept-language": language}
    page = client.post("/catalogue/revisions/new", upload(json.dumps(data).encode()), headers=headers).content.decode()
    assert refusal in page
    assert finding in page


def test_findings_of_a_proposal_are_kept_as_phrases_and_older_ones_marked_as_english(client, bob, now):
    row = api.propose(RAW, actor=actor_for(bob), now=now)
    client.force_login(bob)

    def page():
        return client.get(f"/catalogue/revisions/{row.pk}/", headers={"accept-language": "es-419"}).content.decode()

    assert "no está en la tabla oficial" in page()
    CatalogueRevision.objects.update(findings=[{"code": "x", "where": "y", "message": "Odd", "severity": "note"}])
    assert '<span lang="en" dir="ltr">Odd</span>' in page()


@pytest.mark.parametrize(("language", "planned"), [("es-419", "prevista para el 9 dic 2026"), ("ar", "9 ديسمبر 2026")])
def test_a_plan_is_a_day_and_the_catalogue_s_own_texts_are_marked_as_english(client, language, planned):
    headers = {"accept-language": language}
    assert planned in client.get("/catalogue/", headers=headers).content.decode()
    line = client.get("/catalogue/lines/teak/", headers=headers).content.decode()
    assert re.search('<li lang="en" dir="auto"><p>[^<]*Teak was cut', line)


@pytest.mark.parametrize(("language", "always"), [("es-419", "Si: siempre"), ("ar", "إذا: دائمًا")])
def test_when_a_step_applies_is_the_catalogue_s_english_but_always_is_not(client, language, always):
    edge = client.get("/catalogue/edges/ulmo/verawood/", headers={"accept-language": language}).content.decode()
    assert always in edge
    assert '<span lang="en" dir="ltr">MariaDB' in edge


def test_a_plan_may_be_a_month(client, bob, erin, repository, now):
    data = json.loads(RAW)
    data["lines"][-1]["planned"] = "2026-12"
    api.publish_catalogue(json.dumps(data).encode(), actor=actor_for(bob), second=actor_for(erin), now=now)
    assert (
        "prevista para diciembre de 2026"
        in client.get("/catalogue/", headers={"accept-language": "es-419"}).content.decode()
    )
