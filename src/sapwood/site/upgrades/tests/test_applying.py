"""The button and the way back: on a real database, with real hooks, killed wherever a journal can be written."""

import json
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.core.models import AuditRow
from sapwood.site.upgrades import cli
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.models import UpgradeRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ADDS = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
FILLS = """
from django.db import migrations
def fill(apps, schema_editor):
    apps.get_model("shop", "Product").objects.update(price=5)
class Migration(migrations.Migration):
    dependencies = [("shop", "0002_adds")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
"""
TAKES = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = [("shop", "0003_fills")]
    operations = [migrations.RemoveField("Product", "title")]
"""
HOOK = """#!/bin/sh
echo "$SAPWOOD_HOOK $SAPWOOD_TO" >> hooks.txt
case $SAPWOOD_HOOK in
maintenance_on) touch closed ;;
maintenance_off) rm -f closed ;;
switch) echo "$SAPWOOD_TO" > running ;;
esac
test ! -e "fail-$SAPWOOD_HOOK"
"""
NEW_MODELS = {"more": "    price = models.IntegerField(null=True)\n"}


class Site:
    """A campus about to be upgraded, its hooks, and what an operator types."""

    def __init__(self, campus, report):
        self.campus, self.report = campus, report
        (campus.folder / "hook").write_text(HOOK)
        (campus.folder / "hook").chmod(0o755)
        hooks = "".join(
            f'{name} = ["./hook"]\n' for name in ("stop", "start", "switch", "maintenance_on", "maintenance_off")
        )
        campus.subject.write_text(campus.subject.read_text() + "[hooks]\n" + hooks)
        campus.migration("new", "0002_adds", ADDS)
        campus.migration("new", "0003_fills", FILLS)
        campus.models("new", **NEW_MODELS)

    def run(self, *words, code=None):
        name, *rest = words
        done = CliRunner().invoke(cli.upgrade, [name, str(self.campus.subject), *map(str, rest), "--json"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        if code is not None:
            assert done.exit_code == code, done.output + done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else done.stderr

    def rehearse(self):
        found = self.run("rehearse", "--report", self.report, code=0)
        return found["certificate"]

    def hooks(self):
        path = self.campus.folder / "hooks.txt"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    @property
    def closed(self):
        return (self.campus.folder / "closed").exists()

    @property
    def fingerprint(self):
        url = DatabaseUrl("sqlite3", str(self.campus.database))
        return dict(engine_for(url).fingerprint(url))

    def prices(self):
        with sqlite3.connect(self.campus.database) as connection:
            return {price for (price,) in connection.execute("SELECT price FROM shop_product")}


@pytest.fixture
def site(campus, tmp_path, settings, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    return Site(campus, tmp_path / "report")


def test_an_upgrade_with_its_certificate_ends_with_the_new_release_open(site):
    certificate = site.rehearse()
    done = site.run("apply", "--certificate", certificate, code=0)
    assert done["stage"] == "done"
    assert site.prices() == {5}
    assert not site.closed
    assert (site.campus.folder / "running").read_text() == "target\n"
    assert [line.split()[0] for line in site.hooks()] == ["maintenance_on", "stop", "switch", "start", "maintenance_off"]
    assert 0 < done["downtime_s"] < 600
    row = UpgradeRun.objects.get()
    assert (row.stage, row.downtime_s) == ("done", done["downtime_s"])
    events = [line.details["step"] for line in row.lines.filter(event="done").order_by("seq")]
    assert events == [
        "base_backup", "early", "maintenance_on", "stop", "quiet", "final_backup", "migrate", "switch", "start",
        "check", "maintenance_off",
    ]  # fmt: skip
    actions = set(AuditRow.objects.values_list("action", flat=True))
    assert {"upgrades.begin", "upgrades.done"} <= actions
    [past] = site.run("history", code=0)
    assert past["predicted_downtime_s"]["low"] <= past["predicted_downtime_s"]["high"]
