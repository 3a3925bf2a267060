"""`sapwood upgrade rehearse` for a project whose data is on a database server."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.site.checks.tests.packs import Packs
from sapwood.site.upgrades import api, rehearsing
from sapwood.site.upgrades.cli import migrations, upgrade
from sapwood.site.upgrades.drivers import django
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.scratch import sweep
from sapwood.site.upgrades.tests.conftest import Campus, opened
from sapwood.site.upgrades.tests.test_suites import with_web

pytestmark = pytest.mark.slow

ADD = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
PRICE = "    price = models.IntegerField(null=True)\n"
LONGER = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0002_price")]
        operations = [migrations.AlterField("Product", "title", models.TextField(null=True))]
"""
SQL = """
    from django.db import migrations
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.RunSQL({statements!r})]
"""


@pytest.fixture(params=["mariadb", "postgresql"])
def campus(request, tmp_path):
    (tmp_path / "campus").mkdir()
    return opened(Campus(tmp_path / "campus", request.getfixturevalue(request.param)))


@pytest.fixture
def rehearse(campus, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def invoke(code):
        engine = engine_for(campus.url)
        before = engine.fingerprint(campus.url)
        result = CliRunner().invoke(
            upgrade, ["rehearse", str(campus.subject), "--report", str(tmp_path / "report"), "--json"]
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        assert engine.fingerprint(campus.url) == before
        assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
        assert (campus.url.password or "no password") not in result.output
        return json.loads(result.stdout)

    return invoke


def test_an_upgrade_that_works_is_a_go_by_the_fastest_technique(campus, rehearse):
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    found = rehearse(0)
    assert found["verdict"] == "go"
    [row] = found["migrations"]
    assert row["outcome"] == "done"
    assert row["algorithms"] == {"mysql": ["INSTANT"], "postgresql": ["ACCESS EXCLUSIVE"]}[campus.url.vendor]
    assert found["shadow_technique"] == "physical"
    assert found["technique_why"]
    assert found["predicted_rollback_s"]["likely"] > 0


def test_what_each_migration_would_do_on_this_server_is_told_without_a_rehearsal(campus, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    campus.models("new", more=PRICE, title="models.TextField(null=True)")
    campus.migration("new", "0002_price", ADD)
    campus.migration("new", "0003_title", LONGER)
    execute(campus.url, "ANALYZE" + " TABLE shop_product" * (campus.url.vendor == "mysql"))
    before = engine_for(campus.url).fingerprint(campus.url)
    done = CliRunner().invoke(migrations, ["classify", str(campus.subject), "--json"])
    assert done.exit_code == 0, done.output
    added, longer = json.loads(done.stdout)
    quick, slow = {"mysql": ("INSTANT", "COPY"), "postgresql": ("ACCESS EXCLUSIVE", "ACCESS EXCLUSIVE")}[
        campus.url.vendor
    ]
    [statement] = added["statements"]
    assert (statement["algorithm"], added["classes"], added["blocks_writes"]) == (quick, ["expand"], False)
    assert "ADD COLUMN" in statement["sql"]
    assert (added["tables"], added["rows"], added["reversible"]) == (["shop_product"], 100, True)
    assert added["size_bytes"] > 0
    assert longer["statements"][0]["algorithm"] == slow
    assert longer["blocks_writes"] is (campus.url.vendor == "mysql")
    assert engine_for(campus.url).fingerprint(campus.url) == before
    assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
    lines = CliRunner().invoke(migrations, ["classify", str(campus.subject)]).output
    assert f"{quick}: ALTER TABLE" in lines
    assert "100 rows" in lines


def test_a_migration_that_fails_half_way_is_a_no_go_with_its_statement(campus, rehearse):
    alters = [
        # A needed value without a default: PostgreSQL refuses that where rows are.
        f"ALTER TABLE shop_product ADD COLUMN one INTEGER{' NOT NULL' if campus.url.vendor == 'mysql' else ''}",
        "ALTER TABLE shop_product DROP COLUMN nothing",
        "ALTER TABLE shop_product ADD COLUMN three INTEGER",
    ]
    campus.migration("new", "0002_alters", SQL.format(statements=alters))
    found = rehearse(3)
    [failure] = [row for row in found["failures"] if row["phase"] == "migrate"]
    assert (failure["name"], failure["statement"]) == ("0002_alters", alters[1])
    assert failure["error_code"] == {"mysql": 1091, "postgresql": "42703"}[campus.url.vendor]
    assert failure["half_done"] is (campus.url.vendor == "mysql")
    assert ("Do not run it again" in failure["remedy"]) is failure["half_done"]
    [failed] = [row for row in found["migrations"] if row["outcome"] == "failed"]
    assert failed["tables"] == ["shop_product"]
    assert isinstance(failed["bytes_delta"], int)
    wrong = [(row["model"], row["field"]) for row in found["checks"] if row["id"] == "models.schema" and row["detail"]]
    # Only where DDL is not taken back does the first statement stay: no model knows its column.
    assert wrong == ([("shop.Product", "one")] if campus.url.vendor == "mysql" else [])


@pytest.mark.parametrize("campus", ["mariadb"], indirect=True)
def test_a_green_upgrade_after_which_uuids_are_not_found_is_a_no_go(campus, rehearse):
    """Django 5 on MariaDB from 10.7 sends hyphened UUIDs; a column that stays char(32) holds none of them."""
    campus.run("old", "for one in Product.objects.all(): one.code = one.code.replace('-', ''); one.save()")
    execute(campus.url, "ALTER TABLE shop_product MODIFY code CHAR(32) NOT NULL")
    campus.models("new", code="models.UUIDField(unique=True)")
    campus.migration(
        "new",
        "0002_uuid",
        """
        from django.db import migrations, models
        class Migration(migrations.Migration):
            dependencies = [("shop", "0001_initial")]
            operations = [migrations.SeparateDatabaseAndState(
                state_operations=[migrations.AlterField("Product", "code", models.UUIDField(unique=True))])]
        """,
    )
    found = rehearse(3)
    assert [row["outcome"] for row in found["migrations"]] == ["done"]
    assert "shop.Product.code: 100 of 100 rows are not found by their own value" in found["reasons"]


def test_a_transaction_that_blocks_a_change_is_named_within_seconds(campus, rehearse, monkeypatch):
    monkeypatch.setattr(django, "LOCK_WAIT_S", 1)
    asked, ask = campus.folder / "asked", rehearsing.blockers_of
    monkeypatch.setattr(rehearsing, "blockers_of", lambda url: (ask(url), asked.touch())[0])
    campus.models("new", more=PRICE)
    campus.migration(
        "new",
        "0002_price",
        f"""
        from django.db import migrations, models
        import atexit, os, sys, time
        def stay():  # who is to be named stays until the coordinator has asked
            while not os.path.exists({str(asked)!r}):
                time.sleep(0.05)
        def forget(apps, schema_editor):
            atexit.register(stay)
            other = sys.forgotten = schema_editor.connection.copy()
            other.set_autocommit(False)
            other.cursor().execute("SELECT * FROM shop_product")
        class Migration(migrations.Migration):
            atomic = False
            dependencies = [("shop", "0001_initial")]
            operations = [migrations.RunPython(forget),
                          migrations.AddField("Product", "price", models.IntegerField(null=True))]
        """,
    )
    began = time.monotonic()
    found = rehearse(3)
    assert time.monotonic() - began < 600  # a day is MariaDB's own limit
    [failure] = [row for row in found["failures"] if row["phase"] == "migrate"]
    [blocker] = failure["blockers"]
    assert f"connection {blocker['id']} of {blocker['who']} has held a transaction open" in failure["message"]
    assert "idle" in blocker["what"]


def test_a_technique_that_the_subject_names_is_used_and_a_server_of_another_release_is_unknown(
    campus, rehearse, monkeypatch
):
    campus.subject.write_text(campus.subject.read_text() + '[shadow]\ntechnique = "logical"\n')
    engine = engine_for(campus.url)
    true = type(engine).version
    claimed = {"mysql": "10.5.1-MariaDB", "postgresql": "12.4"}[campus.url.vendor]
    monkeypatch.setattr(
        type(engine), "version", lambda self, url: claimed if url.socket == campus.url.socket else true(self, url)
    )
    found = rehearse(4)
    assert found["shadow_technique"] == "logical"
    assert claimed in found["reasons"][0]


def shadow_server(work):
    """The record of the private server that a rehearsal runs."""
    for record in work.rglob(servers.RECORD):
        content = json.loads(record.read_text())
        if "pid" in content:
            return content
    return None


def test_a_copy_whose_server_is_killed_inside_a_statement_is_one_line(campus, tmp_path):
    sleep = {"mysql": "SELECT SLEEP(600)", "postgresql": "SELECT pg_sleep(600)"}[campus.url.vendor]
    campus.migration("new", "0002_sleeps", SQL.format(statements=[sleep]))
    work = tmp_path / "work"
    killed = threading.Event()

    def kill():
        server = shadow_server(work)
        cpu = Path(f"/proc/{server['pid']}")
        assert cpu.exists()
        os.kill(server["pid"], 9)
        killed.set()

    def say(line):
        if line.startswith("migrating shop.0002"):
            threading.Timer(1, kill).start()

    found = api.rehearse(
        api.read_subject(campus.subject), work=work, now=dt.datetime(2026, 11, 22, tzinfo=dt.UTC), say=say
    )
    assert killed.is_set()
    assert found.verdict is not api.Verdict.GO
    assert any("0002_sleeps" in reason for reason in found.reasons), found.reasons
    assert not list(work.glob("shadow-*"))


def test_a_killed_rehearsal_leaves_no_server_and_the_next_run_removes_its_files(campus, tmp_path):
    sleep = {"mysql": "SELECT SLEEP(600)", "postgresql": "SELECT pg_sleep(600)"}[campus.url.vendor]
    campus.migration("new", "0002_sleeps", SQL.format(statements=[sleep]))
    var = tmp_path / "var"
    process = subprocess.Popen(
        [sys.executable, "-m", "sapwood.config.cli", "upgrade", "rehearse", campus.subject, "--report", tmp_path / "r"],
        env={**os.environ, "SAPWOOD_VAR": str(var), "SAPWOOD_ROLE": "site"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        lines = []
        while not (lines and re.search(r"migrating shop\.0002", lines[-1])):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        server = shadow_server(var)
        process.kill()
    while servers._born(server["pid"]) == server["born"]:
        time.sleep(0.05)
    assert sweep(var / "site" / "upgrades") == 1
    assert not Path(server["place"]).exists()
    execute(campus.url, "ALTER TABLE shop_product ADD COLUMN free INTEGER")


def test_packs_see_the_release_and_the_database_of_the_copy_and_not_production(campus, rehearse, tmp_path, monkeypatch):
    packs = Packs(tmp_path / "environment")
    monkeypatch.setenv("SAPWOOD_PACKS", str(packs.folder))
    source = f"""
        from urllib.parse import parse_qs, unquote, urlsplit
        def connect(url):
            parts = urlsplit(url)
            given = {{"user": unquote(parts.username or ""), "password": unquote(parts.password or "")}}
            name, place = parts.path[1:], parse_qs(parts.query)["socket"][0]
            if parts.scheme == "mysql":
                import pymysql
                return pymysql.connect(unix_socket=place, database=name, **given)
            import psycopg
            return psycopg.connect(host=place, dbname=name, port=parts.port or 5432, **given)

        @pytest.mark.check(id="SERVER-001")
        def test_served(site):
            assert site.get("/products/").json()["count"] == 100

        @pytest.mark.check(id="SERVER-002", safety="S1", needs=["database"])
        def test_database(shadow):
            cursor = connect(shadow.database_url).cursor()
            cursor.execute("SELECT COUNT(price), COUNT(*) FROM shop_product")
            assert cursor.fetchone() == (0, 100)

        @pytest.mark.check(id="SERVER-003", safety="S1")
        def test_production(site):
            from pathlib import Path
            assert not Path({campus.url.socket!r}).is_socket(), "production's socket is in view"
            assert not Path({str(campus.subject)!r}).exists(), "the subject file is in view"
    """
    with_web(campus, packs.add("campus-checks", source, needs="database"))
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    found = rehearse(0)
    assert {row["id"]: row["verdict"] for row in found["checks"] if row.get("pack")} == {
        "SERVER-001": "pass", "SERVER-002": "pass", "SERVER-003": "pass",
    }  # fmt: skip
