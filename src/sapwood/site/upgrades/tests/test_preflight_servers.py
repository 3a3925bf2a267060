"""Preflight of a project whose data is on a database server."""

import contextlib
import json
import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.site.upgrades import api
from sapwood.site.upgrades import preflight as looked
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.tests.conftest import Campus, opened

pytestmark = pytest.mark.slow


@pytest.fixture(params=["mariadb", "postgresql"])
def campus(request, tmp_path):
    """A campus in production on a server."""
    (tmp_path / "campus").mkdir()
    return opened(Campus(tmp_path / "campus", request.getfixturevalue(request.param)))


@pytest.fixture
def look(campus, tmp_path, monkeypatch):
    """What preflight says, by name: the verdict and its words."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def ask(code):
        result = CliRunner().invoke(upgrade, ["preflight", str(campus.subject), "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return {row["name"]: (row["verdict"], row["detail"]) for row in json.loads(result.stdout)["checks"]}

    return ask


@contextlib.contextmanager
def waiting(campus, code):
    """Code of the campus's own that keeps its transaction open; it has begun when this begins."""
    before = """
        import campus_settings, django, sys
        django.setup()
        from django.db import connection, transaction
        from shop.models import Product
    """
    after = '\nprint("begun", flush=True)\nsys.stdin.read()\n'
    command = [campus.folder / "old" / "bin" / "python", "-c", textwrap.dedent(before) + textwrap.dedent(code) + after]
    environment = {"DJANGO_SETTINGS_MODULE": "campus_settings", "PYTHONPATH": str(campus.folder)}
    with subprocess.Popen(
        command, cwd=campus.folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr
    ) as process:
        try:
            while process.stdout.readline() != b"begun\n":
                assert process.poll() is None
            yield
        finally:
            process.stdin.close()


def bad(found, *, but=("workers.old_code",)):
    return {name: words for name, words in found.items() if words[0] != "pass" and name not in but}


def test_a_campus_on_a_server_in_order_fails_nothing(campus, look):
    found = look(4)
    assert bad(found) == {}
    assert campus.url.vendor in found["engine.version"][1]


def test_what_is_wrong_with_the_tables_and_who_holds_them_is_found(campus, look, monkeypatch):
    """An idle transaction, which has only read: every change of that table would wait for it."""
    monkeypatch.setattr(looked, "LONGEST_TRANSACTION_S", -1)
    statements = [
        "DELETE FROM shop_product",
        "ALTER TABLE shop_product DROP COLUMN title",
        "ALTER TABLE shop_product ADD branch integer NOT NULL",
    ]
    if campus.url.vendor == "mysql":
        statements.append("ALTER TABLE shop_product CONVERT TO CHARACTER SET utf8mb3")
    execute(campus.url, *statements)
    held = "held = transaction.atomic(); held.__enter__(); Product.objects.count()"
    with waiting(campus, held):
        found = bad(look(3))
    if campus.url.vendor == "mysql":
        verdict, words = found.pop("engine.charset")
        assert (verdict, "shop_product" in words) == ("fail", True)
    verdict, words = found.pop("engine.long_transactions")
    assert (verdict, campus.url.user in words) == ("fail", True)
    verdict, words = found.pop("migrations.schema")
    assert verdict == "fail"
    assert words.endswith("shop.Product: - title, shop.Product: + branch")
    assert found == {}


def test_a_user_who_sees_only_itself_makes_it_unknown(campus, look):
    clerk = {
        "mysql": [
            "CREATE USER clerk@localhost IDENTIFIED BY 'clerk'",
            f"GRANT ALL ON {campus.url.name}.* TO clerk@localhost",
        ],
        "postgresql": ["CREATE ROLE clerk LOGIN PASSWORD 'clerk'", "GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk"],
    }[campus.url.vendor]
    execute(campus.url, *clerk)
    text = campus.subject.read_text()
    campus.subject.write_text(text.replace(f"{campus.url.user}:{campus.url.password}@", "clerk:clerk@"))
    found = look(4)
    assert found["engine.long_transactions"][0] == "unknown"
    if campus.url.vendor == "postgresql":  # where the files lie is for those who may read all settings
        assert {found[name][0] for name in ("disk.data", "disk.temporary")} == {"unknown"}


def test_the_digest_of_a_plan_stays_until_the_schema_changes(campus, tmp_path):
    def parts():
        return api.make_plan(api.read_subject(campus.subject), tmp_path / "plan").parts

    first = parts()
    execute(campus.url, "DELETE FROM shop_product WHERE id < 9", "INSERT INTO shop_product (code) VALUES ('new')")
    assert parts() == first
    execute(campus.url, "CREATE INDEX by_title ON shop_product (title)")
    changed = parts()
    assert [name for name in first if first[name] != changed[name]] == ["schema"]


def test_a_plan_says_what_else_the_server_holds(campus, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    execute(campus.url, "CREATE DATABASE neighbour_of_the_campus")
    try:
        result = CliRunner().invoke(upgrade, ["plan", str(campus.subject), "--json"])
    finally:
        execute(campus.url, "DROP DATABASE neighbour_of_the_campus")
    schemas = {row["name"]: row for row in json.loads(result.stdout)["schemas"]}
    assert schemas["neighbour_of_the_campus"]["bytes"] is not None
    assert campus.url.name not in schemas
    assert not {"mysql", "information_schema", "template1"} & set(schemas)
