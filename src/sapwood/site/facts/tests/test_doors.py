"""Pages, front page, REST and commands."""

import json

import pytest
from click.testing import CliRunner
from django.test import RequestFactory

from sapwood.console import registry
from sapwood.core import audit
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.core.models import AuditRow
from sapwood.core.worker import run_worker
from sapwood.formats.tests.catalogue_cases import SHIPPED, small_data
from sapwood.site.facts import api, panels
from sapwood.site.facts.cli import site
from sapwood.site.facts.models import FactsSnapshot
from sapwood.site.facts.tests.tutor_roots import config, make_root

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today(monkeypatch, now):
    for module in ("panels", "views", "rest", "cli"):
        monkeypatch.setattr(f"sapwood.site.facts.{module}.system_clock", lambda: FixedClock(now))


@pytest.fixture
def exposed_site(releases, facts_file, now):
    facts_file(inferred_release="birch.2", mismatches=[{"code": "x", "message": "Two files disagree"}])
    releases.publish()
    api.refresh(actor=Actor.command(), now=now)


def request_of(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_the_front_page_shows_the_release_the_exposure_and_the_way(client, alice, exposed_site):
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "birch.2" in page
    assert "unsupported since 15 Jan 2026" in page
    assert "Security: one fix affects you, public since 243 days" in page
    assert "1 hop · 1 step · 0 risks apply · 3 to check by hand" in page


def test_needs_put_missing_fixes_first(alice, exposed_site):
    found = list(panels.needs(request_of(alice)))
    assert [(need.severity, need.url) for need in found] == [("high", "/release/"), ("medium", "/release/")]


def test_a_site_that_cannot_be_inspected_raises_its_hand(alice, facts_file, now):
    facts_file().write_text("{")
    api.look(actor=Actor.command(), now=now)
    found = list(panels.needs(request_of(alice)))
    assert [need.severity for need in found] == ["medium"]
    assert "could not be inspected" in str(found[0].text)


def test_the_page_holds_every_detail(client, alice, exposed_site):
    client.force_login(alice)
    page = client.get("/release/").content.decode()
    for text in (
        "ADV-1",
        "A hole",
        "2.0.4",
        "birch",
        "cedar",
        "Back up",
        "check by hand",
        "MariaDB",
        "Two files disagree",
    ):
        assert text in page, text


def test_the_page_before_anything_is_known_says_what_to_do(client, alice):
    client.force_login(alice)
    response = client.get("/release/")
    assert response.status_code == 200
    assert "SAPWOOD_TUTOR_ROOT" in response.content.decode()


def test_the_page_of_an_unknown_release_says_unknown(client, alice, releases, facts_file, now):
    facts_file(database={"engine": "mysql"})
    releases.publish()
    api.refresh(actor=Actor.command(), now=now)
    client.force_login(alice)
    assert "release unknown" in client.get("/release/").content.decode()


def test_texts_of_a_catalogue_are_escaped(client, alice, releases, facts_file, now):
    facts_file(inferred_release="birch.2")
    data = small_data()
    data["advisories"][0]["title"] = "<script>alert(1)</script>"
    data["edges"][1]["steps"][1]["title"] = "<img src=x onerror=alert(1)>"
    releases.publish(advisories=data["advisories"], edges=data["edges"])
    api.refresh(actor=Actor.command(), now=now)
    client.force_login(alice)
    page = client.get("/release/").content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("path", ["/release/", "/api/v1/facts", "/api/v1/exposure"])
def test_instructors_and_strangers_see_nothing(client, carol, path, exposed_site):
    assert client.get(path).status_code in {302, 401, 403}
    client.force_login(carol)
    assert client.get(path).status_code == 403
    registry_panel = panels.panel(request_of(carol))
    assert registry_panel is None
    assert list(panels.needs(request_of(carol))) == []


def test_an_auditor_reads_but_does_not_have_the_site_inspected(client, erin, exposed_site):
    client.force_login(erin)
    assert client.get("/release/").status_code == 200
    assert client.post("/release/look").status_code == 403


def test_the_administrator_has_the_site_inspected_now(client, alice, facts_file, now):
    facts_file(inferred_release="cedar.2")
    client.force_login(alice)
    assert client.get("/release/look").status_code == 405
    begun = {client.post("/release/look")["Location"] for _ in range(2)}
    assert len(begun) == 1
    run_worker(clock=FixedClock(now), once=True)
    assert "finished" in client.get(*begun).text
    assert FactsSnapshot.objects.get().document["inferred_release"] == "cedar.2"
    row = AuditRow.objects.get(action="facts.recorded")
    assert audit.names({row.actor_ref}) == {row.actor_ref: alice.name}


def test_who_waits_for_the_inspection_is_told_why_it_failed(client, alice, facts_file, now):
    facts_file().write_text("{nonsense")
    client.force_login(alice)
    begun = client.post("/release/look")["Location"]
    run_worker(clock=FixedClock(now), once=True)
    page = client.get(begun).text
    assert "stopped" in page
    assert "What was known before still stands." in page


def test_looking_with_nothing_configured_says_so(client, alice):
    client.force_login(alice)
    assert "SAPWOOD_TUTOR_ROOT" in client.post("/release/look", follow=True).content.decode()


def test_rest_gives_facts_and_exposure(client, alice, exposed_site):
    client.force_login(alice)
    assert client.get("/api/v1/facts").json()["inferred_release"] == "birch.2"
    assert client.get("/api/v1/exposure").json()["verdict"] == "exposed"
    assert client.get("/api/v1/exposure?as_of=2026-01-01").json()["supported"] is True
    wrong = client.get("/api/v1/exposure?as_of=soon")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "core.usage")


def test_rest_without_facts_is_a_404_that_says_what_to_do(client, alice):
    client.force_login(alice)
    response = client.get("/api/v1/facts")
    assert (response.status_code, response.json()["code"]) == (404, "core.not_found")


def test_the_menu_names_the_page_for_those_who_may(alice, carol):
    assert "release" in [item.slug for item in registry.menu(request_of(alice))]
    assert "release" not in [item.slug for item in registry.menu(request_of(carol))]


def run(*args):
    return CliRunner().invoke(site, [str(arg) for arg in args])


def test_inspect_prints_facts_in_both_forms(tmp_path):
    root = make_root(tmp_path / "root")
    data = json.loads(run("inspect", "--tutor-root", root, "--json").output)
    assert (data["tutor_version"], data["inferred_release"]) == ("20.0.3", "teak.3")
    assert "site_count" in data["why"]
    assert "teak.3" in run("inspect", "--tutor-root", root).output


@pytest.mark.parametrize(
    ("release", "as_of", "code"),
    [
        ("teak.3", "2026-11-22", 3),
        ("teak.3", "2025-12-01", 0),
        ("verawood.1", "2026-11-22", 0),
        ("verawood.1", "2026-12-24", 4),
    ],
)
def test_exposure_says_by_its_exit_code_how_it_stands(tmp_path, release, as_of, code):
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"inferred_release": release}))
    result = run("exposure", "--facts", facts, "--catalogue", SHIPPED, "--as-of", as_of, "--json")
    assert result.exit_code == code
    assert json.loads(result.output)["release"] == release


def test_exposure_of_a_tutor_root_lists_fixes_and_the_way(tmp_path):
    result = run(
        "exposure", "--tutor-root", make_root(tmp_path / "root"), "--catalogue", SHIPPED, "--as-of", "2026-11-22"
    )
    assert result.exit_code == 3
    assert "unsupported since 2026-01-15" in result.output
    assert "GHSA-rh64-vc2h-7wfj (critical), public since 341 days" in result.output
    assert "teak > ulmo > verawood" in result.output


def test_a_fork_is_unknown_and_unsupported(tmp_path):
    parts = {"config.yml": config(MOUNTS=["/src/edx-platform"])}
    result = run(
        "exposure",
        "--tutor-root",
        make_root(tmp_path / "r", **parts),
        "--catalogue",
        SHIPPED,
        "--as-of",
        "2026-11-22",
        "--json",
    )
    data = json.loads(result.output)
    assert (data["release"], data["line"], data["release_kind"], data["advisories"]) == (None, "teak", "fork", [])
    assert data["advisories_unknown"]
    assert result.exit_code == 3


def test_a_release_that_cannot_be_told_exits_4(tmp_path):
    facts = tmp_path / "facts.json"
    facts.write_text("{}")
    result = run("exposure", "--facts", facts, "--catalogue", SHIPPED, "--json")
    assert (result.exit_code, json.loads(result.output)["verdict"]) == (4, "unknown")


def test_without_a_catalogue_file_the_newest_received_one_is_used(tmp_path, releases):
    releases.publish()
    facts = tmp_path / "facts.json"
    facts.write_text('{"inferred_release": "birch.2"}')
    assert run("exposure", "--facts", facts).exit_code == 3


@pytest.mark.parametrize(
    "args",
    [
        ["exposure"],
        ["exposure", "--facts", "a", "--tutor-root", "b"],
        ["exposure", "--facts", "/nowhere/facts.json", "--catalogue", str(SHIPPED)],
        ["exposure", "--facts", str(SHIPPED), "--catalogue", "/nowhere"],
        ["inspect", "--tutor-root", "/nowhere"],
    ],
)
def test_wrong_words_are_one_error_and_no_traceback(args):
    from sapwood.core.errors import SapwoodError

    assert isinstance(run(*args).exception, SapwoodError)
