"""`sapwood upgrade` on a project with two real environments."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.site.upgrades.cli import migrations, upgrade
from sapwood.site.upgrades.tests.conftest import FIRST

pytestmark = pytest.mark.slow

ADD = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
PRICE = "    price = models.IntegerField(null=True)\n"


def _read(path):
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def invoke(command, *arguments, code):
        result = CliRunner().invoke(command, [*map(str, arguments), "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return invoke


@pytest.fixture
def rehearse(run, campus, tmp_path):
    def invoke(code):
        before = hashlib.sha256(campus.database.read_bytes()).hexdigest()
        found = run(upgrade, "rehearse", campus.subject, "--report", tmp_path / "report", code=code)
        assert hashlib.sha256(campus.database.read_bytes()).hexdigest() == before
        assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
        return found

    return invoke


def test_an_upgrade_that_works_is_a_go_with_its_times(campus, rehearse, tmp_path):
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    found = rehearse(0)
    assert found["verdict"] == "go"
    assert {row["after_failure"] for row in found["checks"]} == {False}
    [migration] = found["migrations"]
    assert (migration["name"], migration["outcome"], migration["classes"]) == ("0002_price", "done", ["expand"])
    assert migration["sql_seconds"] <= migration["seconds"]
    times = found["predicted_downtime_s"]
    assert 0 < times["low"] < times["likely"] < times["high"]
    closed = sum(step["seconds"] or 0 for step in found["steps"] if step["part"] == "closed")
    assert closed == pytest.approx(times["likely"], abs=0.001)
    assert (migration["rows"], migration["tables"]) == (100, ["shop_product"])
    [product] = [row for row in found["tables"] if row["name"] == "shop_product"]
    assert (product["rows_before"], product["rows_after"]) == (100, 100)
    page = (tmp_path / "report" / "rehearsal.html").read_text()
    assert "shop.0002_price" in page
    assert "http" not in page.replace("http-equiv", "")
    assert json.loads((tmp_path / "report" / "rehearsal.json").read_text()) == found


def test_a_green_migration_after_which_rows_are_not_found_is_a_no_go(campus, rehearse):
    """The kind of defect that a whole train of real packages has: the column's type changes, the values stay."""
    campus.models("new", code="models.UUIDField(unique=True)")
    campus.migration(
        "new",
        "0002_uuid",
        """
        from django.db import migrations, models
        class Migration(migrations.Migration):
            dependencies = [("shop", "0001_initial")]
            operations = [migrations.AlterField("Product", "code", models.UUIDField(unique=True))]
        """,
    )
    found = rehearse(3)
    assert [row["outcome"] for row in found["migrations"]] == ["done"]
    wrong = [(row["id"], row["model"], row["field"]) for row in found["checks"] if row["verdict"] == "fail"]
    assert wrong == [("models.lookup", "shop.Product", "code")]
    assert found["reasons"] == ["shop.Product.code: 100 of 100 rows are not found by their own value"]


def test_a_failed_migration_is_a_no_go_and_what_does_not_depend_on_it_still_runs(campus, rehearse):
    campus.models("new", title="models.CharField(max_length=100)", more=PRICE)
    campus.run("old", "Product.objects.filter(pk=7).update(title=None)")
    campus.migration("new", "0002_price", ADD)
    campus.migration(
        "new",
        "0003_title",
        """
        from django.db import migrations, models
        class Migration(migrations.Migration):
            dependencies = [("shop", "0002_price")]
            operations = [migrations.AlterField("Product", "title", models.CharField(max_length=100))]
        """,
    )
    campus.migration("new", "0004_after", ADD.replace("0001_initial", "0003_title").replace("price", "weight"))
    found = rehearse(3)
    outcomes = {row["name"]: row["outcome"] for row in found["migrations"]}
    assert outcomes == {"0002_price": "done", "0003_title": "failed", "0004_after": "skipped"}
    [failure] = [row for row in found["failures"] if row["phase"] == "migrate"]
    assert (failure["app"], failure["name"], failure["after_failure"]) == ("shop", "0003_title", False)
    assert "INSERT INTO" in failure["statement"]
    assert {row["after_failure"] for row in found["checks"]} == {True}


def test_what_failed_before_the_upgrade_too_is_no_finding(campus, rehearse):
    related = '    owner = models.ForeignKey("auth.User", models.CASCADE, null=True)\n'
    made = ADD.replace(
        '"price", models.IntegerField(null=True)', '"owner", models.ForeignKey("auth.User", models.CASCADE, null=True)'
    )
    for side in ("old", "new"):
        campus.models(side, more=related)
        campus.migration(
            side, "0002_owner", made.replace("dependencies = [", 'dependencies = [("auth", "0001_initial"), ')
        )
    campus.run(
        "old",
        """
        call_command("migrate", verbosity=0)
        from django.db import connection
        connection.cursor().execute("PRAGMA foreign_keys = OFF")
        connection.cursor().execute("UPDATE shop_product SET owner_id = 999 WHERE id < 4")
        """,
    )
    found = rehearse(0)
    [row] = [row for row in found["checks"] if row["verdict"] == "fail"]
    assert (row["id"], row["field"], row["detail"], row["before"]) == (
        "models.orphans",
        "owner",
        "3 rows point at nothing",
        "fail",
    )


def test_a_table_that_another_model_took_over_is_not_missing(campus, rehearse):
    """As when apps are merged: the rows move with their table, and a model without one stays for old foreign keys."""
    (campus.folder / "code-new" / "store" / "migrations").mkdir(parents=True)
    (campus.folder / "code-old" / "store" / "migrations").mkdir(parents=True)
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + "INSTALLED_APPS.append('store')\n")
    for side in ("old", "new"):
        for package in ("store", "store/migrations"):
            (campus.folder / f"code-{side}" / package / "__init__.py").touch()
    store = campus.folder / "code-new" / "store"
    store.joinpath("models.py").write_text((campus.folder / "code-new" / "shop" / "models.py").read_text())
    columns = textwrap.dedent(FIRST).partition("CreateModel(")[2].rpartition(")]")[0]
    store.joinpath("migrations", "0001_initial.py").write_text(f"""
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.CreateModel({columns}, options={{"db_table": "shop_product"}})]
        ),
        migrations.AlterModelTable("product", None),
    ]
""")
    found = rehearse(0)
    [row] = [row for row in found["checks"] if row["id"] == "models.table"]
    assert (row["model"], row["verdict"]) == ("shop.Product", "unknown")
    assert row["detail"] == "its table was handed over to store.Product, where its rows are checked"
    passed = {row["id"] for row in found["checks"] if row["verdict"] == "pass" and row["model"] == "store.Product"}
    assert passed == {"models.schema", "models.read", "models.lookup", "models.save", "models.insert", "models.orphans"}
    store.joinpath("models.py").write_text("")
    found = rehearse(3)
    assert found["reasons"] == ["shop.Product: the table shop_product is not there"]


def test_rows_made_up_for_the_check_hold_to_the_rules_of_the_application(campus, rehearse):
    """Together unique, unique parents, fields and rules of its own: what is refused is no finding about the upgrade."""
    more = """
class Refused(Exception):
    pass
class Code(models.CharField):
    def get_prep_value(self, value):
        if value is not None and not value.startswith("course:"):
            raise Refused(value)
        return value
class Place(models.Model):
    code = Code(max_length=40, unique=True)
class Stock(models.Model):
    product = models.ForeignKey(Product, models.CASCADE)
    place = models.ForeignKey(Place, models.CASCADE)
    class Meta:
        unique_together = [("product", "place")]
class Label(models.Model):
    product = models.OneToOneField(Product, models.CASCADE)
class Rule(models.Model):
    pass
def refuse(sender, instance, **given):
    if instance.pk is None and Rule.objects.exists():
        raise Refused("one is enough")
models.signals.pre_save.connect(refuse, sender=Rule)
"""
    made = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Place", [
            ("id", models.BigAutoField(primary_key=True)), ("code", models.CharField(max_length=40, unique=True)),
        ]),
        migrations.CreateModel("Stock", [
            ("id", models.BigAutoField(primary_key=True)),
            ("product", models.ForeignKey("shop.Product", models.CASCADE)),
            ("place", models.ForeignKey("shop.Place", models.CASCADE)),
        ], options={"unique_together": {("product", "place")}}),
        migrations.CreateModel("Label", [
            ("id", models.BigAutoField(primary_key=True)),
            ("product", models.OneToOneField("shop.Product", models.CASCADE)),
        ]),
        migrations.CreateModel("Rule", [("id", models.BigAutoField(primary_key=True))]),
        migrations.RunPython(rows),
    ]
"""
    rows = """
def rows(apps, schema_editor):
    place = apps.get_model("shop.Place").objects.create(code="course:1")
    for product in apps.get_model("shop.Product").objects.all()[:50]:
        apps.get_model("shop.Stock").objects.create(product=product, place=place)
        apps.get_model("shop.Label").objects.create(product=product)
    apps.get_model("shop.Rule").objects.create()
"""
    campus.models("new", more=more)
    campus.migration("new", "0002_more", rows + made)
    found = rehearse(0)
    inserts = {row["model"]: row for row in found["checks"] if row["id"] == "models.insert"}
    assert inserts["shop.Stock"]["verdict"] == inserts["shop.Label"]["verdict"] == "pass"
    assert (inserts["shop.Place"]["verdict"], inserts["shop.Place"]["field"]) == ("unknown", "code")
    assert inserts["shop.Rule"]["detail"] == "the row made up for it is refused: Refused"


def test_a_uuid_that_is_not_unique_must_be_found_too(campus, rehearse):
    campus.models("old", code="models.CharField(max_length=36, unique=True)", title="models.CharField(max_length=36)")
    campus.run(
        "old",
        """
        import uuid
        for product in Product.objects.all():
            Product.objects.filter(pk=product.pk).update(title=str(uuid.uuid4()))
        """,
    )
    campus.models("new", title="models.UUIDField(null=True)")
    found = rehearse(3)
    assert found["reasons"] == ["shop.Product.title: 100 of 100 rows are not found by their own value"]


def test_settings_that_raise_are_one_sentence(campus, run, tmp_path):
    (campus.folder / "campus_settings.py").write_text("raise SystemExit('no licence')")
    result = CliRunner().invoke(upgrade, ["rehearse", str(campus.subject), "--report", str(tmp_path / "r")])
    assert result.exception.code == "upgrades.inside"
    assert result.exception.message == "SystemExit: no licence"
    assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))


def test_a_database_that_the_file_does_not_map_is_refused(campus, run):
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + "\nDATABASES['history'] = dict(DATABASES['default'])\n")
    result = CliRunner().invoke(upgrade, ["plan", str(campus.subject)])
    assert "'history' of the settings is not mapped" in result.exception.message


@pytest.mark.django_db
def test_plan_and_classify_name_what_would_run(campus, run):
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    found = run(upgrade, "plan", campus.subject, "--waive", "workers.old_code=none", code=0)
    assert [(one["name"], one["classes"]) for one in found["migrations"]] == [("0002_price", ["expand"])]
    assert found["digest"] == sha256_hex(canonical_bytes(found["parts"]))
    assert found["current"]["databases"]["default"]["vendor"] == "sqlite"
    assert "settings" not in found["current"]  # digests of values could be guessed at
    [one] = run(migrations, "classify", campus.subject, code=0)
    assert one["classes"] == ["expand"]


def test_what_changes_a_table_that_the_same_plan_makes_is_no_danger_to_running_code(campus, run):
    def migration(number, operation):
        before = f"{number - 1:04}_" + ("initial" if number == 2 else "next")
        source = f"""
            from django.db import migrations, models
            class Migration(migrations.Migration):
                dependencies = [("shop", "{before}")]
                operations = [migrations.{operation}]
        """
        campus.migration("new", f"{number:04}_next", source)

    migration(2, 'CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))])')
    migration(3, 'AddField("Shelf", "row", models.IntegerField(default=1))')
    migration(4, 'AddField("Product", "price", models.IntegerField(default=1))')
    migration(5, 'AlterField("Product", "title", models.CharField(max_length=200, null=True))')
    found = run(migrations, "classify", campus.subject, code=0)
    assert [one["classes"] for one in found] == [["expand"], ["expand"], ["unsafe", "expand"], ["expand"]]


@pytest.mark.django_db
def test_two_leaves_stand_in_the_way(campus, run):
    campus.migration("new", "0002_ours", ADD)
    campus.migration("new", "0002_theirs", ADD.replace("price", "weight"))
    found = run(upgrade, "plan", campus.subject, code=3)
    assert [problem["code"] for problem in found["problems"]] == ["migrations.several_leaves"]


def test_a_second_database_is_migrated_too_and_what_was_not_looked_at_is_said(campus, rehearse, tmp_path):
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + "\nDATABASES['history'] = dict(DATABASES['default'])\n")
    (campus.folder / "data" / "history.sqlite3").write_bytes(campus.database.read_bytes())
    campus.subject.write_text(campus.subject.read_text() + '[databases]\nhistory = "sqlite:///data/history.sqlite3"\n')
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    found = rehearse(0)
    assert [row["name"] for row in found["migrations"]] == ["0002_price", "0002_price"]
    assert "the rows of the database history: only its migrations ran" in found["untested"]


def test_what_a_killed_rehearsal_left_is_removed_by_the_next(campus, rehearse, tmp_path):
    campus.models("new", more=PRICE)
    waits = """
from django.db import migrations, models
import pathlib, time
def wait(apps, schema_editor):
    pathlib.Path.home().joinpath("waiting").touch()
    time.sleep(600)
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(wait)]
"""
    campus.migration("new", "0002_price", waits)
    command = [
        sys.executable,
        "-m",
        "sapwood.config.cli",
        "upgrade",
        "rehearse",
        campus.subject,
        "--report",
        tmp_path / "r",
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, "SAPWOOD_VAR": str(tmp_path / "var"), "SAPWOOD_ROLE": "site"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list((tmp_path / "var").glob("site/upgrades/shadow-*/*/waiting")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    while [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in _read(path)]:
        time.sleep(0.05)
    assert list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
    campus.migration("new", "0002_price", ADD)
    assert rehearse(0)["verdict"] == "go"


MOVES = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.SeparateDatabaseAndState(
        database_operations=[migrations.AlterModelTable("Product", "market_product")],
        state_operations=[migrations.DeleteModel("Product")],
    )]
"""
TAKES = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = [("shop", "0002_moves")]
    operations = [migrations.SeparateDatabaseAndState(state_operations=[migrations.CreateModel("Product", [
        ("id", models.BigAutoField(primary_key=True)),
        ("code", models.CharField(max_length=36, unique=True)),
        ("title", models.CharField(max_length=100, null=True)),
    ])])]
"""
TAKES_ALONG = """
def move(apps, schema_editor):
    kinds = apps.get_model("contenttypes", "ContentType").objects
    kinds.filter(app_label="shop", model="product").update(app_label="market")
"""


def _moved(campus, *, along=False):
    """Product moves from the shop to the market, in the state only; a person was granted to change products."""
    campus.run(
        "old",
        """
        from django.contrib.auth.models import Permission, User
        alice = User.objects.create(username="alice")
        alice.user_permissions.add(Permission.objects.get(codename="change_product"))
        """,
    )
    market = campus.folder / "code-new" / "market"
    (market / "migrations").mkdir(parents=True)
    for place in (market, market / "migrations"):
        (place / "__init__.py").touch()
    (market / "models.py").write_text((campus.folder / "code-new" / "shop" / "models.py").read_text())
    (campus.folder / "code-new" / "shop" / "models.py").write_text("")
    takes = TAKES
    if along:
        takes = TAKES_ALONG + TAKES.replace(
            "operations = [", "operations = [migrations.RunPython(move, migrations.RunPython.noop), "
        ).replace(
            '[("shop", "0002_moves")]', '[("shop", "0002_moves"), ("contenttypes", "0002_remove_content_type_name")]'
        )
    (market / "migrations" / "0001_initial.py").write_text(takes)
    campus.migration("new", "0002_moves", MOVES)
    settings = campus.folder / "campus_settings.py"
    more = "import importlib.util\nif importlib.util.find_spec('market'):\n    INSTALLED_APPS.append('market')\n"
    settings.write_text(settings.read_text() + more)


def test_a_model_that_moved_and_left_its_grants_behind_is_a_no_go(campus, rehearse):
    """Every row is read and found again, and still nobody may change a product any more."""
    _moved(campus)
    found = rehearse(3)
    assert found["failures"] == []
    [stale] = [row for row in found["checks"] if row["id"] == "contenttypes.stale"]
    assert (stale["verdict"], stale["field"]) == ("fail", "shop.product")
    assert stale["detail"].endswith("it is market.product now")


def test_a_model_that_moved_and_took_them_along_is_a_go(campus, rehearse):
    _moved(campus, along=True)
    found = rehearse(0)
    assert [row for row in found["checks"] if row["id"] == "contenttypes.stale"] == []


def test_nulls_that_a_new_rule_forbids_are_a_no_go(campus, rehearse):
    campus.run("old", "Product.objects.filter(pk__lt=10).update(title=None)")
    campus.models("new", title="models.CharField(max_length=100)")
    strict = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AlterField("Product", "title", models.CharField(max_length=100))]
"""
    campus.migration("new", "0002_strict", strict)
    [failure] = rehearse(3)["failures"]
    assert failure["name"] == "0002_strict"
    assert "NOT NULL" in failure["message"]
    assert failure["remedy"]


def test_orphans_that_a_new_foreign_key_forbids_are_a_no_go(campus, rehearse):
    campus.run("old", "Product.objects.all().update(title='4711')")
    more = "class Shelf(models.Model):\n    pass\n"
    field = "models.ForeignKey('shop.Shelf', models.CASCADE, null=True, db_column='title')"
    campus.models("new", title=field, more="    pass\n" + more)
    keyed = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Shelf", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AlterField("Product", "title", models.ForeignKey(
            "shop.Shelf", models.CASCADE, null=True, db_column="title")),
    ]
"""
    campus.migration("new", "0002_keyed", keyed)
    [failure] = rehearse(3)["failures"]
    assert failure["name"] == "0002_keyed"
    assert "FOREIGN KEY" in failure["message"] or "foreign key" in failure["message"]
