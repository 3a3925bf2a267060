"""The engine of MariaDB: copies, backup, the way back, and the proof of equality, on a server of the tests' own."""

import dataclasses

import pytest
from tests.servers import execute, mariadb, mariadb_server  # noqa: F401 - fixtures

from sapwood.site.upgrades.engines.base import BackupError, ShadowError, choose, engine_for, same

pytestmark = pytest.mark.slow

# What dumps lose or load in the wrong order: six-digit floats, zero dates, old character sets, bytes, names in quotes.
CONTENT = (
    "SET sql_mode = ''",
    "CREATE TABLE parent (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50) CHARACTER SET utf8mb3 UNIQUE)",
    (
        "CREATE TABLE odd (id BIGINT PRIMARY KEY AUTO_INCREMENT, parent_id INT, small FLOAT, large DOUBLE, day DATE,"
        " at TIMESTAMP(6) NULL, data LONGBLOB, note LONGTEXT, latin VARCHAR(20) CHARACTER SET latin1, json JSON,"
        " flags BIT(9), amount DECIMAL(30,10), uid UUID, half INT AS (parent_id * 2) VIRTUAL,"
        " FOREIGN KEY (parent_id) REFERENCES parent (id))"
    ),
    "CREATE TABLE `we``ird ✓` (`a b` INT, `ü` TEXT)",
    "CREATE TABLE twins (v INT)",
    "INSERT INTO twins VALUES (1), (1)",
    "INSERT INTO parent (name) VALUES ('carol'), ('däve'), (NULL)",
    (
        "INSERT INTO odd (parent_id, small, large, day, at, data, note, latin, json, flags, amount, uid) VALUES"
        " (1, 16777217.123, 0.1, '0000-00-00', '2026-03-29 01:30:00.123456', x'00ff27', 'it''s \\n\\\\ \U0001f600',"
        " 'é', '{\"a\": 1.10}', b'101010101', 12345678901234567890.0123456789, '123e4567-e89b-12d3-a456-426614174000'),"
        " (2, 1.1754944e-38, -0.0, '2026-01-00', NULL, '', '', '', NULL, NULL, NULL, NULL),"
        " (NULL, 3.4028235e38, 1e308, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    ),
    "INSERT INTO `we``ird ✓` VALUES (1, 'INSERT INTO `parent` VALUES'), (2, NULL)",
    "CREATE VIEW names AS SELECT name FROM parent",
    "CREATE TRIGGER stamp BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = CONCAT(NEW.name, '!')",
    "CREATE PROCEDURE hello() SELECT 'hello; ''world'''",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM twins",
)
CHANGES = {
    "a float's seventh digit": "UPDATE odd SET small = 16777220 WHERE id = 1",
    "empty for nothing": "UPDATE odd SET note = '' WHERE id = 3",
    "a byte": "UPDATE odd SET data = x'00fe27' WHERE id = 1",
    "both of two equal rows": "DELETE FROM twins",
    "a column": "ALTER TABLE parent ADD COLUMN age INT",
    "a table": "CREATE TABLE extra (id INT)",
    "a view": "CREATE VIEW extra AS SELECT 1",
    "a trigger": "CREATE TRIGGER extra BEFORE DELETE ON twins FOR EACH ROW SET @x = 1",
    "a routine": "CREATE FUNCTION extra() RETURNS INT RETURN 1",
    "a character set": "ALTER TABLE parent CONVERT TO CHARACTER SET utf8mb4",
}


@pytest.fixture
def url(mariadb):  # noqa: F811 - the fixture
    execute(mariadb, *CONTENT)
    return mariadb


@pytest.mark.parametrize("technique", ["physical", "logical"])
def test_a_shadow_equals_its_source_and_can_be_changed_alone(url, tmp_path, technique):
    engine = engine_for(url)
    before = engine.fingerprint(url)
    with engine.shadow(url, tmp_path / "shadow", technique, print) as copied:
        assert not same(engine.fingerprint(copied.url), before)
        assert engine.version(copied.url).split("-")[0] == engine.version(url).split("-")[0]
        for name in ("sql_mode", "collation_server", "lower_case_table_names", "innodb_flush_log_at_trx_commit"):
            assert execute(copied.url, f"SELECT @@{name}") == execute(url, f"SELECT @@{name}"), name
        assert execute(copied.url, "SELECT @@skip_networking, @@event_scheduler, @@log_bin") == ((1, "OFF", 0),)
        execute(copied.url, "DROP TABLE odd")
        socket = copied.url.socket
    assert engine.fingerprint(url) == before
    assert not list((tmp_path / "shadow").iterdir())
    with pytest.raises(ShadowError, match="does not answer"):
        engine.version(dataclasses.replace(url, socket=socket))


def test_a_restore_takes_back_every_kind_of_change(url, tmp_path):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    assert engine.load_backup(backup.path) == backup
    for name, statement in CHANGES.items():
        execute(url, statement)
        assert same(engine.fingerprint(url), backup.fingerprint), name
        engine.restore(backup, url, print)
        assert not same(engine.fingerprint(url), backup.fingerprint), name


def test_a_restore_that_was_interrupted_is_run_again(url, tmp_path):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    execute(url, f"DROP DATABASE {url.name}")
    assert engine.version(url)
    engine.restore(engine.load_backup(backup.path), url, print)
    assert not same(engine.fingerprint(url), backup.fingerprint)


def test_a_backup_that_was_cut_is_refused(url, tmp_path):
    engine = engine_for(url)
    backup = engine.backup(url, tmp_path / "backup", print)
    file = max((backup.path / "rows").iterdir(), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BackupError, match="not what was written"):
        engine.load_backup(backup.path)


def test_reading_never_writes_and_says_no_value(url):
    from sapwood.site.upgrades.engines import mysql

    for statement in ("UPDATE parent SET name = 'x'", "CREATE TABLE extra (id INT)"):
        with pytest.raises(ShadowError, match="1792"):
            mysql._all(url, statement)
    with pytest.raises(ShadowError) as caught:
        mysql.run(url, "INSERT INTO parent (id, name) VALUES (1, 'secret person')")
    assert "1062" in caught.value.message
    assert "secret" not in caught.value.message


def test_an_open_transaction_is_named_without_values(url):
    import pymysql

    where = {"unix_socket": url.socket, "user": url.user, "password": url.password, "database": url.name}
    with pymysql.connect(**where) as idle:
        idle.cursor().execute("SELECT * FROM parent WHERE name = 'carol'")
        [row] = engine_for(url).blockers(url)
    assert (row["id"], row["what"]) == (idle.thread_id(), "idle")
    assert row["who"].startswith(url.user)


def test_the_choice_says_why(url, tmp_path):
    engine = engine_for(url)
    assert choose(engine, url, tmp_path, "auto").name == "physical"
    execute(
        url,
        "DROP PROCEDURE hello",
        "DROP VIEW names",
        "CREATE USER campus@localhost IDENTIFIED BY 'x'",
        f"GRANT ALL ON {url.name}.* TO campus@localhost",
    )
    try:
        less = dataclasses.replace(url, user="campus", password="x")
        chosen = choose(engine, less, tmp_path, "auto")
        assert chosen.name == "logical"
        assert "physical: the account lacks the right RELOAD and PROCESS" in chosen.why
        with pytest.raises(ShadowError, match="lacks the right"):
            choose(engine, less, tmp_path, "physical")
        before = engine.fingerprint(url)
        with engine.shadow(less, tmp_path / "shadow", "logical", print) as copied:
            assert not same(engine.fingerprint(copied.url), before)
    finally:
        execute(url, "DROP USER campus@localhost")
