"""What one state of a project has beyond another: from git and from folders, which say the same."""

import datetime as dt
import os

import pytest

from sapwood.formats.documents import document_bytes, parse_document
from sapwood.formats.migration_report import MigrationReport
from sapwood.history import delta as module
from sapwood.history.delta import NoFolderError, TooManyMigrationsError, delta, sources_of_commit, sources_of_folder
from sapwood.history.repositories import NoSuchRefError
from sapwood.history.tests.repositories import Repository

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def migration(operations, *, dependencies="", replaces=""):
    return (
        "from django.db import migrations, models\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [{dependencies}]\n    replaces = [{replaces}]\n    operations = [{operations}]\n"
    )


FIRST = migration('migrations.CreateModel("Product", [("title", models.CharField(max_length=50))])')
WIDER = migration(
    'migrations.AlterField("product", "title", models.CharField(max_length=90))', dependencies='("shop", "0001_first")'
)
GONE = migration('migrations.RemoveField("product", "title")', dependencies='("shop", "0002_wider")')
OTHER = migration('migrations.CreateModel("Order", [])', dependencies='("shop", "0003_gone")')
MORE = migration(
    'migrations.AddField("order", "paid", models.BooleanField(default=False))', dependencies='("sales", "0001_order")'
)
OLD = {"lib/shop/migrations/0001_first.py": FIRST, "lib/shop/migrations/__init__.py": ""}
NEW = OLD | {
    "lib/shop/migrations/0002_wider.py": WIDER,
    "lib/shop/migrations/0003_gone.py": GONE,
    "lib/a_sales_app/apps.py": 'class A(AppConfig):\n    name = "a_sales_app"\n    label = "sales"\n',
    "lib/a_sales_app/migrations/0001_order.py": OTHER,
    "lib/a_sales_app/migrations/0002_more.py": MORE,
    "lib/alembic/migrations/env.py": "import alembic\n",
    "lib/shop/migrations/notes.txt": "class Migration",
}


def folder(path, files):
    for name, content in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return path


def both(tmp_path, old, new):
    return delta(sources_of_folder(folder(tmp_path / "old", old)), sources_of_folder(folder(tmp_path / "new", new)))


def test_only_what_is_new_is_listed_in_an_order_that_django_takes(tmp_path):
    steps = both(tmp_path, OLD, NEW)
    assert [(step.label, step.classes) for step in steps] == [
        ("shop.0002_wider", ("expand",)),
        ("shop.0003_gone", ("unsafe", "contract")),
        ("sales.0001_order", ("expand",)),
        ("sales.0002_more", ("expand",)),  # on a table that the same upgrade makes
    ]
    [operation] = steps[1].operations
    assert (operation.kind, operation.model, operation.field, operation.reversible) == (
        "RemoveField",
        "product",
        "title",
        None,
    )


def test_two_commits_say_what_two_folders_say(tmp_path):
    repository = Repository(tmp_path / "clone")
    repository.commit("old", OLD)
    repository.git("tag", "old")
    repository.commit("new", {name: content for name, content in NEW.items() if name not in OLD})
    of_commits = delta(sources_of_commit(repository.path, "old"), sources_of_commit(repository.path, "main"))
    assert of_commits == both(tmp_path, OLD, NEW)
    with pytest.raises(NoSuchRefError):
        sources_of_commit(repository.path, "never")


@pytest.mark.parametrize(
    ("before", "listed"),
    [
        (["0001_first", "0002_wider", "0003_gone"], []),
        (["0001_first"], ["0002_wider", "0003_gone"]),
        ([], ["0001_squashed"]),
    ],
)
def test_a_squash_runs_only_where_none_of_its_parts_did(tmp_path, before, listed):
    parts = {"0001_first": FIRST, "0002_wider": WIDER, "0003_gone": GONE}
    squash = migration("", replaces=", ".join(f'("shop", "{name}")' for name in parts))
    new = {f"shop/migrations/{name}.py": content for name, content in {**parts, "0001_squashed": squash}.items()}
    old = {f"shop/migrations/{name}.py": parts[name] for name in before} | {"README": ""}
    assert [step.name for step in both(tmp_path, old, new)] == listed


def test_hostile_files_end_in_a_document_that_can_be_read(tmp_path):
    place = folder(tmp_path / "new", {"shop/migrations/0001_first.py": FIRST, "old": ""}) / "shop" / "migrations"
    (place / "0002_\u202egnp.py").write_text("(" * 5000)
    (place / "0003_kind.py").write_text(migration('X["\\u202e"](), migrations.RemoveField("\\x1b[31m", "\\n")'))
    (place / "0004_circle.py").write_text(migration("", dependencies='("shop", "0004_circle")'))
    os.mkfifo(place / "0005_never_ends.py")
    (place / "0006_gone.py").symlink_to(tmp_path / "nowhere")
    steps = delta({}, sources_of_folder(tmp_path / "new"))
    report = MigrationReport(made_at=NOW, sapwood="0", migrations=steps)
    assert parse_document(document_bytes(report)) == report
    assert len(steps) == 6
    assert {step.name for step in steps if step.classes == ("unknown",)} >= {"0002_gnp", "0005_never_ends", "0006_gone"}


def test_there_is_an_end_to_how_much_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 2)
    with pytest.raises(TooManyMigrationsError):
        both(tmp_path, OLD, NEW)


def test_a_folder_that_is_none_is_one_error(tmp_path):
    with pytest.raises(NoFolderError):
        sources_of_folder(tmp_path / "nowhere")
