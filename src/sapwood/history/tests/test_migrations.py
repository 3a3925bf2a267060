"""Classes of migrations, from their source alone."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.history.migrations import read_migration


def classes(operation):
    return read(f"operations = [{operation}]").classes


def read(body):
    source = "from django.db import migrations, models\n\nclass Migration(migrations.Migration):\n"
    return read_migration((source + textwrap.indent(textwrap.dedent(body), "    ")).encode())


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ('migrations.CreateModel("A", [])', ("expand",)),
        ('migrations.AddField("a", "b", models.IntegerField(null=True))', ("expand",)),
        ('migrations.AddField("a", "b", models.IntegerField(db_default=0))', ("expand",)),
        ('migrations.AddField("a", "b", models.IntegerField(default=0))', ("unsafe", "expand")),
        ('migrations.AddField(model_name="a", name="b", field=models.ManyToManyField("c"))', ("expand",)),
        ('migrations.AddField("a", "b", made_elsewhere)', ("unknown",)),
        ('migrations.RemoveField("a", "b")', ("unsafe", "contract")),
        ('migrations.DeleteModel("A")', ("unsafe", "contract")),
        ('migrations.RenameField("a", "b", "c")', ("unsafe",)),
        ('migrations.AddIndex("a", models.Index(fields=["b"], name="i"))', ("expand",)),
        ('migrations.AddConstraint("a", models.UniqueConstraint(fields=["b"], name="u"))', ("unsafe", "contract")),
        ('migrations.AlterModelOptions("a", {})', ("neutral",)),
        ("migrations.RunPython(move_rows)", ("data",)),
        ('migrations.RunSQL("update a set b = 1")', ("unknown", "data")),
        ("migrations.RunSQL(migrations.RunSQL.noop)", ("neutral",)),
        ("TheirOwn()", ("unknown",)),
        ("*computed", ("unknown",)),
    ],
)
def test_what_an_operation_means_for_the_release_that_still_runs(operation, expected):
    assert classes(operation) == expected


def test_state_only_operations_are_neutral_and_their_other_half_is_not():
    both = 'migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("A")], database_operations={})'
    assert classes(both.format("[]")) == ("neutral",)
    assert classes(both.format('[migrations.RenameModel("A", "B")]')) == ("unsafe", "neutral")
    assert classes(both.format("computed()")) == ("unknown", "neutral")


def test_nothing_breaks_running_code_on_a_table_that_it_does_not_know():
    made = 'migrations.CreateModel("A", [])'
    changed = """
        migrations.AddField("a", "b", models.IntegerField()), migrations.AlterField("A", "b", models.TextField()),
        migrations.AddConstraint("a", models.UniqueConstraint(fields=["b"], name="u")),
        migrations.RemoveField("a", "b"), migrations.RenameModel("A", "B"), migrations.RenameField("b", "c", "d"),
        migrations.DeleteModel("B"),
    """
    found = read(f"operations = [{made}, {changed}]")
    assert (found.classes, found.new) == (("expand",), {"a", "b"})
    assert read(f"operations = [{changed}]").classes == ("unsafe", "contract", "expand")
    state = f"migrations.SeparateDatabaseAndState(state_operations=[{made}])"
    assert read(f"operations = [{state}, {changed}]").classes == ("unsafe", "contract", "expand", "neutral")
    later = read_migration(f"class Migration:\n    operations = [{changed.strip()}]".encode(), new={"a"})
    assert later.classes == ("expand",)


def test_what_cannot_be_decided_has_a_reason():
    assert read("operations = make()").reason == "its operations are computed"
    assert read("operations = make()").classes == ("unknown",)
    assert read_migration(b"x = 1").reason == "declares no class Migration"
    assert read_migration(b"def (:").reason.startswith("does not parse")
    assert read_migration(b"\0").classes == ("unknown",)
    [operation] = read("operations = [TheirOwn()]").operations
    assert operation.why == "TheirOwn is not one of Django's own"


def test_where_a_migration_stands_is_read():
    found = read(
        """
        dependencies = [("auth", "0001_initial"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
        replaces = [("shop", "0001_a"), ("shop", "0002_b")]
        atomic = False
        operations = []
        """
    )
    assert found.dependencies == (("auth", "0001_initial"),)
    assert found.replaces == (("shop", "0001_a"), ("shop", "0002_b"))
    assert found.atomic is False
    assert found.classes == ("neutral",)


def test_whether_there_is_a_way_back():
    [there, back] = read("operations = [migrations.RunPython(f), migrations.RunPython(f, g)]").operations
    assert (there.reversible, back.reversible) == (False, True)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_unknown_with_a_reason(source):
    found = read_migration(source)
    assert found.operations or found.reason or found.classes == ("neutral",)


def test_deep_nesting_is_unknown_and_not_a_crash():
    deep = b"class Migration:\n    operations = " + b"[" * 5000 + b"]" * 5000
    assert read_migration(deep).classes == ("unknown",)
