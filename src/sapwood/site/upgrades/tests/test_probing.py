"""The algorithm of each statement, as measured on MariaDB 10.11 and PostgreSQL 15 (issue 3, research)."""

import pytest
from tests.servers import execute, mariadb, mariadb_server, postgresql, postgresql_server  # noqa: F401 - fixtures

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.probing import any_blocks_writes, blocks_writes, empty_copy

pytestmark = pytest.mark.slow

ON_MARIADB = {
    "ALTER TABLE child ADD COLUMN price INTEGER NULL": "INSTANT",
    "ALTER TABLE child ADD COLUMN label VARCHAR(10) DEFAULT 'it''s' NOT NULL": "INSTANT",
    "CREATE INDEX child_price ON child (price)": "NOCOPY",
    "ALTER TABLE child ADD CONSTRAINT child_label UNIQUE (label, id)": "NOCOPY",
    "ALTER TABLE child MODIFY title VARCHAR(255) NULL": "INSTANT",
    "ALTER TABLE child MODIFY title VARCHAR(50) NULL": "COPY",
    "ALTER TABLE child MODIFY price BIGINT NULL": "COPY",
    "ALTER TABLE child MODIFY title VARCHAR(50) NOT NULL": "INPLACE",
    "ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent_id) REFERENCES parent (id)": "COPY",
    "ALTER TABLE child DROP COLUMN label, DROP INDEX child_label": "NOCOPY",
    "DROP INDEX `child_price` ON `child`": "NOCOPY",
    "CREATE FULLTEXT INDEX child_words ON child (title)": "INPLACE, LOCK=SHARED",
    "CREATE TABLE other (id INTEGER PRIMARY KEY)": "metadata",
    "ALTER TABLE nothing ADD COLUMN price INTEGER": "unknown",
}
ON_POSTGRESQL = {
    "ALTER TABLE child ADD COLUMN price INTEGER NULL": "ACCESS EXCLUSIVE",
    "CREATE INDEX child_price ON child (price)": "SHARE, scan",
    "CREATE INDEX CONCURRENTLY child_title ON child (title)": "SHARE UPDATE EXCLUSIVE",
    "ALTER TABLE child ALTER COLUMN title TYPE VARCHAR(255)": "ACCESS EXCLUSIVE",
    "ALTER TABLE child ALTER COLUMN price TYPE BIGINT": "ACCESS EXCLUSIVE, rewrite",
    "ALTER TABLE child ADD CONSTRAINT later FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID": (
        "SHARE ROW EXCLUSIVE"
    ),
    "ALTER TABLE child VALIDATE CONSTRAINT later": "SHARE UPDATE EXCLUSIVE, scan",
    "ALTER TABLE child ADD FOREIGN KEY (parent_id) REFERENCES parent (id)": "SHARE ROW EXCLUSIVE, scan",
    "ALTER TABLE child ALTER COLUMN title SET NOT NULL": "ACCESS EXCLUSIVE, scan",
    "ALTER TABLE child ADD CONSTRAINT positive CHECK (price > 0)": "ACCESS EXCLUSIVE, scan",
    "ALTER TABLE child RENAME COLUMN title TO heading": "ACCESS EXCLUSIVE",
    "CREATE TABLE other (id INTEGER PRIMARY KEY)": "none",
    "ALTER TABLE nothing ADD COLUMN price INTEGER": "unknown",
}
TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
    "CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER, title VARCHAR(100))",
    "INSERT INTO child VALUES (1, NULL, 'x')",
)


@pytest.mark.parametrize(("server", "expected"), [("mariadb", ON_MARIADB), ("postgresql", ON_POSTGRESQL)])
def test_each_statement_has_its_algorithm_and_the_copy_is_gone(request, tmp_path, server, expected):
    url = request.getfixturevalue(server)
    execute(url, *TABLES)
    with empty_copy(url, tmp_path) as algorithms:
        found = dict(zip(expected, algorithms(expected), strict=True))
    assert found == expected
    names = "SHOW DATABASES" if server == "mariadb" else "SELECT datname FROM pg_database"
    assert not [name for (name,) in execute(url, names) if name.startswith("probe_")]
    assert len(execute(url, "SELECT * FROM child")[0]) == 3


def test_where_there_is_nothing_to_choose_the_answers_are_empty(tmp_path):
    with empty_copy(DatabaseUrl("sqlite3", str(tmp_path / "x.sqlite3")), tmp_path) as algorithms:
        assert algorithms(["ALTER TABLE x ADD COLUMN y"]) == []


@pytest.mark.parametrize(
    ("algorithm", "waits"),
    [
        ("INSTANT", False),
        ("NOCOPY", False),
        ("INPLACE", False),
        ("INPLACE, LOCK=SHARED", True),
        ("COPY", True),
        ("COPY, LOCK=NONE", False),
        ("metadata", False),
        ("ACCESS EXCLUSIVE", False),
        ("ACCESS EXCLUSIVE, scan", True),
        ("ACCESS EXCLUSIVE, rewrite", True),
        ("SHARE, scan", True),
        ("SHARE UPDATE EXCLUSIVE, scan", False),
        ("none", False),
        ("unknown", None),
    ],
)
def test_whether_writes_wait_follows_from_algorithm_and_lock(algorithm, waits):
    assert blocks_writes(algorithm) is waits


@pytest.mark.parametrize(
    ("algorithms", "waits"),
    [([], None), (["INSTANT"], False), (["INSTANT", "unknown"], None), (["unknown", "COPY"], True)],
)
def test_one_statement_that_makes_writes_wait_is_enough(algorithms, waits):
    assert any_blocks_writes(algorithms) is waits
