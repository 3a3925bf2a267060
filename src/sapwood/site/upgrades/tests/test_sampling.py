"""Samples of rows: whole in themselves, the same in every run, each inside the next larger one."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.sampling import graph
from sapwood.site.upgrades.sampling import sqlite as sampler
from sapwood.site.upgrades.sampling.drawing import draw
from sapwood.site.upgrades.sampling.graph import Relation, Table, leaders, origin

SHARES = (0.5, 0.2, 0.0)


@st.composite
def databases(draw_):
    """Tables that point at each other and at themselves, some rows at nothing; not every relation is declared."""
    count = draw_(st.integers(1, 4))
    relations = draw_(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1), st.booleans()), max_size=6)
    )
    rows = [draw_(st.integers(0, 40)) for _table in range(count)]
    pointers = [
        [draw_(st.none() | st.integers(1, 45)) for _row in range(rows[child])] for child, _parent, _known in relations
    ]
    return rows, relations, pointers


def made(path, rows, relations, pointers):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table, count in enumerate(rows):
            columns = ["id INTEGER PRIMARY KEY AUTOINCREMENT", "v TEXT DEFAULT 'x'"]
            columns += [f"c{n} INTEGER" for n, one in enumerate(relations) if one[0] == table]
            keys = [
                f"FOREIGN KEY (C{n}) REFERENCES T{one[1]} (id)"
                for n, one in enumerate(relations)
                if one[0] == table and one[2]
            ]
            connection.execute(f"CREATE TABLE t{table} ({', '.join(columns + keys)})")
            for row in range(1, count + 1):
                connection.execute(f"INSERT INTO t{table} (id) VALUES ({row})")
        for number, (child, _parent, _known) in enumerate(relations):
            for row, pointer in enumerate(pointers[number], 1):
                connection.execute(f"UPDATE t{child} SET c{number} = ? WHERE id = ?", (pointer, row))
        connection.commit()


def content(path, count):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [
            {row[0]: row for row in connection.execute(f"SELECT * FROM t{table}").fetchall()} for table in range(count)
        ]


def samples(source, folder, known=(), shares=SHARES):
    """The contents of samples, the largest first, each drawn from the one before it."""
    url, found, whole = DatabaseUrl("sqlite3", str(source)), [], None
    for number, share in enumerate(shares):
        with sampler.drawing(url, folder, number) as (drawing, target):
            drawn = draw(drawing, share, lambda _line: None, known=known, of=whole)
        url, whole = target, drawn.of
        found.append((drawn, Path(url.name)))
    return found


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(graph, "WHOLE_ROWS", 5)


@given(databases())
@settings(max_examples=30, deadline=None)
def test_whatever_a_row_of_a_sample_points_at_is_in_it_too(given_):
    rows, relations, _pointers = given_
    known = [
        Relation(f"t{child}", (f"c{number}",), f"t{parent}", ("id",))
        for number, (child, parent, _known) in enumerate(relations)
    ]
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source.sqlite3"
        made(source, *given_)
        everything, above = content(source, len(rows)), None
        for drawn, path in samples(source, Path(place), known):
            found = content(path, len(rows))
            assert drawn.rows == {f"t{number}": len(table) for number, table in enumerate(found)}
            for table, count in enumerate(rows):
                assert found[table].items() <= everything[table].items()
                if count <= graph.WHOLE_ROWS:
                    assert found[table] == everything[table]
            for child, parent, _known in relations:
                column = [one for one in relations if one[0] == child].index((child, parent, _known)) + 2
                for row in found[child].values():
                    assert row[column] in found[parent] or row[column] not in everything[parent]
            if above is not None:
                assert all(small.items() <= large.items() for small, large in zip(found, above, strict=True))
            above = found


def test_the_same_rows_are_drawn_in_every_run_and_about_as_many_as_were_asked_for(tmp_path):
    rows, relations = [400, 4000, 8000], [(1, 0, True), (2, 1, True)]
    pointers = [[1 + row * 7 % 400 for row in range(4000)], [1 + row * 11 % 4000 for row in range(8000)]]
    made(tmp_path / "source.sqlite3", rows, relations, pointers)
    drawn = []
    for run in ("first", "second"):
        [(found, path)] = samples(tmp_path / "source.sqlite3", tmp_path / run, shares=(0.1,))
        drawn.append(content(path, 3))
        # One customer comes with all orders and their lines, so that no table is drawn nearly whole.
        assert all(0.05 < found.rows[f"t{number}"] / count < 0.15 for number, count in enumerate(rows)), found.rows
    assert drawn[0] == drawn[1]


def test_a_smaller_sample_from_a_larger_one_is_what_it_would_be_from_all_rows(tmp_path):
    made(tmp_path / "source.sqlite3", [3000, 6000], [(1, 0, True)], [[1 + row * 7 % 3000 for row in range(6000)]])
    shares = (0.5, 0.01, 0.0017, 0)
    by_way = [content(path, 2) for _drawn, path in samples(tmp_path / "source.sqlite3", tmp_path, shares=shares)]
    [(_drawn, path)] = samples(tmp_path / "source.sqlite3", tmp_path / "straight", shares=(0.01,))
    assert by_way[1] == content(path, 2)
    assert 0 < len(by_way[1][1]) < len(by_way[0][1])
    assert 0 < len(by_way[2][0]) <= graph.WHOLE_ROWS  # small here, and large where it was drawn from
    assert by_way[3] == [{}, {}]


def test_indexes_triggers_views_and_counters_are_as_they_were(tmp_path):
    source = tmp_path / "source.sqlite3"
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            """
            CREATE TABLE t0 (id INTEGER PRIMARY KEY AUTOINCREMENT, "or der" TEXT, twice INTEGER AS (id * 2) STORED);
            CREATE UNIQUE INDEX of_t0 ON t0 ("or der");
            CREATE TABLE log (what TEXT);
            CREATE TRIGGER tells AFTER INSERT ON t0 BEGIN INSERT INTO log VALUES ('x'); END;
            CREATE VIEW seen AS SELECT id FROM t0;
            CREATE VIRTUAL TABLE words USING fts5(text);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
                INSERT INTO t0 ("or der") SELECT 'order ' || i FROM n;
            DELETE FROM t0 WHERE id > 90; DELETE FROM log; INSERT INTO words VALUES ('one');
            """
        )
    [(drawn, path)] = samples(source, tmp_path, shares=(0.3,))
    assert 5 < drawn.rows["t0"] < 60
    with contextlib.closing(sqlite3.connect(path)) as connection:
        made_ = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'words_%' ORDER BY 1, 2"
        with contextlib.closing(sqlite3.connect(source)) as other:
            assert connection.execute(made_).fetchall() == other.execute(made_).fetchall()
        assert connection.execute("SELECT COUNT(*) FROM log").fetchone() == (0,)
        connection.execute("INSERT INTO t0 (\"or der\") VALUES ('new')")
        assert connection.execute("SELECT MAX(id), MAX(twice) FROM t0").fetchone() == (101, 202)


def table(name, rows):
    return Table(name, ("id", "a", "b"), ("id",), rows)


def test_rows_hang_on_the_largest_table_above_them_and_never_on_themselves():
    tables = {one.name: one for one in (table("user", 100), table("course", 50), table("entry", 900))}
    relations = [
        Relation("entry", ("a",), "user", ("id",)),
        Relation("entry", ("b",), "course", ("id",)),
        Relation("user", ("a",), "entry", ("id",)),
        Relation("course", ("a",), "course", ("id",)),
    ]
    found = leaders(tables, relations, tables)
    assert {name: one.parent for name, one in found.items()} == {"entry": "user"}
    assert origin("entry", tables, found).terms == ((0, ("a",)), (0, ("id",)))
    assert origin("course", tables, found).terms == ((0, ("id",)),)
