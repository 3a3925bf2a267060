"""`sapwood upgrade rehearse --mask`: no real value is in the copy, and the report says what that means."""

import datetime as dt
import json
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.core.errors import SapwoodError
from sapwood.site.upgrades import api
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.engines import servers
from sapwood.site.upgrades.engines.base import engine_for
from sapwood.site.upgrades.masking.masks import Masked
from sapwood.site.upgrades.masking.rules import Meaning
from sapwood.site.upgrades.tests.conftest import Campus

pytestmark = pytest.mark.slow

LATIN = ["Wilhelmina", "Balthazarina", "Guinevere", "Maximiliane", "Quirinalda"]
NAMES = [*LATIN, "Тамара Ивановна", "Ἀλέξανδρος", "山田太郎さん"]
MODELS = """
from django.contrib.auth.base_user import AbstractBaseUser
class Person(AbstractBaseUser):
    handle = models.CharField(max_length=60, unique=True)
    mail = models.EmailField(unique=True)
    surname = models.CharField(max_length=60, null=True)
    birth_date = models.DateField(null=True)
    last_ip = models.GenericIPAddressField(null=True)
    notes = models.TextField(default="")
    answers = models.JSONField(null=True)
    salary = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    picture = models.BinaryField(null=True)
    grade = models.SmallIntegerField(null=True)
    USERNAME_FIELD = "handle"
    EMAIL_FIELD = "mail"
class Badge(models.Model):
    code = models.CharField(max_length=40, primary_key=True)
    holder = models.ForeignKey(Person, models.CASCADE, to_field="handle")
    number = models.CharField(max_length=2)
    gender = models.CharField(max_length=1, choices=[("f", "f"), ("m", "m")], default="f")
    class Meta:
        unique_together = [("holder", "number")]
"""
FIRST = """
from django.db import migrations, models
class Migration(migrations.Migration):
    initial = True
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.CreateModel("Person", [
            ("id", models.BigAutoField(primary_key=True)),
            ("password", models.CharField(max_length=128)),
            ("last_login", models.DateTimeField(null=True, blank=True)),
            ("handle", models.CharField(max_length=60, unique=True)),
            ("mail", models.EmailField(max_length=254, unique=True)),
            ("surname", models.CharField(max_length=60, null=True)),
            ("birth_date", models.DateField(null=True)),
            ("last_ip", models.GenericIPAddressField(null=True)),
            ("notes", models.TextField(default="")),
            ("answers", models.JSONField(null=True)),
            ("salary", models.DecimalField(max_digits=8, decimal_places=2, null=True)),
            ("picture", models.BinaryField(null=True)),
            ("grade", models.SmallIntegerField(null=True)),
        ]),
        migrations.CreateModel("Badge", [
            ("code", models.CharField(max_length=40, primary_key=True)),
            ("holder", models.ForeignKey("shop.Person", models.CASCADE, to_field="handle")),
            ("number", models.CharField(max_length=2)),
            ("gender", models.CharField(max_length=1, choices=[("f", "f"), ("m", "m")], default="f")),
        ], options={"unique_together": {("holder", "number")}}),
    ]
"""
ADD = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0002_people")]
    operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
PRICE = "    price = models.IntegerField(null=True)\n"
RULES = """
[mask]
[mask.rules]
"shop_person.notes" = "text"
"shop_person.answers" = "json"
"shop_person.salary" = "number"
"shop_person.picture" = "binary"
"shop_badge.code" = "text"
"shop_badge.number" = "text"
"shop_nobody.name" = "text"
"shop_product.title" = "keep"
"""
FILL = """
call_command("migrate", verbosity=0)
import datetime, uuid
from django.db import connection
from shop.models import Badge, Person
names = NAMES
for number in range(200):
    name = names[number % len(names)]
    one = Person.objects.create(
        handle=f"{name}{number}", mail=f"Person.{number}@Riverside{number % 3}.example",
        surname=name if number % 5 else None, password="pbkdf2_sha256$10$Riversidesalt$RiversidehashRiverside=",
        birth_date=datetime.date(1960, 1, 1) + datetime.timedelta(number * 50),
        last_ip=f"203.0.113.{number}" if number % 2 else f"2001:db8::{number + 1:x}",
        notes="Riverside, beside the mill. " * 20,
        answers={"town": "Riverside", "n": number, "said": 'a "quoted" Riverside\\n'}, salary=f"{1000 + number}.37",
        picture=b"Riverside" + bytes([number]), grade=number % 7,
    )
    for place in range(3):
        code = str(uuid.UUID(int=number * 3 + place))
        Badge.objects.create(code=code, holder=one, number=f"{(number + place) % 10}{place}")
    Product.objects.create(code=str(uuid.uuid4()), title="Product")
""".replace("NAMES", repr(NAMES))


def people(folder, url=None):
    """A campus with people in its database."""
    folder.mkdir()
    made = Campus(folder, url)
    for side in ("old", "new"):
        made.models(side, more=(PRICE if side == "new" else "") + MODELS)
        made.migration(side, "0002_people", FIRST)
    made.migration("new", "0003_price", ADD)
    made.subject.write_text(made.subject.read_text() + RULES)
    made.run("old", FILL)
    return made


@pytest.fixture(params=["sqlite", "mariadb", "postgresql"])
def campus(request, tmp_path):
    return people(tmp_path / "campus", None if request.param == "sqlite" else request.getfixturevalue(request.param))


@pytest.fixture
def file_campus(tmp_path):
    return people(tmp_path / "campus")


@pytest.fixture
def rehearse(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def invoke(campus, code, *words):
        result = CliRunner().invoke(
            upgrade, ["rehearse", str(campus.subject), "--mask", "--report", str(tmp_path / "report"), "--json", *words]
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        assert not list((tmp_path / "var" / "site" / "upgrades").glob("shadow-*"))
        return json.loads(result.stdout)

    return invoke


def sql(campus, *statements):
    """Statements in production, by the database's own client."""
    if campus.url is not None:
        return execute(campus.url, *statements)
    with sqlite3.connect(campus.database) as connection:
        for statement in statements:
            found = connection.execute(statement)
        return found.fetchall()


def dumped(campus, work):
    """Everything that is in the copy at this moment, as text, and for SQLite the bytes of its file."""
    if campus.url is None:
        [path] = work.glob("shadow-*/default/shadow.sqlite3")
        with sqlite3.connect(path) as connection:
            return "\n".join(connection.iterdump()) + path.read_bytes().decode("latin-1")
    [record] = [path for path in work.rglob(servers.RECORD) if "pid" in json.loads(path.read_text())]
    place = Path(json.loads(record.read_text())["place"])
    if campus.url.vendor == "postgresql":
        argv = [servers.postgresql_programs() / "pg_dumpall", "-h", place / "run", "-U", campus.url.user, "--inserts"]
        return subprocess.run(argv, check=True, capture_output=True, text=True, errors="replace").stdout
    [word] = re.findall(r"IDENTIFIED BY '(.*)'", (place / "run" / "first.sql").read_text())
    options = ["--all-databases", "--skip-extended-insert", "--hex-blob"]
    options += [f"--socket={place / 'run' / 's.sock'}", f"-p{word}"]
    argv = [servers.program("mariadb-dump"), "--no-defaults", "-usapwood_shadow", *options]
    return subprocess.run(argv, check=True, capture_output=True, text=True, errors="replace").stdout


def test_no_real_value_is_left_in_the_copy_and_the_upgrade_goes_as_before(campus, tmp_path):
    work, copies = tmp_path / "work", []

    def say(line):
        if line.startswith(("checking the rows of every model, before", "measuring the way back")):
            copies.append(dumped(campus, work))

    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    found = api.rehearse(api.read_subject(campus.subject), work=work, now=now, masking=True, say=say)
    assert found.verdict is api.Verdict.GO, found.reasons
    real = sql(campus, "SELECT handle, mail, last_ip, salary FROM shop_person")
    assert len(copies) == 2
    for copy in copies:
        assert "shop_person" in copy
        for word in ("Riverside", "riverside", "UmrvZXJzaWRl", "5269766572", *NAMES[:7]):
            assert word not in copy, word
        assert not [value for row in real for value in row[:2] if value in copy]
        assert not [row[2] for row in real if f"'{row[2]}'" in copy and len(row[2]) > 10]


def test_the_report_says_what_was_masked_by_which_rule_and_what_was_not(campus, rehearse, tmp_path):
    found = rehearse(campus, 0)
    assert found["verdict"] == "go"
    masking = found["masking"]
    rules = {f"{row['table']}.{row['column']}": (row["rule"], row["rows"]) for row in masking["columns"]}
    assert rules == {
        "shop_person.handle": ("text", 200),
        "shop_person.mail": ("email", 200),
        "shop_person.surname": ("text", 160),
        "shop_person.password": ("password", 200),
        "shop_person.birth_date": ("shift", 200),
        "shop_person.last_ip": ("ip", 200),
        "shop_person.notes": ("text", 200),
        "shop_person.answers": ("json", 200),
        "shop_person.salary": ("number", 200),
        "shop_person.picture": ("binary", 200),
        "shop_badge.code": ("text", 600),
        "shop_badge.holder_id": ("text", 600),
        "shop_badge.number": ("text", 600),
        # Django's own table of users, in which this campus has nobody.
        **{f"auth_user.{name}": ("text", 0) for name in ("username", "first_name", "last_name")},
        "auth_user.email": ("email", 0),
        "auth_user.password": ("password", 0),
    }
    why = {f"{row['table']}.{row['column']}": row["why"] for row in masking["columns"]}
    assert why["shop_badge.holder_id"] == "it goes with shop_person.handle"
    assert why["shop_person.mail"] == "what Django uses it for (shop.Person)"
    assert why["shop_badge.code"] == "the subject file"
    assert masking["not_found"] == ["shop_nobody.name"]
    left = {row["column"]: row["why"] for row in masking["left"]}
    assert left == {
        "shop_badge.gender": "its name; only certain values are allowed",
        "shop_product.title": "the subject file",
    }
    assert {row["what"]: row["how"] for row in masking["holds"]}["values"] == "holds"
    assert any("shop_badge.gender" in line for line in found["untested"])
    page = (tmp_path / "report" / "rehearsal.html").read_text()
    assert "shop_badge.holder_id" in page
    assert "shop_nobody.name" in page
    result = CliRunner().invoke(upgrade, ["certificate", str(tmp_path / "report" / "certificate.json")])
    assert "masked in the copy: " in result.output
    assert "shop_person.mail" in result.output


def test_lengths_uniqueness_and_references_stay(campus, tmp_path):
    """The copy is read by the target's own migration, which stops where it is not as the real one."""
    real = sorted(
        (len(handle), len(handle.encode()), len(mail), -1 if surname is None else len(surname))
        for handle, mail, surname in sql(campus, "SELECT handle, mail, surname FROM shop_person")
    )
    look = f"""
from django.db import migrations
def look(apps, schema_editor):
    person, badge = apps.get_model("shop.Person"), apps.get_model("shop.Badge")
    rows = list(person.objects.values_list("handle", "mail", "surname"))
    found = sorted((len(h), len(h.encode()), len(m), -1 if s is None else len(s)) for h, m, s in rows)
    assert [tuple(map(str, row)) for row in found] == [tuple(map(str, row)) for row in {real!r}], "lengths"
    assert len({{h.lower() for h, m, s in rows}}) == len({{m.lower() for h, m, s in rows}}) == 200, "unique"
    assert all(m.endswith(".example") and m.count("@") == 1 for h, m, s in rows), "addresses"
    assert len({{m.partition("@")[2] for h, m, s in rows}}) == 3, "domains"
    assert {{b.holder_id for b in badge.objects.all()}} == {{h for h, m, s in rows}}, "references"
    assert len(set(badge.objects.values_list("holder", "number"))) == 600, "together"
    one = person.objects.first()
    assert sorted(one.answers) == ["n", "said", "town"] and one.password.startswith("pbkdf2_sha256$10$"), "shape"
    print("seen")
class Migration(migrations.Migration):
    dependencies = [("shop", "0003_price")]
    operations = [migrations.RunPython(look)]
"""
    campus.migration("new", "0004_look", look)
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    found = api.rehearse(api.read_subject(campus.subject), work=tmp_path / "work", now=now, masking=True)
    assert found.failures == []
    [row] = [row for row in found.migrations if row["name"] == "0004_look"]
    assert row["outcome"] == "done"


def test_a_migration_that_reads_masked_values_makes_the_verdict_unknown_and_is_named(campus, rehearse, tmp_path):
    campus.migration(
        "new",
        "0004_reads",
        """
        from django.db import migrations
        def read(apps, schema_editor):
            for one in apps.get_model("shop.Person").objects.all()[:3]:
                pass
        class Migration(migrations.Migration):
            dependencies = [("shop", "0003_price")]
            operations = [migrations.RunPython(read)]
        """,
    )
    found = rehearse(campus, 4)
    assert found["verdict"] == "unknown"
    [reads] = found["masking"]["reads"]
    assert reads["migration"] == "shop.0004_reads"
    assert {"shop_person.handle", "shop_person.mail", "shop_person.notes"} <= set(reads["columns"])
    assert found["reasons"][0].startswith("shop.0004_reads: it works on masked values (")
    assert found["certificate"] is None


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ('AlterField("Person", "surname", models.CharField(max_length=60, null=True, unique=True))', "surname"),
        ('AddConstraint("Person", models.UniqueConstraint(fields=["surname", "grade"], name="one"))', "surname"),
        ('AlterField("Person", "handle", models.TextField(unique=True))', "handle"),
    ],
)
def test_uniqueness_and_type_of_a_masked_column_are_unknown(file_campus, rehearse, operation, field):
    sql(file_campus, "UPDATE shop_person SET surname = NULL")
    name, _open, rest = operation.partition("(")
    file_campus.migration(
        "new",
        "0004_tests",
        f"""
        from django.db import migrations, models
        class Migration(migrations.Migration):
            dependencies = [("shop", "0003_price")]
            operations = [migrations.{name}({rest}]
        """,
    )
    found = rehearse(file_campus, 4)
    [reads] = found["masking"]["reads"]
    assert reads == {"migration": "shop.0004_tests", "columns": [f"shop_person.{field}"]}


def test_a_wider_column_and_an_index_stay_a_go(file_campus, rehearse):
    file_campus.migration(
        "new",
        "0004_wider",
        """
        from django.db import migrations, models
        class Migration(migrations.Migration):
            dependencies = [("shop", "0003_price")]
            operations = [
                migrations.AlterField("Person", "surname", models.CharField(max_length=90, null=True)),
                migrations.AddIndex("Person", models.Index(fields=["surname"], name="by_surname")),
            ]
        """,
    )
    assert rehearse(file_campus, 0)["verdict"] == "go"


def test_a_failure_that_may_come_of_the_mask_is_unknown_and_one_of_the_schema_is_a_no_go(file_campus, rehearse):
    fails = """
        from django.db import migrations
        def parse(apps, schema_editor):
            for one in apps.get_model("shop.Person").objects.all():
                if not one.mail.startswith("Person."):
                    raise ValueError("no such address")
        class Migration(migrations.Migration):
            dependencies = [("shop", "0003_price")]
            operations = [{operation}]
    """
    file_campus.migration("new", "0004_fails", fails.format(operation="migrations.RunPython(parse)"))
    found = rehearse(file_campus, 4)
    assert found["reasons"][0].startswith("shop.0004_fails: it works on masked values (")
    assert found["reasons"][0].endswith("), and it failed")
    wrong = "migrations.RunSQL('UPDATE shop_person SET mail = nothing')"
    file_campus.migration("new", "0004_fails", fails.format(operation=wrong))
    assert rehearse(file_campus, 3)["verdict"] == "no-go"


def test_triggers_do_not_fire_and_are_there_afterwards_and_generated_columns_follow(campus, tmp_path):
    vendor = "sqlite3" if campus.url is None else campus.url.vendor
    tables = ["CREATE TABLE seen (what VARCHAR(20))"]
    triggers = {
        "sqlite3": [
            f"CREATE TRIGGER note_{kind} AFTER {kind} ON shop_person BEGIN INSERT INTO seen VALUES ('{kind}'); END"
            for kind in ("insert", "update", "delete")
        ],
        "mysql": [
            f"CREATE TRIGGER note_{kind} AFTER {kind} ON shop_person FOR EACH ROW INSERT INTO seen VALUES ('{kind}')"
            for kind in ("insert", "update", "delete")
        ],
        "postgresql": [
            """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
               AS $$ BEGIN INSERT INTO seen VALUES (TG_OP); RETURN NULL; END $$""",
            """CREATE TRIGGER note_all AFTER INSERT OR UPDATE OR DELETE ON shop_person
               FOR EACH ROW EXECUTE FUNCTION note()""",
            "ALTER TABLE shop_person ENABLE ALWAYS TRIGGER note_all",
        ],
    }[vendor]
    kind = "STORED" if vendor == "postgresql" else "VIRTUAL"
    loud = f"loud_mail VARCHAR(254) GENERATED ALWAYS AS (upper(mail)) {kind}"
    sql(campus, *tables, *triggers, f"ALTER TABLE shop_person ADD COLUMN {loud}")
    campus.migration(
        "new",
        "0004_look",
        """
        from django.db import migrations
        def look(apps, schema_editor):
            with schema_editor.connection.cursor() as cursor:
                cursor.execute("SELECT COUNT(*) FROM seen")
                assert cursor.fetchone()[0] == 0, "a trigger fired"
                cursor.execute("UPDATE shop_person SET grade = 1")
                cursor.execute("SELECT COUNT(*) FROM seen")
                assert cursor.fetchone()[0] == 200, "no trigger is left"
                wrong = "loud_mail <> UPPER(mail) OR loud_mail LIKE '%RIVERSIDE%'"
                cursor.execute("SELECT COUNT(*) FROM shop_person WHERE " + wrong)
                assert cursor.fetchone()[0] == 0, "it does not follow"
        class Migration(migrations.Migration):
            dependencies = [("shop", "0003_price")]
            operations = [migrations.RunPython(look)]
        """,
    )
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    found = api.rehearse(api.read_subject(campus.subject), work=tmp_path / "work", now=now, masking=True)
    assert [row["message"] for row in found.failures] == []
    assert ("shop_person.loud_mail", "its name; the database computes it from other columns") in {
        (row["column"], row["why"]) for row in found.masked.left
    }


@pytest.mark.parametrize("campus", ["mariadb", "postgresql"], indirect=True)
def test_other_databases_of_the_server_are_not_in_a_masked_copy(campus, tmp_path):
    execute(campus.url, "CREATE DATABASE neighbour")
    try:
        work, seen = tmp_path / "work", []

        def say(line):
            if line.startswith("checking the rows of every model, before"):
                seen.append(dumped(campus, work))

        now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
        found = api.rehearse(api.read_subject(campus.subject), work=work, now=now, masking=True, say=say)
        assert found.technique == "physical"
        assert "neighbour" not in seen[0]
    finally:
        execute(campus.url, "DROP DATABASE neighbour")


def test_without_the_flag_nothing_is_masked(file_campus, tmp_path):
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    found = api.rehearse(api.read_subject(file_campus.subject), work=tmp_path / "work", now=now)
    assert found.to_dict()["masking"] is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('"shop_person.grade" = "email"', "'email' does not fit shop_person.grade, which holds integer"),
        ('"shop_badge.holder_id" = "keep"\n"shop_person.handle" = "text"', "refer to each other and have different"),
    ],
)
def test_a_rule_that_does_not_fit_is_one_line_before_anything_is_copied(file_campus, tmp_path, rule, words):
    file_campus.subject.write_text(file_campus.subject.read_text() + rule + "\n")
    lines = []
    with pytest.raises(SapwoodError) as caught:
        api.rehearse(
            api.read_subject(file_campus.subject),
            work=tmp_path / "work",
            now=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
            masking=True,
            say=lines.append,
        )
    assert words in caught.value.message
    assert "copying the database" not in lines


def test_values_that_a_database_refuses_end_it_with_one_line(file_campus, tmp_path):
    sql(file_campus, "CREATE TABLE plates (email VARCHAR(40) CHECK (email LIKE '%riverside%'))")
    sql(file_campus, "INSERT INTO plates VALUES ('alice@riverside.example')")
    with pytest.raises(SapwoodError, match="The masked rows of plates are refused: CHECK") as caught:
        api.rehearse(
            api.read_subject(file_campus.subject),
            work=tmp_path / "work",
            now=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
            masking=True,
        )
    assert "alice" not in caught.value.message
    assert not list((tmp_path / "work").glob("shadow-*"))


def test_what_is_short_and_dense_stays_unique_on_every_engine(campus, tmp_path):
    """Every value is also another's masked one: row by row such a column could not be changed."""
    sql(campus, "CREATE TABLE dense (code VARCHAR(2) PRIMARY KEY, n INTEGER NOT NULL UNIQUE)")
    rows = [(f"{chr(97 + number // 10)}{number % 10}", 100 + number) for number in range(260)]
    sql(campus, "INSERT INTO dense VALUES " + ", ".join(f"('{code}', {n})" for code, n in rows))
    extra = '"dense.code" = "text"\n"dense.n" = "number"\n'
    campus.subject.write_text(campus.subject.read_text() + extra)
    now = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    found = api.rehearse(api.read_subject(campus.subject), work=tmp_path / "work", now=now, masking=True)
    assert found.verdict is api.Verdict.GO
    [row] = [row for row in found.masked.columns if (row["table"], row["column"]) == ("dense", "code")]
    assert (row["rows"], row["unchanged"], row["unique"]) == (260, 0, True)
    engine = engine_for(campus.url) if campus.url else None
    assert engine is None or engine.tables(campus.url)["dense"]


@pytest.mark.parametrize(
    ("given", "doubted"),
    [
        ({"field": "mail"}, True),
        ({"field": "mail", "before": "fail"}, False),
        ({"field": "price"}, False),
        ({"field": "", "id": "models.read"}, True),
        ({"field": "", "id": "models.table"}, False),
        ({"model": "shop.Other", "field": ""}, False),
        ({"pack": "campus", "model": "", "field": "", "before": "unknown"}, True),
        ({"pack": "campus", "model": "", "field": "", "before": "pass"}, False),
    ],
)
def test_a_failed_check_is_doubted_only_where_it_may_have_looked_at_masked_values(given, doubted):
    masked = Masked(names={"default": {"shop_person": ["mail"]}})
    meanings = {
        ("shop_person", "mail"): Meaning("shop.Person", "mail", ["EmailField"]),
        ("shop_person", "price"): Meaning("shop.Person", "price", ["IntegerField"]),
        ("shop_other", "mail"): Meaning("shop.Other", "mail", ["EmailField"]),
    }
    row = {"id": "models.save", "verdict": "fail", "model": "shop.Person", "before": "pass", **given}
    assert masked.marked([row], meanings)[0]["masked"] is doubted
