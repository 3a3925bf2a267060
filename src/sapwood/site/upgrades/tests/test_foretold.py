"""What was foretold is kept and held against what came true, by command and on its page."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner
from django.urls import reverse
from tests.people import sign_in

from sapwood.accounts.api import Role, create_person
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.site.upgrades import api, cli, foretold, offers, queries
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.actions import mirror as mirror_run
from sapwood.site.upgrades.forecasting import ENOUGH
from sapwood.site.upgrades.foretold import Foretold, Outcome, compare, labels_of, latest_ratios
from sapwood.site.upgrades.models import ForecastRecord

pytestmark = pytest.mark.django_db

NIGHT = dt.datetime(2026, 11, 20, 2, tzinfo=dt.UTC)
LABELS = ["shop.0002_price", "shop.0003_code"]
PLAN = "ab" * 32
BACK = {"low": 8.0, "likely": 10.0, "high": 15.0}


def interval(likely, low=0.8, high=1.5):
    return {"low": likely * low, "likely": likely, "high": likely * high}


def forecast(hours, likely, technique="physical", labels=LABELS):
    at = NIGHT + dt.timedelta(hours=hours)
    intervals = {"downtime": interval(likely), "rollback": BACK}
    return Foretold(f"f{hours}", at, technique, PLAN, labels_of(labels, PLAN), "go", intervals)


def took(hours, downtime=None, rollback=None, likely=None, labels=LABELS):
    certified = {"downtime": interval(likely) if likely else None, "rollback": BACK if likely else None}
    at = NIGHT + dt.timedelta(hours=hours)
    return Outcome(
        f"run{hours}", at, labels_of(labels, PLAN), {"downtime": downtime, "rollback": rollback}, {}, certified
    )


def test_a_forecast_is_answered_by_the_first_upgrade_after_it_of_the_same_migrations():
    found = compare(
        [forecast(0, 50.0, "sample"), forecast(1, 60.0), forecast(9, 70.0)],
        [took(5, 66.0, likely=60.0), took(6, 1.0, labels=["shop.0002_price"]), took(8, 99.0)],
    )
    assert [(one.technique, one.likely, one.actual, one.run) for one in found] == [
        ("sample", 50.0, 66.0, "run5"),
        ("physical", 60.0, 66.0, "run5"),
    ]
    assert [one.inside for one in found] == [True, True]


def test_a_plan_that_lists_no_migrations_is_answered_by_that_very_plan_only():
    """A Tutor site's: what runs is known while it runs."""
    assert labels_of([], PLAN) == labels_of([], PLAN) != labels_of([], "cd" * 32)


def test_a_certificate_counts_where_its_rehearsal_was_not_kept():
    [one] = compare([], [took(5, 66.0, likely=30.0)])
    assert (one.technique, one.likely, one.actual, one.inside) == ("certificate", 30.0, 66.0, False)


def test_a_way_back_is_held_against_its_own_forecast():
    [one] = compare([forecast(0, 50.0)], [took(5, None, 12.0)])
    assert (one.what, one.likely, one.actual) == ("rollback", 10.0, 12.0)


def test_only_the_last_forecast_before_an_upgrade_teaches_and_samples_teach_samples():
    found = compare(
        [forecast(0, 10.0), forecast(1, 20.0), forecast(2, 5.0, "sample")], [took(5, 30.0), took(6, 30.0, likely=15.0)]
    )
    assert latest_ratios(found, sampled_=False) == {"downtime": [1.5, 2.0], "rollback": []}
    assert latest_ratios(found, sampled_=True) == {"downtime": [6.0], "rollback": []}


class Deployment:
    """A campus whose past is written into its journals."""

    def __init__(self, campus, work):
        self.subject, self.work = api.read_subject(campus.subject), work

    @property
    def file(self):
        return journals.home(self.subject, self.work) / foretold.FORECASTS

    def upgraded(self, number, likely, downtime_s):
        """An upgrade that was foretold, and what it took."""
        at = NIGHT - dt.timedelta(days=100 - number)
        one = Foretold(
            f"{number:032}", at, "physical", PLAN, labels_of(LABELS, PLAN), "go",
            {"downtime": interval(likely), "rollback": BACK},
        )  # fmt: skip
        journals.append(self.file, json.dumps(one.to_dict()).encode() + b"\n")
        run = journals.begin(self.subject, self.work, Fixed(at + dt.timedelta(hours=1)))
        run.write(
            "begun", subject="campus", path=str(self.subject.path), plan=PLAN, actor="x", early=[], rest=LABELS,
            postponed=[], predicted_downtime_s=interval(likely), predicted_rollback_s=BACK,
        )  # fmt: skip
        run.write("started", step="maintenance_on")
        run.write("done", step="maintenance_off", seconds=0.1)
        run.write("finished", downtime_s=downtime_s)
        mirror_run(self.subject, run, system_clock(), busy=False)


class Fixed:
    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at


@pytest.fixture
def deployment(campus, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SAPWOOD_UPGRADE_SUBJECTS", str(campus.subject))
    return Deployment(campus, tmp_path / "var" / "site" / "upgrades")


@pytest.mark.slow
def test_a_rehearsal_is_kept_and_its_interval_rests_on_what_earlier_ones_were_worth(deployment, campus):
    found = api.rehearse(deployment.subject, work=deployment.work, now=NIGHT)
    assert found.to_dict()["interval_basis"]["downtime"]["rests_on"] == "assumption"
    for number in range(ENOUGH):
        deployment.upgraded(number, 10.0, 24.0)
    found = api.rehearse(deployment.subject, work=deployment.work, now=NIGHT + dt.timedelta(hours=1))
    basis = found.to_dict()["interval_basis"]["downtime"]
    assert (basis["rests_on"], basis["comparisons"]) == ("both", ENOUGH)
    times = found.to_dict()["predicted_downtime_s"]
    assert times["high"] == pytest.approx(2.4 * times["likely"], rel=0.01)
    kept = ForecastRecord.objects.order_by("at")
    assert kept.count() == ENOUGH + 2
    assert kept.last().intervals["downtime"] == times
    # A database that lost them is told again by the file.
    ForecastRecord.objects.all().delete()
    foretold.mirror(
        deployment.subject, foretold.read(journals.home(deployment.subject, deployment.work) / foretold.FORECASTS)
    )
    assert ForecastRecord.objects.count() == ENOUGH + 2


def test_the_history_shows_every_forecast_against_what_came_true(deployment, campus, client):
    deployment.upgraded(0, 10.0, 12.0)
    deployment.upgraded(1, 10.0, 24.0)
    done = CliRunner().invoke(cli.upgrade, ["history", str(campus.subject), "--json"])
    rows = json.loads(done.stdout)
    assert [[one["actual"] for one in row["forecasts"]] for row in rows] == [[24.0], [12.0]]
    assert [row["forecasts"][0]["inside"] for row in rows] == [False, True]
    foretold.mirror(
        deployment.subject, foretold.read(journals.home(deployment.subject, deployment.work) / foretold.FORECASTS)
    )
    place = offers.key_of(campus.subject.resolve())
    assert [one.actual for one in queries.comparisons(place)] == [12.0, 24.0]
    person = create_person("alice@riverside.example", actor=Actor.command(), now=NIGHT, roles=[Role.SITE_ADMINISTRATOR])
    page = sign_in(client, person).get(reverse("upgrades:history", args=[place])).content.decode()
    assert "<svg" in page
    assert "chart-twin" in page
    assert page.count("on a full copy") >= 2
    assert "outside" in page


def test_a_line_that_a_crash_cut_off_is_no_forecast(deployment):
    deployment.upgraded(0, 10.0, 12.0)
    deployment.file.write_bytes(deployment.file.read_bytes() + b'{"key": "half')
    assert len(foretold.read(deployment.file)) == 1
