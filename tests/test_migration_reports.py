"""The whole way of a report of migrations: measured at one site, published by the commons, shown in another's plan."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood.site.upgrades.tests.conftest import Campus
from sapwood.site.upgrades.tests.test_rehearsal import ADD, PRICE

pytestmark = [pytest.mark.contract, pytest.mark.slow]
BIN = Path(sys.executable).parent

STOPPED = ("--waive", "workers.old_code=none runs")


class Installation:
    """A role in a folder of its own, worked on by commands."""

    def __init__(self, folder, role):
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "SAPWOOD_ROLE": role,
            "SAPWOOD_VAR": str(folder / "var"),
            "SAPWOOD_CHANNEL_FOLDER": str(folder / "channel"),
        }
        folder.mkdir()
        self.sapwood("migrate")

    def sapwood(self, *words):
        argv = [str(BIN / "sapwood"), *map(str, words), "--json"]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def campus(tmp_path):
    (tmp_path / "campus").mkdir()
    made = Campus(tmp_path / "campus")
    made.run(
        "old",
        """
        call_command("migrate", verbosity=0)
        Product.objects.bulk_create(Product(code=str(number), title="x") for number in range(12_000))
        """,
    )
    made.models("new", more=PRICE)
    made.migration("new", "0002_price", ADD)
    return made


def test_from_a_rehearsal_to_the_plan_of_another_site(campus, tmp_path):
    project, commons = Installation(tmp_path / "project", "site"), Installation(tmp_path / "commons", "commons")
    classified, bundle = tmp_path / "classified.json", tmp_path / "releases.bundle"
    project.sapwood("migrations", "classify", campus.subject, "--report", classified)
    project.sapwood("upgrade", "rehearse", campus.subject, "--report", tmp_path / "report")

    commons.sapwood("channel", "init")
    read_only = commons.sapwood("release", "report", "add", "verawood.1", classified, "--from", "ulmo.4")
    measured = commons.sapwood(
        "release", "report", "add", "verawood.1", tmp_path / "report" / "migrations.json", "--from", "ulmo.4"
    )
    assert (read_only["measured"], measured["measured"]) == (False, True)
    assert measured["longest"]["rows"] == 12_000
    commons.sapwood("channel", "sign")
    commons.sapwood("channel", "publish")
    commons.sapwood("channel", "bundle", bundle)

    site = Installation(tmp_path / "site", "site")
    root = tmp_path / "commons" / "channel" / "repository" / "metadata" / "1.root.json"
    site.sapwood("channel", "subscribe", "https://commons.example.org/channel", "--root", root, "--by-bundle")
    site.sapwood("channel", "pull", "--bundle", bundle)
    plan = site.sapwood("upgrade", "plan", campus.subject, *STOPPED)
    [hint] = plan["published"]
    assert (hint["app"], hint["name"], hint["rows"]) == ("shop", "0002_price", 12_000)
    assert hint["seconds_per_million"] == pytest.approx(measured["longest"]["seconds_per_million"], abs=0.001)
    assert (hint["previous"], hint["release"], hint["same_engine"]) == ("ulmo.4", "verawood.1", True)

    commons.sapwood("release", "report", "withdraw", measured["uuid"], "--reason", "The machine was busy.")
    commons.sapwood("channel", "sign")
    commons.sapwood("channel", "publish")
    commons.sapwood("channel", "bundle", bundle)
    site.sapwood("channel", "pull", "--bundle", bundle)
    assert site.sapwood("upgrade", "plan", campus.subject, *STOPPED)["published"] == []
