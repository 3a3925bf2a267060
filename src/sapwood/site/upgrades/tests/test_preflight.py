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
    "workers.old_code", "clock", "permissions", "backup", "own_database",
]  # fmt: skip
PRICE = "    price = models.IntegerField(null=True)\n"
WAIVED = ["--waive", "workers.old_code=stopped by hand", "--waive", "backup=made at night, restored on Monday"]


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
def found(run):
    """What preflight says under one name."""

    def look(name, verdict, *words):
        answer = run(code={"fail": 3, "unknown": 4, "pass": 4}[verdict])
        [row] = [row for row in answer["checks"] if row["name"] == name]
        assert row["verdict"] == verdict, row
        assert all(word in row["detail"] for word in words), row
        assert bool(row["remedy"]) == (verdict == "fail")
        return answer

    return look


def test_a_campus_in_order_fails_nothing_and_says_what_is_not_known(run, campus):
    before = campus.database.read_bytes()
    answer = run(code=4)
    assert [row["name"] for row in answer["checks"]] == NAMES
    assert {row["name"] for row in answer["checks"] if row["verdict"] != "pass"} == {"workers.old_code", "backup"}
    assert answer["verdict"] == "unknown"
    assert campus.database.read_bytes() == before


def test_a_waiver_needs_a_reason_which_stays_and_covers_nothing_else(run):
    answer = run(*WAIVED, "--waive", "clock=no need", code=0)
    rows = {row["name"]: row for row in answer["checks"]}
    assert answer["verdict"] == "pass"
    assert (rows["backup"]["verdict"], rows["backup"]["reason"]) == ("waived", "made at night, restored on Monday")
    assert (rows["clock"]["verdict"], rows["clock"]["reason"]) == ("pass", "")


def test_a_waiver_without_a_reason_or_of_nothing_is_a_usage_error(run):
    for given in ("backup", "backup=", "backup=  ", "backups=mine", "=", "backup=a\nb"):
        with pytest.raises(UsageError):
            run("--waive", given, code=2)


def test_plan_shows_it_too_and_stops_at_what_fails(run, campus):
    assert run(command="plan", code=0)["preflight"]["verdict"] == "unknown"
    campus.run(
        "old", "Product._meta; __import__('django.db').db.connection.cursor().execute('DROP TABLE shop_product')"
    )
    assert run(command="plan", code=3)["preflight"]["verdict"] == "fail"


def test_a_stop_hook_answers_for_workers(found, campus):
    campus.subject.write_text(campus.subject.read_text() + '[hooks]\nstop = ["true"]\n')
    found("workers.old_code", "pass")


def test_a_faked_migration_is_found_in_the_tables(found, campus):
    campus.models("old", more=PRICE)
    campus.models("new", more=PRICE)
    for side in ("old", "new"):
        campus.migration(side, "0002_price", migration(ADD))
    campus.run("old", 'call_command("migrate", "shop", fake=True, verbosity=0)')
    found("migrations.schema", "fail", "shop.Product: - price")


def test_a_table_that_is_gone_is_found(found, campus):
    campus.run("old", "__import__('django.db').db.connection.cursor().execute('DROP TABLE shop_product')")
    found("migrations.schema", "fail", "shop.Product: - shop_product")


def test_a_column_of_a_fork_that_no_insert_would_fill_is_found(found, campus):
    campus.run(
        "old",
        """
        from django.db import connection
        connection.cursor().execute("DROP TABLE shop_product")
        connection.cursor().execute(
            "CREATE TABLE shop_product (id integer primary key, code varchar(36) not null unique, "
            "title varchar(100), branch varchar(10) not null)")
        """,
    )
    found("migrations.schema", "fail", "shop.Product: + branch")


def test_a_migration_that_never_ran_is_found(found, campus):
    for side in ("old", "new"):
        campus.models(side, more=PRICE)
        campus.migration(side, "0002_price", migration(ADD))
    found("migrations.pending_now", "fail", "shop.0002_price")


def test_what_only_the_target_would_run_is_nothing_to_complain_of(found, campus):
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", migration(ADD))
    found("migrations.pending_now", "pass")


def test_rows_that_the_running_release_does_not_know_are_found(found, campus):
    campus.run(
        "old",
        "from django.db.migrations.recorder import MigrationRecorder; from django.db import connection\n"
        "MigrationRecorder(connection).record_applied('wiki', '0001_initial')",
    )
    answer = found("migrations.foreign", "fail", "wiki.0001_initial")
    rows = {row["name"]: row["verdict"] for row in answer["checks"]}
    assert rows["migrations.absent_in_target"] == "pass"  # it is no loss of the target's


def test_a_plugin_that_the_target_lacks_is_found(found, campus):
    for part in ("wiki", "wiki/migrations"):
        (campus.folder / "code-old" / part).mkdir()
        (campus.folder / "code-old" / part / "__init__.py").touch()
    made = 'migrations.CreateModel("Page", [("id", models.BigAutoField(primary_key=True))])'
    path = campus.folder / "code-old" / "wiki" / "migrations" / "0001_initial.py"
    path.write_text(migration(made, after=None))
    (campus.folder / "code-old" / "wiki" / "models.py").write_text(
        "from django.db import models\nclass Page(models.Model):\n    pass\n"
    )
    settings = campus.folder / "campus_settings.py"
    more = """
        import importlib.util
        if importlib.util.find_spec("wiki"):
            INSTALLED_APPS.append("wiki")
    """
    settings.write_text(settings.read_text() + textwrap.dedent(more))
    campus.run("old", 'call_command("migrate", verbosity=0)')
    found("migrations.absent_in_target", "fail", "wiki.0001_initial")


def test_two_leaves_are_found_and_named(found, campus):
    for name in ("0002_price", "0002_weight"):
        campus.migration("new", name, migration(ADD.replace("price", name[5:])))
    found("migrations.leaves", "fail", "shop: 0002_price + 0002_weight")


def test_a_squash_that_nothing_can_finish_is_found(found, campus):
    made = migration(
        'migrations.CreateModel("Product", [("id", models.BigAutoField(primary_key=True))])',
        after=None,
        replaces=("0001_initial", "0002_price"),
    )
    (campus.folder / "code-new" / "shop" / "migrations" / "0001_initial.py").unlink()
    campus.migration("new", "0001_squashed", made)
    answer = found("migrations.squashes", "fail", "the target: shop.0001_squashed")
    rows = {row["name"]: row["verdict"] for row in answer["checks"]}
    assert rows["migrations.absent_in_target"] == "pass"


def test_a_migration_applied_before_what_it_needs_is_found(found, campus):
    campus.migration("new", "0002_price", migration(ADD))
    campus.migration("new", "0003_weight", migration(ADD.replace("price", "weight"), after="0002_price"))
    campus.run(
        "old",
        "from django.db.migrations.recorder import MigrationRecorder; from django.db import connection\n"
        "MigrationRecorder(connection).record_applied('shop', '0003_weight')",
    )
    found("migrations.readable", "fail", "InconsistentMigrationHistory", "0003_weight")


def test_a_target_that_refuses_is_no_pass_of_anything_that_it_should_have_said(found, campus):
    (campus.folder / "code-new" / "shop" / "models.py").write_text("raise RuntimeError('no licence')")
    answer = found("engine.version", "fail", "no licence")
    rows = {row["name"]: row["verdict"] for row in answer["checks"]}
    needs_it = {"readable", "leaves", "squashes", "absent_in_target", "pending_now", "schema"}
    assert {rows[f"migrations.{name}"] for name in needs_it} == {"unknown"}


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


def test_who_holds_it_is_named(found, campus, hold):
    process = hold(campus.database, "BEGIN IMMEDIATE")
    found("engine.long_transactions", "fail", f"({process})")


def test_who_holds_it_is_unknown_where_the_system_does_not_say(found, monkeypatch, tmp_path):
    monkeypatch.setattr("sapwood.site.upgrades.locks.LISTED", tmp_path / "nothing")
    found("engine.long_transactions", "unknown")


def test_a_full_disk_is_found_with_its_figures(found, monkeypatch):
    monkeypatch.setattr(looked.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=4096))
    answer = found("disk.data", "fail", "4,096 bytes free and needs")
    assert [row["verdict"] for row in answer["checks"] if row["name"].startswith("disk.")] == ["fail"] * 3


def test_folders_of_one_disk_share_its_room(tmp_path, monkeypatch):
    monkeypatch.setattr(looked.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=100))
    for needs, outcome in (([60], "pass"), ([60, 60], "fail")):
        folders = {tmp_path / str(number): need for number, need in enumerate(needs)}
        assert looked._room(folders).outcome == outcome


def test_a_subject_file_that_others_may_change_is_refused(found, campus):
    campus.subject.chmod(0o666)
    found("permissions", "fail", "campus.toml")


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
