"""The engine of SQLite: backup, the way back, and the proof of equality."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import (
    BackupError,
    NoSpaceError,
    ShadowError,
    choose,
    engine_for,
    no_space,
    require_room,
    same,
)


@pytest.fixture
def url(tmp_path):
    found = DatabaseUrl("sqlite3", str(tmp_path / "campus.sqlite3"))
    execute(found, "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, photo BLOB, height REAL)")
    execute(found, "INSERT INTO person (name, photo, height) VALUES ('carol', x'00ff', 1.7), (NULL, NULL, 0.1)")
    return found


def execute(url, *statements):
    with contextlib.closing(sqlite3.connect(url.name)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


CHANGES = {
    "a value": "UPDATE person SET height = 0.30000000000000004 WHERE id = 2",
    "nothing for empty": "UPDATE person SET name = '' WHERE id = 2",
    "a column": "ALTER TABLE person ADD COLUMN age INTEGER",
    "a table": "CREATE TABLE extra (id INTEGER)",
    "a view": "CREATE VIEW names AS SELECT name FROM person",
    "a trigger": "CREATE TRIGGER watch AFTER INSERT ON person BEGIN SELECT 1; END",
    "a lost table": "DROP TABLE person",
}


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_a_restore_takes_back_every_kind_of_change(url, tmp_path, statement):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    execute(url, statement)
    assert same(engine.fingerprint(url), backup.fingerprint)
    engine.restore(backup, url, print)
    assert not same(engine.fingerprint(url), backup.fingerprint)


def test_a_restore_replaces_what_is_no_database_any_more(url, tmp_path):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    (tmp_path / "campus.sqlite3").write_bytes(b"not a database" * 1000)
    engine.restore(engine.load_backup(backup.path), url, print)
    assert not same(engine.fingerprint(url), backup.fingerprint)


def test_a_backup_that_was_cut_or_changed_is_refused(url, tmp_path):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    assert engine.load_backup(backup.path) == backup
    content = backup.path.read_bytes()
    for wrong in (content[:-1], content[:-1] + b"x"):
        backup.path.write_bytes(wrong)
        with pytest.raises(BackupError, match="not what was written"):
            engine.load_backup(backup.path)
    backup.path.unlink()
    with pytest.raises(BackupError, match="no whole backup"):
        engine.load_backup(backup.path)


def test_a_shadow_is_gone_afterwards_and_its_technique_is_explained(url, tmp_path):
    engine = engine_for(url)
    assert choose(engine, url, tmp_path, "auto").name == "file-copy"
    with pytest.raises(ShadowError, match="not known for this kind"):
        choose(engine, url, tmp_path, "physical")
    before = engine.fingerprint(url)
    with engine.shadow(url, tmp_path / "shadow", "file-copy", print) as copied:
        execute(copied.url, "DELETE FROM person")
    assert engine.fingerprint(url) == before
    assert not list((tmp_path / "shadow").iterdir())


def test_a_full_disk_is_one_line_before_and_on_the_way(tmp_path):
    with pytest.raises(NoSpaceError, match="too small"):
        require_room(tmp_path / "not there yet", 10**18)
    with pytest.raises(NoSpaceError, match="filled up"), no_space(), Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)
