"""Preflight: every reason not to begin has a name, and none of them is a guess."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from sapwood.core.errors import UsageError
from sapwood.site.upgrades import preflight as looked
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.locks import holders

pytestmark = pytest.mark.slow

NAMES = [
    "disk.data", "disk.temporary", "disk.backup",
    "engine.version", "engine.charset", "engine.lock_wait_timeout", "engine.long_transactions",
    "migrations.readable", "migrations.leaves", "migrations.squashes", "migrations.foreign",
    "migrations.absent_in_target", "migrations.pending_now", "migrations.schema",
    "workers.old_code", "clock", "permissions", "backup", "packs", "own_database",
    "packages.requires", "packages.left_behind",
]  # fmt: skip
PRICE = "    price = models.IntegerField(null=True)\n"
WAIVED = ["--waive", "workers.old_code=stopped by hand"]


def migration(*operations, after="0001_initial", replaces=()):
    return f"""
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = {[("shop", after)] if after else []}
    replaces = {[("shop", name) for name in replaces]}
    operations = [{", ".join(operations)}]
"""


ADD = 'migrations.AddField("Product", "price", models.IntegerField(null=True))'


@pytest.fixture
def run(tmp_path, monkeypatch, campus):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def invoke(*arguments, code, command="preflight"):
        result = CliRunner().invoke(upgrade, [command, str(campus.subject), *arguments, "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return invoke


@pytest.fixture
def look(run):
    """What preflight says, by name: the verdict and its words."""

    def ask(*arguments, code):
        rows = run(*arguments, code=code)["checks"]
        assert [row["name"] for row in rows] == NAMES
        assert all(row["remedy"] for row in rows if row["verdict"] == "fail")
        return {row["name"]: (row["verdict"], row["detail"]) for row in rows}

    return ask


def bad(found, *, but=("workers.old_code",)):
    """What is no pass, apart from what always is unknown."""
    return {name: words for name, words in found.items() if words[0] != "pass" and name not in but}


def test_a_campus_in_order_fails_nothing_and_what_is_not_known_can_be_waived_with_a_reason(run, campus):
    campus.models("new", more=PRICE)  # what only the target would run is nothing to complain of
    campus.migration("new", "0002_price", migration(ADD))
    before = campus.database.read_bytes()
    answer = run(code=4)
    assert [row["name"] for row in answer["checks"]] == NAMES
    assert {row["name"] for row in answer["checks"] if row["verdict"] != "pass"} == {"workers.old_code"}
    assert answer["verdict"] == "unknown"
    assert campus.database.read_bytes() == before

    answer = run(*WAIVED, "--waive", "clock=no need", code=0)
    rows = {row["name"]: row for row in answer["checks"]}
    assert answer["verdict"] == "pass"
    assert (rows["workers.old_code"]["verdict"], rows["workers.old_code"]["reason"]) == ("waived", "stopped by hand")
    assert (rows["clock"]["verdict"], rows["clock"]["reason"]) == ("pass", "")


def test_a_waiver_without_a_reason_or_of_nothing_is_a_usage_error(run):
    for given in ("backup", "backup=", "backup=  ", "backups=mine", "=", "backup=a\nb"):
        with pytest.raises(UsageError):
            run("--waive", given, code=2)


@pytest.mark.django_db
def test_plan_shows_it_too_and_stops_at_what_fails(run, campus):
    campus.subject.chmod(0o666)
    answer = run(command="plan", code=3)
    assert (answer["problems"], answer["preflight"]["verdict"]) == ([], "fail")


def test_tables_that_are_not_as_recorded_are_found(look, campus):
    """A migration that was faked, a table that is gone, a column of a fork that no insert would fill."""
    campus.models("old", more=PRICE)
    campus.models("new", more=PRICE)
    for side in ("old", "new"):
        campus.migration(side, "0002_price", migration(ADD))
    campus.run(
        "old",
        """
        call_command("migrate", "shop", fake=True, verbosity=0)
        from django.db import connection
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE shop_product")
            cursor.execute(
                "CREATE TABLE shop_product (id integer primary key, code varchar(36) not null unique, "
                "title varchar(100), branch varchar(10) not null, note text)")
            cursor.execute("DROP TABLE auth_user_groups")
        """,
    )
    found = bad(look(code=3))
    assert set(found) == {"migrations.schema"}
    assert found["migrations.schema"][1].endswith(
        "auth.User_groups: - auth_user_groups, shop.Product: - price, shop.Product: + branch"
    )


def test_what_is_recorded_is_held_against_both_releases(look, campus):
    """A plugin that the target lacks, rows that nobody knows, a migration that never ran, two leaves."""
    for part in ("wiki", "wiki/migrations"):
        (campus.folder / "code-old" / part).mkdir()
        (campus.folder / "code-old" / part / "__init__.py").touch()
    made = 'migrations.CreateModel("Page", [("id", models.BigAutoField(primary_key=True))])'
    (campus.folder / "code-old" / "wiki" / "migrations" / "0001_initial.py").write_text(migration(made, after=None))
    (campus.folder / "code-old" / "wiki" / "models.py").write_text(
        "from django.db import models\nclass Page(models.Model):\n    pass\n"
    )
    more = """
        import importlib.util
        if importlib.util.find_spec("wiki"):
            INSTALLED_APPS.append("wiki")
    """
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + textwrap.dedent(more))
    campus.run(
        "old",
        """
        call_command("migrate", verbosity=0)
        from django.db.migrations.recorder import MigrationRecorder
        from django.db import connection
        MigrationRecorder(connection).record_applied("forum", "0001_initial")
        """,
    )
    campus.models("old", more=PRICE)
    campus.migration("old", "0002_price", migration(ADD))
    for name in ("0002_price", "0002_weight"):
        campus.migration("new", name, migration(ADD.replace("price", name[5:])))
    found = bad(look(code=3))
    assert {name: words[1].rpartition("release: ")[2].rpartition("target: ")[2] for name, words in found.items()} == {
        "migrations.foreign": "forum.0001_initial",
        "migrations.absent_in_target": "wiki.0001_initial",
        "migrations.pending_now": "The running release has migrations that were never applied: shop.0002_price",
        "migrations.leaves": "The migrations of the target end in several leaves: shop: 0002_price + 0002_weight",
    }


def test_a_squash_that_nothing_can_finish_is_found(look, campus):
    made = 'migrations.CreateModel("Product", [("id", models.BigAutoField(primary_key=True))])'
    (campus.folder / "code-new" / "shop" / "migrations" / "0001_initial.py").unlink()
    campus.migration("new", "0001_squashed", migration(made, after=None, replaces=("0001_initial", "0002_price")))
    found = bad(look(code=3))
    assert found == {
        "migrations.squashes": ("fail", "Squashed migrations are half applied for the target: shop.0001_squashed")
    }


def test_a_migration_applied_before_what_it_needs_is_found(look, campus):
    campus.migration("new", "0002_price", migration(ADD))
    campus.migration("new", "0003_weight", migration(ADD.replace("price", "weight"), after="0002_price"))
    campus.run(
        "old",
        """
        from django.db.migrations.recorder import MigrationRecorder
        from django.db import connection
        MigrationRecorder(connection).record_applied("shop", "0003_weight")
        """,
    )
    verdict, words = bad(look(code=3))["migrations.readable"]
    assert verdict == "fail"
    assert "InconsistentMigrationHistory" in words
    assert "shop.0003_weight" in words


def test_a_target_that_refuses_is_no_pass_of_anything_that_it_should_have_said(look, campus):
    (campus.folder / "code-new" / "shop" / "models.py").write_text("raise RuntimeError('no licence')")
    found = bad(look(code=3))
    assert found.pop("engine.version")[0] == "fail"
    needs_it = {"readable", "leaves", "squashes", "absent_in_target", "pending_now", "schema"}
    missing = {"packages.requires", "packages.left_behind", *(f"migrations.{name}" for name in needs_it)}
    assert {name: words[0] for name, words in found.items()} == dict.fromkeys(missing, "unknown")


def test_what_lies_around_the_database_is_looked_at(look, campus, monkeypatch, tmp_path):
    monkeypatch.setattr(looked.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=4096))
    monkeypatch.setattr("sapwood.site.upgrades.locks.LISTED", tmp_path / "nothing")
    campus.subject.write_text(campus.subject.read_text() + '[hooks]\nstop = ["true"]\n')
    campus.subject.chmod(0o666)
    found = look(code=3)
    assert found["workers.old_code"][0] == "pass"
    assert {name: words[0] for name, words in bad(found).items()} == {
        "disk.data": "fail",
        "disk.temporary": "fail",
        "disk.backup": "fail",
        "backup": "fail",
        "permissions": "fail",
        "engine.long_transactions": "unknown",
    }
    assert "4,096 bytes free and needs" in found["disk.backup"][1]
    assert "campus.toml" in found["permissions"][1]


def test_folders_of_one_disk_share_its_room(tmp_path, monkeypatch):
    monkeypatch.setattr(looked.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=100))
    for number in range(2):
        (tmp_path / str(number)).mkdir()
    for needs, outcome in (([60], "pass"), ([60, 60], "fail")):
        folders = {tmp_path / str(number): need for number, need in enumerate(needs)}
        assert looked._room(folders).outcome == outcome


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(";"):
    connection.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Runs statements in a process of its own, which then keeps its connection open."""
    with contextlib.ExitStack() as stack:

        def start(database, statements):
            command = [sys.executable, "-c", HOLD, database, statements]
            holder = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            stack.callback(holder.stdin.close)
            assert holder.stdout.readline() == b"held\n"
            return holder.pid

        yield start


@pytest.mark.parametrize(
    ("journal", "statements", "held"),
    [
        ("delete", "BEGIN IMMEDIATE", True),
        ("delete", "BEGIN EXCLUSIVE", True),
        ("delete", "BEGIN; SELECT * FROM shop", True),
        ("delete", "SELECT * FROM shop", False),
        ("wal", "BEGIN; UPDATE shop SET title = 'x'", True),
        ("wal", "BEGIN; SELECT * FROM shop", True),
        ("wal", "SELECT * FROM shop", False),
    ],
)
def test_who_holds_a_sqlite_database_is_known(tmp_path, hold, journal, statements, held):
    database = tmp_path / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("CREATE TABLE shop (title)")
    process = hold(database, statements)
    found = holders(database, readers=journal != "wal", wait=lambda _seconds: None)
    assert [holder.process for holder in found] == ([process] if held else [])


def test_who_holds_it_is_named(look, campus, hold):
    process = hold(campus.database, "BEGIN IMMEDIATE")
    verdict, words = look(code=3)["engine.long_transactions"]
    assert (verdict, f"({process})" in words) == ("fail", True)


@pytest.mark.parametrize(
    ("own", "outcome"),
    [
        ({"ENGINE": "django.db.backends.postgresql", "HOST": "", "PORT": ""}, "fail"),
        ({"ENGINE": "django.db.backends.postgresql", "HOST": "localhost", "PORT": 5432}, "fail"),
        ({"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": "5433"}, "pass"),
        ({"ENGINE": "django.db.backends.postgresql", "HOST": "127.1.2.3", "PORT": ""}, "pass"),
        ({"ENGINE": "django.db.backends.postgresql", "HOST": "no.such.host.invalid", "PORT": ""}, "unknown"),
        ({"ENGINE": "django.db.backends.sqlite3", "NAME": "/nowhere/db.sqlite3"}, "pass"),
    ],
)
def test_sapwood_does_not_live_on_the_server_that_it_upgrades(own, outcome):
    url = looked.DatabaseUrl("postgresql", "campus", "127.0.0.1")
    subject = SimpleNamespace(databases={"default": url})
    assert looked._own(looked.Place(subject, {}, {}, None, None, own)).outcome == outcome


def test_nor_in_the_file_that_it_upgrades(campus):
    url = looked.DatabaseUrl("sqlite3", str(campus.database))
    subject = SimpleNamespace(databases={"default": url})
    (campus.folder / "link").symlink_to(campus.folder / "data")
    own = {"ENGINE": "django.db.backends.sqlite3", "NAME": campus.folder / "link" / "campus.sqlite3"}
    assert looked._own(looked.Place(subject, {}, {}, None, None, own)).outcome == "fail"
