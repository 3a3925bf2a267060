"""What migrations mean and cost: written from a subject, from folders, from a rehearsal; what others published."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from django.urls import reverse
from tests.simulator import NOW, URL, SimulatedCommons

from sapwood.accounts.api import Role, create_person
from sapwood.channel import api as channel
from sapwood.core.clock import FixedClock, system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import SapwoodError
from sapwood.core.worker import run_worker
from sapwood.formats.documents import document_bytes, parse_document
from sapwood.formats.migration_report import MigrationReport, Step
from sapwood.formats.retraction import Retraction
from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.history.tests.repositories import Repository
from sapwood.site.upgrades import api, offers, requests
from sapwood.site.upgrades.cli import migrations, upgrade
from sapwood.site.upgrades.models import Kind
from sapwood.site.upgrades.tests.test_rehearsal import ADD, PRICE
from sapwood.site.upgrades.tests.tutor_sites import pretended

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
STOPPED = ("--waive", "workers.old_code=none runs")
UUID_OF_REPORT = UUID("6f7e3bb2-53a5-4a7e-9d60-0e6f6a1f3b01")


@pytest.fixture(autouse=True)
def var(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))


@pytest.fixture
def priced(campus):
    """A campus whose next release adds a price."""
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    return campus


def run(command, *arguments, code=0):
    result = CliRunner().invoke(command, [*map(str, arguments), "--json"])
    if isinstance(result.exception, SapwoodError):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def report_in(path):
    return parse_document(Path(path).read_bytes())


def test_a_subject_two_folders_and_two_commits_give_the_same_report(priced, tmp_path):
    files = {name: tmp_path / f"{name}.json" for name in ("subject", "folders", "commits")}
    run(migrations, "classify", priced.subject, "--report", files["subject"])
    sides = [priced.folder / f"code-{side}" for side in ("old", "new")]
    listed = run(migrations, "classify", "--packages", *sides, "--report", files["folders"])
    repository = Repository(tmp_path / "clone")
    for side in sides:
        repository.commit(side.name, {str(one.relative_to(side)): one.read_bytes() for one in side.rglob("*.py")})
    run(
        migrations, "classify", "--repo", repository.path, "--from", "HEAD~", "--to", "HEAD", "--report",
        files["commits"],
    )  # fmt: skip
    subject, folders, commits = (report_in(path) for path in files.values())
    [step] = subject.migrations
    assert (step.label, step.classes, step.operations[0].kind) == ("shop.0002_price", ("expand",), "AddField")
    assert subject.migrations == folders.migrations == commits.migrations
    assert (subject.measured, subject.engines) == (False, {})
    assert [one["name"] for one in listed] == ["0002_price"]


@pytest.mark.parametrize(
    "words", [[], ["--repo", "x"], ["--repo", "x", "--from", "a"], ["x.toml", "--packages", "a", "b"]]
)
def test_exactly_one_thing_is_classified(words):
    with pytest.raises(SapwoodError) as refused:
        run(migrations, "classify", *words)
    assert refused.value.exit_code == 2


def test_a_rehearsal_leaves_what_it_measured_beside_its_report(priced, tmp_path):
    run(upgrade, "rehearse", priced.subject, "--report", tmp_path / "report")
    report = report_in(tmp_path / "report" / "migrations.json")
    [step] = report.migrations
    assert (step.label, step.classes, step.rows, step.failed) == ("shop.0002_price", ("expand",), 100, False)
    assert 0 <= step.sql_seconds <= step.seconds
    assert any("ADD COLUMN" in statement.sql for statement in step.statements)
    assert report.engines["default"].startswith("sqlite ")
    assert report.longest is None, "a hundred rows say nothing of a million"


# --- what others published ------------------------------------------------------------------------------------------


@pytest.fixture
def releases(db):
    """This site's subscription to a commons' channel `releases`."""
    return Releases(SimulatedCommons())


class Releases:
    def __init__(self, commons):
        self.commons = commons
        self.row = channel.subscribe(
            URL, root=commons.first_root, actor=Actor.command(), now=NOW, name="openedx", channels=["releases"]
        )

    def publish(self, *documents):
        self.commons.publish(*(document_bytes(document) for document in documents), channel="releases")
        pulled = channel.pull(self.row, http=self.commons, clock=FixedClock(self.commons.now))
        assert pulled.good, pulled.errors


def published_report(engine="sqlite 3.40", **changes):
    known = {"rows": 200_000, "seconds": 5.0, "sql_seconds": 4.0, **changes}
    return MigrationReport(
        uuid=UUID_OF_REPORT,
        revision=1,
        channel="releases",
        made_at=NOW,
        sapwood="0.1.0",
        previous="ulmo.4",
        release="verawood.1",
        engines={"default": engine},
        migrations=(Step(app="shop", name="0002_price", classes=("expand",), **known),),
    )


def hints(campus):
    return run(upgrade, "plan", campus.subject, *STOPPED)["published"]


def test_a_plan_shows_what_the_project_measured_and_is_what_it_was(priced, releases):
    before = run(upgrade, "plan", priced.subject, *STOPPED)
    assert before["published"] == []
    releases.publish(published_report())
    after = run(upgrade, "plan", priced.subject, *STOPPED)
    [hint] = after["published"]
    assert (hint["name"], hint["seconds_per_million"], hint["same_engine"]) == ("0002_price", 20.0, True)
    other = {"published": [], "preflight": 0, "estimates": 0}  # what is free on a disk changes by the minute
    assert {**after, **other} == {**before, **other}
    said = CliRunner().invoke(upgrade, ["plan", str(priced.subject)]).output
    assert "the project measured: longest step 20.0 s per million rows (shop.0002_price, ulmo.4 > verawood.1" in said


@pytest.mark.parametrize(
    "report",
    [
        published_report(rows=100),
        published_report(sha256="1" * 64),
        published_report(failed=True),
        replace(published_report(), engines={}),
        replace(published_report(), channel="releases", migrations=(Step(app="x", name="y", classes=("data",)),)),
    ],
)
def test_what_is_not_of_this_plan_or_was_not_measured_is_no_hint(priced, releases, report):
    releases.publish(report)
    assert hints(priced) == []


def test_a_measure_on_the_same_kind_of_server_goes_before_another(priced, releases):
    releases.publish(published_report("mysql 10.11", rows=20_000))
    [hint] = hints(priced)
    assert (hint["engine"], hint["same_engine"]) == ("mysql 10.11", False)
    assert "your server is of another kind" in CliRunner().invoke(upgrade, ["plan", str(priced.subject)]).output
    releases.publish(replace(published_report(), uuid=uuid4()))
    [hint] = hints(priced)
    assert (hint["engine"], hint["same_engine"]) == ("sqlite 3.40", True)


def test_the_newest_revision_counts_until_it_is_taken_back(priced, releases):
    releases.publish(published_report(), replace(published_report(sql_seconds=2.0), revision=2))
    assert [hint["seconds_per_million"] for hint in hints(priced)] == [10.0]
    word = Retraction(uuid=uuid4(), revision=1, channel="releases", retracts=UUID_OF_REPORT, reason="Busy machine.")
    releases.publish(word)
    assert hints(priced) == []


def test_a_tutor_site_sees_the_longest_step_of_each_way_that_it_goes(tmp_path, releases):
    subject = pretended(tmp_path / "site")

    def plan():
        result = CliRunner().invoke(upgrade, ["plan", str(subject), "--catalogue", str(SHIPPED), "--json"])
        return json.loads(result.stdout)

    before = plan()
    way = replace(published_report("mysql 10.11"), previous="teak.3", release="ulmo.4")
    releases.publish(way, replace(published_report("mysql 8.4"), uuid=uuid4()))
    after = plan()
    [hint] = after["published"]
    assert (hint["previous"], hint["release"], hint["same_engine"]) == ("teak.3", "ulmo.4", True)
    assert (after["verdict"], after["digest"]) == (before["verdict"], before["digest"])


@pytest.mark.parametrize(("language", "word"), [("en", "What the project measured"), ("es-419", "Lo que midió")])
def test_the_page_of_the_plan_shows_it_too(client, priced, releases, monkeypatch, language, word):
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(priced.subject))
    now = system_clock().now()
    alice = create_person("alice@riverside.example", actor=Actor.command(), now=now, roles=[Role.SITE_ADMINISTRATOR])
    place = offers.key_of(priced.subject.resolve())
    client.force_login(alice)
    address = reverse("upgrades:plan", args=[place])
    releases.publish(published_report("mysql 10.11"))
    requests.ask(api.read_subject(priced.subject), Kind.LOOK, by=alice, now=now)
    run_worker(clock=system_clock(), once=True)
    page = client.get(address, headers={"accept-language": language}).text
    assert word in page
    assert "20\xa0s" in page
    assert "mysql 10.11" in page.replace("<wbr>", "")
