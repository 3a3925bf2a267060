"""Preflight of a project whose data is on a database server."""

import contextlib
import json
import secrets
import subprocess
import sys
import textwrap
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from click.testing import CliRunner
from tests import postgresql as private
from tests.servers import mariadb, mariadb_server  # noqa: F401 - fixtures

from sapwood.site.upgrades import preflight as looked
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.tests.conftest import Campus, opened

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgresql_server():
    """A PostgreSQL of this run."""
    programs = private.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with private.server(programs) as address:
        yield address


@pytest.fixture
def postgresql(postgresql_server):
    """An empty database on it."""
    name = f"campus_{secrets.token_hex(4)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(postgresql_server)
    return DatabaseUrl("postgresql", name, user=parts.username, socket=unquote(parts.netloc.rpartition("@")[2]))


@pytest.fixture(params=["mariadb", "postgresql"])
def campus(request, tmp_path):
    """A campus in production on a server."""
    (tmp_path / "campus").mkdir()
    return opened(Campus(tmp_path / "campus", request.getfixturevalue(request.param)))


@pytest.fixture
def look(campus, tmp_path, monkeypatch):
    """What preflight says, by name: the verdict and its words."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    return lambda code: {
        row["name"]: (row["verdict"], row["detail"]) for row in answer(campus, "preflight", code=code)["checks"]
    }


def answer(campus, command, *, code):
    result = CliRunner().invoke(upgrade, [command, str(campus.subject), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


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


def test_an_open_transaction_is_found_with_who_holds_it(campus, look, monkeypatch):
    """An idle one, which has only read: every change of that table would wait for it."""
    monkeypatch.setattr(looked, "LONGEST_TRANSACTION_S", -1)
    held = "held = transaction.atomic(); held.__enter__(); list(Product.objects.all()[:1])"
    with waiting(campus, held):
        verdict, words = look(3)["engine.long_transactions"]
    assert (verdict, campus.url.user in words) == ("fail", True)


def test_a_user_who_sees_only_itself_makes_it_unknown(campus, look):
    clerk = {
        "mysql": [
            "CREATE USER clerk@localhost IDENTIFIED BY 'clerk'",
            f"GRANT ALL ON {campus.url.name}.* TO clerk@localhost",
        ],
        "postgresql": ["CREATE ROLE clerk LOGIN PASSWORD 'clerk'", "GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk"],
    }[campus.url.vendor]
    statements = "; ".join(f"cursor.execute({statement!r})" for statement in clerk)
    campus.run("old", f"from django.db import connection; cursor = connection.cursor(); {statements}")
    text = campus.subject.read_text()
    campus.subject.write_text(text.replace(f"{campus.url.user}:{campus.url.password}@", "clerk:clerk@"))
    found = look(4)
    assert found["engine.long_transactions"][0] == "unknown"
    if campus.url.vendor == "postgresql":  # where the files lie is for those who may read all settings
        assert {found[name][0] for name in ("disk.data", "disk.temporary")} == {"unknown"}


@pytest.mark.parametrize("campus", ["mariadb"], indirect=True)
def test_tables_without_full_unicode_are_named(campus, look):
    change = "ALTER TABLE shop_product CONVERT TO CHARACTER SET utf8mb3"
    campus.run("old", f"from django.db import connection; connection.cursor().execute({change!r})")
    verdict, words = look(3)["engine.charset"]
    assert (verdict, "shop_product" in words) == ("fail", True)


def test_tables_that_are_not_as_recorded_are_found(campus, look):
    changes = ["ALTER TABLE shop_product DROP COLUMN title", "ALTER TABLE shop_product ADD branch integer NOT NULL"]
    campus.run("old", "Product.objects.all().delete()")
    for change in changes:
        campus.run("old", f"from django.db import connection; connection.cursor().execute({change!r})")
    verdict, words = look(3)["migrations.schema"]
    assert verdict == "fail"
    assert words.endswith("shop.Product: - title, shop.Product: + branch")


@pytest.mark.usefixtures("look")
def test_the_digest_of_a_plan_stays_until_the_schema_changes(campus):
    first = answer(campus, "plan", code=0)["parts"]
    campus.run("old", "Product.objects.all()[0].delete(); Product.objects.create(code='new')")
    assert answer(campus, "plan", code=0)["parts"] == first
    change = "CREATE INDEX by_title ON shop_product (title)"
    campus.run("old", f"from django.db import connection; connection.cursor().execute({change!r})")
    changed = answer(campus, "plan", code=0)["parts"]
    assert [name for name in first if first[name] != changed[name]] == ["schema"]
