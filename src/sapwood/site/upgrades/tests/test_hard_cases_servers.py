"""Hard cases of the upgrade itself where the data is on a server: locks, killed servers, errors that quote rows."""

import contextlib
import dataclasses
import json
import os
import signal
import time

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import api, applying
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.drivers import django, inside
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.models import JournalLine, UpgradeRun
from sapwood.site.upgrades.tests.conftest import Campus, opened

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PERSON = "Wilhelmina Riverside"
SQL = """
    from django.db import migrations
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.RunSQL({statements!r})]
"""
ADD = "ALTER TABLE shop_product ADD COLUMN one INTEGER"


class Site:
    """A campus on a server whose upgrade was interrupted as soon as it had begun, and what an operator types then."""

    def __init__(self, folder, url):
        (folder / "campus").mkdir(parents=True)
        self.campus, self.var, self.url = opened(Campus(folder / "campus", url)), folder / "var", url
        self.work = self.var / "site" / "upgrades"
        execute(url, "DELETE FROM shop_product", f"INSERT INTO shop_product (code, title) VALUES ('1', '{PERSON}')")
        self.subject = api.read_subject(self.campus.subject)

    def begin(self, *statements, early=False):
        self.campus.migration("new", "0002_more", SQL.format(statements=list(statements)))
        journal = journals.begin(self.subject, self.work, system_clock())
        journal.write(
            "begun", subject="campus", plan="0" * 64, actor="alice", override=None,
            early=["shop.0002_more"] if early else [], rest=[] if early else ["shop.0002_more"], postponed=[],
            atomic={"default": self.url.vendor == "postgresql"}, not_atomic=[], known=[], predicted_downtime_s=None,
            predicted_rollback_s=None,
        )  # fmt: skip
        return journal

    def run(self, name, *words, code):
        done = CliRunner().invoke(upgrade, [name, str(self.campus.subject), *map(str, words), "--json"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def data(self):
        return dict(engine_for(self.url).fingerprint(self.url))


@pytest.fixture(params=["mariadb", "postgresql"])
def site(request, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    return Site(tmp_path, request.getfixturevalue(request.param))


@contextlib.contextmanager
def idle(url):
    """Somebody who has looked at the products and went home without ending the transaction."""
    if url.vendor == "postgresql":
        import psycopg

        connection = psycopg.connect(host=url.socket, user=url.user, dbname=url.name)
    else:
        import pymysql

        where = {"unix_socket": url.socket, "user": url.user, "password": url.password, "database": url.name}
        connection = pymysql.connect(**where, autocommit=False)
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT title FROM shop_product")
        cursor.fetchall()
        yield


# --- 5: somebody idle -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [True, False])
def test_a_change_that_an_idle_transaction_blocks_fails_within_seconds_names_it_and_is_taken_back(
    site, monkeypatch, early
):
    monkeypatch.setattr(django, "LOCK_WAIT_S", 1)
    site.begin(ADD, early=early)
    before = site.data()
    with contextlib.ExitStack() as stack:
        if early:
            stack.enter_context(idle(site.url))
        else:
            real = applying.Run._do_migrate
            monkeypatch.setattr(
                applying.Run, "_do_migrate", lambda run: (stack.enter_context(idle(site.url)), real(run))[1]
            )
            gone = applying.Run._do_back_restore
            monkeypatch.setattr(applying.Run, "_do_back_restore", lambda run: (stack.close(), gone(run))[1])
        done = site.run("resume", code=3)
    assert done["stage"] == "rolled back"
    assert "has held a transaction open" in done["message"]
    assert PERSON not in json.dumps(done)
    assert site.data() == before


@pytest.mark.parametrize("site", ["mariadb"], indirect=True)
def test_an_early_migration_that_is_half_done_is_taken_back_by_the_base_backup_only(site):
    site.begin(ADD, "ALTER TABLE shop_product DROP COLUMN nothing", early=True)
    before = site.data()
    done = site.run("resume", code=1)
    assert (done["stage"], done["may"]) == ("stopped", ["rollback --to-base"])
    assert "half done" in done["warning"]
    with pytest.raises(SapwoodError, match="half done") as caught:
        site.run("rollback", code=1)
    assert "--to-base" in caught.value.hint
    assert site.run("resume", code=1)["stage"] == "stopped"
    assert site.run("rollback", "--to-base", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.data() == before


# --- 21: errors that quote rows ---------------------------------------------------------------------------------------

QUOTING = {
    "mysql": [
        (
            "ALTER TABLE shop_product ADD COLUMN same VARCHAR(90); UPDATE shop_product SET same = title; "
            "INSERT INTO shop_product (code, title, same) SELECT '2', title, title FROM shop_product; "
            "ALTER TABLE shop_product ADD UNIQUE (same)"
        ),
        "ALTER TABLE shop_product MODIFY title VARCHAR(3)",
        "ALTER TABLE shop_product MODIFY title INTEGER",
        "ALTER TABLE shop_product MODIFY title DATETIME",
        "UPDATE shop_product SET code = CAST(title AS INTEGER)",
    ],
    "postgresql": [
        (
            "INSERT INTO shop_product (code, title) SELECT '2', title FROM shop_product; "
            "ALTER TABLE shop_product ADD UNIQUE (title)"
        ),
        "ALTER TABLE shop_product ALTER title TYPE INTEGER USING title::INTEGER",
        "ALTER TABLE shop_product ALTER title TYPE TIMESTAMPTZ USING title::TIMESTAMPTZ",
        "ALTER TABLE shop_product ADD CHECK (title = 'x') NOT VALID; UPDATE shop_product SET code = code",
        "ALTER TABLE shop_product ALTER title TYPE VARCHAR(3)",
        "UPDATE shop_product SET code = ('{\"a\": ' || title || '}')::json ->> 'a'",
    ],
}


def test_no_error_of_a_database_tells_a_row(site):
    """What a person would read: the engines' errors, as the process inside scrubs them."""
    told = []
    for statements in QUOTING[site.url.vendor]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - each has a class of its own
            execute(site.url, *statements.split("; "))
        told.append((str(caught.value), inside.scrub(caught.value)))
    assert any(PERSON in raw for raw, _scrubbed in told)
    assert not [scrubbed for _raw, scrubbed in told if any(word in scrubbed for word in PERSON.split())]


def test_a_failed_upgrade_writes_no_row_into_journal_mirror_status_or_log(site):
    site.begin(*QUOTING[site.url.vendor][0].split("; "))
    assert site.run("resume", code=3)["stage"] == "rolled back"
    status = site.run("status", code=3)
    assert "0002_more failed" in status["message"]
    rows = [*UpgradeRun.objects.values(), *JournalLine.objects.values()]
    texts = {"status": json.dumps(status), "mirror": repr(rows)}
    for path in site.work.rglob("*"):
        if path.is_file() and not {"base", "final"} & {*path.relative_to(site.work).parts}:
            texts[str(path)] = path.read_text(errors="replace")
    assert any(name.endswith("journal.jsonl") for name in texts)
    assert not [name for name, text in texts.items() if any(word in text for word in PERSON.split())]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("(1062, \"Duplicate entry 'Wilhelmina", '(1062, "Duplicate entry …'),
        (
            "(1366, \"Incorrect integer value: 'W' for column 'x' at row 1\")",
            "(1366, \"Incorrect integer value: … for column 'x' at row 1\")",
        ),
        (f"Key (title)=({'W' * 9000}) already exists.", "Key (title)=… already exists."),
        ('date/time field value out of range: "1890-02-31"', "date/time field value out of range: …"),
        ('value "4915112345678" is out of range for type integer', "value … is out of range for type integer"),
        ("invalid literal for int() with base 10: 'Wilhelmina'", "invalid literal for int() with base 10: …"),
        ("Field 'id' expected a number but got 'Wilhelmina'.", "Field 'id' expected a number but got …."),
        ("['“Wilhelmina” value must be an integer.']", "['“…” value must be an integer.']"),
        ("(1054, \"Unknown column 'uuid' in 'shop_product'\")", "(1054, \"Unknown column 'uuid' in 'shop_product'\")"),
    ],
)
def test_what_an_error_says_of_the_schema_stays_and_what_it_says_of_a_row_goes(words, left):
    assert inside.scrub(Exception(words)) == left


# --- 2: a killed server -----------------------------------------------------------------------------------------------


def test_a_postgresql_killed_inside_a_statement_is_waited_for_and_the_data_taken_back(tmp_path, monkeypatch):
    programs = servers.postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    folder = tmp_path / "server"
    folder.mkdir(mode=0o711)
    with servers.home(folder, servers.owner_for("postgres")) as place, contextlib.ExitStack() as second:
        servers.postgresql_install(place, programs)
        with contextlib.ExitStack() as first:
            settings = {"shared_buffers": "32MB"}
            control = first.enter_context(servers.postgresql(place, folder, programs, settings))
            execute(control, "CREATE DATABASE campus")
            site = Site(tmp_path, dataclasses.replace(control, name="campus"))
            site.begin(ADD, "SELECT pg_sleep(600)")
            before, real, wait = site.data(), applying.Run._heard, applying.Run._wait_for

            def heard(run, answer, alias, total):
                if answer["event"] == "started":
                    while not execute(control, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                        time.sleep(0.05)
                    os.kill(int((place.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
                return real(run, answer, alias, total)

            def waited(run, question):
                first.close()
                second.enter_context(servers.postgresql(place, folder, programs, settings))
                wait(run, question)

            monkeypatch.setattr(applying.Run, "_heard", heard)
            monkeypatch.setattr(applying.Run, "_wait_for", waited)
            done = site.run("resume", code=3)
        assert done["stage"] == "rolled back"
        assert "0002_more failed" in done["message"]
        assert site.data() == before
