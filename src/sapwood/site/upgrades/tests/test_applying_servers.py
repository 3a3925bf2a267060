"""The button and the way back where the data is on a database server: half-done migrations, killed servers."""

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import time

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb_server, postgresql_server  # noqa: F401 - fixtures

from sapwood.site.upgrades import applying
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.tests.conftest import Campus, opened

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TWO = """
    from django.db import migrations
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.RunSQL("ALTER TABLE shop_product ADD COLUMN one INTEGER"),
                      migrations.RunSQL({second!r})]
"""
GOOD = "UPDATE shop_product SET one = 1"


class KilledError(BaseException):
    """What a kill -9 is to the code that it meets."""


class Site:
    """A campus on a server and what an operator types."""

    def __init__(self, campus, folder):
        self.campus, self.report, self.var = campus, folder / "report", folder / "var"
        self.work = self.var / "site" / "upgrades"
        self.certificate = None

    def run(self, name, *words, code):
        result = CliRunner().invoke(upgrade, [name, str(self.campus.subject), *map(str, words), "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def rehearse(self):
        self.certificate = self.run("rehearse", "--report", self.report, code=0)["certificate"]

    def apply(self, code):
        return self.run("apply", "--certificate", self.certificate, code=code)

    def data(self):
        found = dict(engine_for(self.campus.url).fingerprint(self.campus.url))
        found.pop("django_migrations")  # it holds instants
        return found

    def ran(self):
        return {name for _app, name in execute(self.campus.url, "SELECT app, name FROM django_migrations")}


@pytest.fixture(scope="module", params=["mariadb", "postgresql"])
def site(request, tmp_path_factory, between_tests):
    """Rehearsed once: each test leaves the data as it found them, so that the certificate holds for the next."""
    server, folder = request.getfixturevalue(f"{request.param}_server"), tmp_path_factory.mktemp("applying")
    url = dataclasses.replace(server, name=f"campus_{secrets.token_hex(4)}")
    execute(server, f"CREATE DATABASE {url.name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAPWOOD_VAR", str(folder / "var"))
        (folder / "campus").mkdir()
        made = Site(opened(Campus(folder / "campus", url)), folder)
        made.campus.migration("new", "0002_two", TWO.format(second=GOOD))
        with between_tests():
            made.rehearse()
        yield made
    execute(server, f"DROP DATABASE {url.name}")


def test_an_upgrade_is_applied_and_taken_back_to_equal_data(site):
    before = site.data()
    assert site.apply(0)["stage"] == "done"
    assert "0002_two" in site.ran()
    assert site.data() != before
    assert site.run("rollback", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.data() == before
    assert "0002_two" not in site.ran()


def test_a_migration_that_fails_half_way_is_taken_back_with_what_it_left(site):
    """The rehearsal's copy lacked what made it fail: here, a trigger that somebody made since."""
    whole = site.data()
    blocked = {
        "mysql": ["CREATE TRIGGER no BEFORE UPDATE ON shop_product FOR EACH ROW SIGNAL SQLSTATE '45000'"],
        "postgresql": [
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END'",
            "CREATE TRIGGER no BEFORE UPDATE ON shop_product FOR EACH ROW EXECUTE FUNCTION no()",
        ],
    }
    execute(site.campus.url, *blocked[site.campus.url.vendor])
    before = site.data()
    done = site.apply(3)
    assert done["stage"] == "rolled back"
    assert "0002_two failed" in done["message"]
    assert site.data() == before
    undone = {"mysql": ["DROP TRIGGER no"], "postgresql": ["DROP TRIGGER no ON shop_product", "DROP FUNCTION no"]}
    execute(site.campus.url, *undone[site.campus.url.vendor])
    assert site.data() == whole


def test_who_is_killed_inside_a_migration_goes_on_only_where_half_of_one_can_be_taken_back(site, monkeypatch):
    before, real = site.data(), journals.Journal.write

    def write(journal, event, **details):
        entry = real(journal, event, **details)
        if event == "migration_started":
            time.sleep(0.5)  # the migrator is somewhere inside
            raise KilledError
        return entry

    with monkeypatch.context() as patch:
        patch.setattr(journals.Journal, "write", write)
        with pytest.raises(KilledError):
            site.apply(0)
    if site.campus.url.vendor == "mysql" and "0002_two" not in site.ran():
        done = site.run("resume", code=3)
        assert done["stage"] == "rolled back"
        assert "was interrupted" in done["message"]
    else:
        assert site.run("resume", code=0)["stage"] == "done"
        assert execute(site.campus.url, "SELECT DISTINCT one FROM shop_product") in [((1,),), ((1,),)]
        assert site.run("rollback", "--lose-writes", code=3)["stage"] == "rolled back"
    assert site.data() == before


def test_a_server_killed_inside_a_statement_is_waited_for_and_the_data_taken_back(tmp_path, monkeypatch):
    if servers.program("mariadbd") is None:
        pytest.skip("MariaDB is not installed (Debian: mariadb-server, mariadb-backup)")
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    folder = tmp_path / "server"
    folder.mkdir(mode=0o711)
    options = {"innodb-buffer-pool-size": "64M", "innodb-log-file-size": "16M"}
    with servers.home(folder, servers.owner_for("mysql")) as place:
        servers.mariadb_install(place, options)
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            control = dataclasses.replace(first.enter_context(servers.mariadb(place, folder, options)), name="mysql")
            execute(
                control,
                "CREATE DATABASE campus",
                "CREATE USER campus@localhost IDENTIFIED BY 'Aa1-campus'",
                "GRANT ALL ON *.* TO campus@localhost WITH GRANT OPTION",
            )
            (tmp_path / "campus").mkdir()
            url = dataclasses.replace(control, name="campus", user="campus", password="Aa1-campus")
            campus = opened(Campus(tmp_path / "campus", url))
            slow = "UPDATE shop_product SET one = IF(EXISTS(SELECT 1 FROM mysql.user WHERE user = 'slow'), SLEEP(1), 1)"
            campus.migration("new", "0002_two", TWO.format(second=slow))
            site = Site(campus, tmp_path)
            site.rehearse()
            execute(control, "CREATE USER slow@localhost")
            before = site.data()
            killed = []
            real = applying.Run._heard

            def heard(run, answer, alias, total):
                if answer["event"] == "started":
                    time.sleep(1)
                    os.kill(int((place.run / "pid").read_text()), signal.SIGKILL)
                    killed.append(answer["name"])
                return real(run, answer, alias, total)

            monkeypatch.setattr(applying.Run, "_heard", heard)
            wait = applying.Run._wait_for

            def waited(run, question):
                first.close()
                second.enter_context(servers.mariadb(place, folder, options))
                wait(run, question)

            monkeypatch.setattr(applying.Run, "_wait_for", waited)
            done = site.apply(3)
            assert killed == ["0002_two"]
            assert done["stage"] == "rolled back"
            assert site.data() == before
