"""AlterField, judged by the field's earlier form."""

import pytest

from sapwood.history.altered import settle
from sapwood.history.migrations import read_migration

HEAD = "from django.db import migrations, models\nclass Migration(migrations.Migration):\n"
FIRST = '    operations = [migrations.CreateModel("Book", [("title", {})])]\n'
LATER = '    dependencies = [("auth", "0009_x"), ("shop", "{}")]\n    operations = [{}]\n'
ALTER = 'migrations.AlterField("book", "title", {})'
OPEN = ("contract", "expand")


def judged(before, after, *, between="migrations.RunPython(rows)"):
    files = {
        "0001": HEAD + FIRST.format(before),
        "0002": HEAD + LATER.format("0001", between),
    }
    last = HEAD + LATER.format("0002", ALTER.format(after))
    return settle(read_migration(last.encode()), "shop", lambda name: files.get(name, "").encode())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("models.CharField(max_length=9)", "models.CharField(max_length=9, help_text='x', choices=[])", ("neutral",)),
        ("models.CharField(max_length=9)", "models.CharField(max_length=20)", ("expand",)),
        ("models.CharField(max_length=20)", "models.CharField(max_length=9)", ("unsafe", "contract")),
        ("models.TextField()", "models.TextField(null=True)", ("expand",)),
        ("models.TextField(null=True)", "models.TextField()", ("unsafe", "contract")),
        ("models.TextField(null=True)", "models.TextField(null=True, unique=True)", ("unsafe", "contract")),
        ("models.TextField()", "models.TextField(db_index=True)", ("expand",)),
        ("models.TextField()", "models.CharField(max_length=9)", ("unsafe",)),
        ("models.TextField()", "models.TextField(db_collation='x')", OPEN),
        ("made_elsewhere", "models.TextField()", OPEN),
        ("models.TextField()", "made_elsewhere", OPEN),
    ],
)
def test_an_altered_field_is_held_against_its_earlier_form(before, after, expected):
    assert judged(before, after).classes == expected


def test_the_last_form_before_counts_and_a_rename_leaves_it_open():
    between = ALTER.format("models.CharField(max_length=30)")
    assert judged("models.CharField(max_length=9)", "models.CharField(max_length=20)", between=between).classes == (
        "unsafe",
        "contract",
    )
    between = 'migrations.RenameField("book", "name", "title")'
    assert judged("models.TextField()", "models.TextField(null=True)", between=between).classes == OPEN


@pytest.mark.parametrize("missing", ["0001", "0002"])
def test_what_is_not_there_leaves_it_open(missing):
    last = HEAD + LATER.format(missing, ALTER.format("models.TextField(null=True)"))
    assert settle(read_migration(last.encode()), "shop", lambda _name: b"").classes == OPEN
    circle = HEAD + LATER.format("0002", "")
    assert settle(read_migration(last.encode()), "shop", lambda _name: circle.encode()).classes == OPEN
