"""What every driver must do, whatever kind of deployment it knows. A further driver is one more line in SAMPLES."""

import datetime as dt
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.site.upgrades import subject as subjects
from sapwood.site.upgrades.data import Subject, Verdict
from sapwood.site.upgrades.drivers.base import KINDS, WHEN, Asked, Driver
from sapwood.site.upgrades.drivers.registry import DRIVERS, driver_of
from sapwood.site.upgrades.preflight import Outcome
from sapwood.site.upgrades.subject import read_subject
from sapwood.site.upgrades.tests import tutor_sites

pytestmark = pytest.mark.slow
NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


def campus(request: pytest.FixtureRequest) -> Path:
    made = request.getfixturevalue("campus")
    made.migration("new", "0002_note", ADDS)
    return made.subject


def tutor_site(request: pytest.FixtureRequest) -> Path:
    return tutor_sites.pretended(request.getfixturevalue("tmp_path") / "site")


SAMPLES: dict[str, Callable[[pytest.FixtureRequest], Path]] = {
    "django": campus,
    "tutor": tutor_site,
}
ADDS = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Product", "note", models.TextField(null=True))]
"""


@pytest.fixture(params=sorted(SAMPLES))
def given(request, tmp_path, db):
    subject = read_subject(SAMPLES[request.param](request))
    work = tmp_path / "work"
    return subject, driver_of(subject), Asked(work, NOW, {"ENGINE": "django.db.backends.sqlite3"}, catalogue=SHIPPED)


def test_every_driver_has_a_sample_and_a_word_in_the_subject_file():
    assert sorted(SAMPLES) == sorted(DRIVERS) == sorted(subjects.DRIVERS)
    assert all(driver.name == name for name, driver in DRIVERS.items())


def test_every_driver_has_every_method_of_the_contract():
    methods = [name for name, value in vars(Driver).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert len(methods) == 10
    for driver in DRIVERS.values():
        for name in methods:
            own = inspect.signature(getattr(type(driver), name))
            assert list(own.parameters) == list(inspect.signature(getattr(Driver, name)).parameters)
            assert getattr(type(driver), name) is not getattr(Driver, name)


def test_the_page_on_drivers_names_every_method():
    page = (Path(__file__).parents[5] / "docs" / "reference" / "drivers.md").read_text()
    methods = [name for name, value in vars(Driver).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert [name for name in methods if f"| `{name}` |" not in page] == []
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []


def test_the_facts_are_json_and_name_both_sides(given):
    subject, driver, asked = given
    found = json.loads(json.dumps(driver.facts(subject, asked)))
    assert {"current", "target"} <= set(found)


def test_every_store_has_a_way_back_or_says_why_not(given):
    subject, driver, asked = given
    stores = driver.stores(subject, asked)
    assert {"sql", "uploads", "configuration"} <= {store.kind for store in stores} <= set(KINDS)
    assert len({store.name for store in stores}) == len(stores)
    for store in stores:
        way = (store.backup, store.restore, store.verify)
        assert all(way) if not store.no_way_back else not any(way), store
        assert (store.size_bytes is None) == bool(store.size_why), store
        json.dumps(store.to_dict())


def test_every_command_is_words_with_a_reason_and_a_source(given):
    subject, driver, asked = given
    commands = driver.commands(subject, asked)
    assert len({command.id for command in commands}) == len(commands) > 0
    for command in commands:
        assert command.when in WHEN
        assert command.title
        assert command.reason
        assert command.source
        assert all(isinstance(word, str) and "\0" not in word for word in command.argv)
        assert command.automated == bool(command.argv)
        json.dumps(command.to_dict())
    assert any(command.automated for command in commands)


def test_what_was_never_run_is_never_a_go(given):
    subject, driver, asked = given
    found = driver.plan(subject, asked)
    if any(command.unverified for command in driver.commands(subject, asked)):
        assert found.verdict is not Verdict.GO


def test_a_plan_is_the_same_twice_and_changes_nothing(given):
    subject, driver, asked = given
    before = _everything(subject)
    first, second = driver.plan(subject, asked), driver.plan(subject, asked)
    assert first.data["digest"] == second.data["digest"]
    assert first.lines
    json.dumps(first.data, default=str)
    assert _everything(subject) == before
    assert not list(asked.work.glob("shadow-*"))


def test_preflight_findings_have_names_of_their_own(given):
    subject, driver, asked = given
    found = driver.preflight(subject, asked)
    names = [finding.name for finding in found.findings]
    assert len(set(names)) == len(names) > 0
    assert all(finding.outcome in Outcome and finding.detail for finding in found.findings)
    if found.verdict is Outcome.FAIL:
        assert driver.plan(subject, asked).verdict is Verdict.NO_GO


def _everything(subject: Subject) -> dict[str, bytes]:
    folder = subject.path.parent
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and "work" not in path.relative_to(folder).parts[:1]
    }
