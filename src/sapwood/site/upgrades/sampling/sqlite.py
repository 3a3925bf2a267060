"""Samples of a SQLite database: from a copy of the file, so that nobody waits for a long read."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines.base import Say, ShadowError
from sapwood.site.upgrades.engines.sqlite import ENGINE
from sapwood.site.upgrades.sampling.drawing import BATCH, Key, Sampler
from sapwood.site.upgrades.sampling.graph import SEED, Origin, Relation, Table

MOST_PARAMETERS: Final = 900


@contextlib.contextmanager
def serving(url: DatabaseUrl, folder: Path, say: Say) -> Iterator[tuple[DatabaseUrl, Path]]:
    """A copy to draw the first sample from, and the folder for all samples."""
    with ENGINE.shadow(url, folder / "source", "", say) as copied:
        yield copied.url, folder


@contextlib.contextmanager
def drawing(source: DatabaseUrl, place: Path, number: int) -> Iterator[tuple[Sampler, DatabaseUrl]]:
    """A sampler into a new file, and where that is."""
    folder = place / f"sample-{number}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "sample.sqlite3"
    try:
        with contextlib.closing(sqlite3.connect(path.as_uri(), uri=True, isolation_level=None)) as connection:
            yield SQLiteSampler(connection, Path(source.name)), DatabaseUrl("sqlite3", str(path))
    except sqlite3.Error as error:
        raise ShadowError(f"No sample can be drawn: {error}", hint="Rehearse on a full copy.") from None


class SQLiteSampler:
    """See Sampler. The source is attached, read only, as `source`."""

    def __init__(self, connection: sqlite3.Connection, source: Path) -> None:
        self.connection = connection
        run = connection.execute
        with contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as reading:
            [encoding] = reading.execute("PRAGMA encoding").fetchone()
        run(f"PRAGMA encoding = '{encoding}'")
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA foreign_keys = OFF")
        connection.create_function("sapwood_share", 1, _share, deterministic=True)
        run("ATTACH DATABASE ? AS source", (f"{source.as_uri()}?mode=ro",))
        made = run(
            "SELECT name, sql FROM source.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC"
        ).fetchall()
        # What a virtual table keeps in tables of its own is made with it; both stay empty.
        hidden = {row[1] for row in run("PRAGMA source.table_list").fetchall() if row[2] in {"virtual", "shadow"}}
        self.names = [name for name, _sql in made if name not in hidden]
        for name, sql in made:
            with contextlib.nullcontext() if name in self.names else contextlib.suppress(sqlite3.OperationalError):
                run(sql)
        run("BEGIN")

    def tables(self) -> Mapping[str, Table]:
        found = {}
        for name in self.names:
            rows = self.connection.execute(f"PRAGMA source.table_xinfo({_quoted(name)})").fetchall()
            columns = tuple(row[1] for row in rows if row[6] == 0)
            key = tuple(row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5])
            found[name] = Table(name, columns, key or columns, self._count(f"source.{_quoted(name)}"))
        return found

    def relations(self) -> Sequence[Relation]:
        found = []
        tables = self.tables()
        spelled = {name: {one.lower(): one for one in table.columns} for name, table in tables.items()}
        for name in self.names:
            grouped: dict[int, list[Any]] = {}
            for row in self.connection.execute(f"PRAGMA source.foreign_key_list({_quoted(name)})").fetchall():
                grouped.setdefault(row[0], []).append(row)
            for rows in grouped.values():
                rows.sort(key=lambda row: row[1])
                parent = next((one for one in tables if one.lower() == str(rows[0][2]).lower()), "")
                there = [row[4] for row in rows]
                if not parent or (None in there and len(tables[parent].key) != len(rows)):
                    continue
                columns = tables[parent].key if None in there else _spelled(there, spelled[parent])
                found.append(Relation(name, _spelled([row[3] for row in rows], spelled[name]), parent, columns))
        return found

    def copy(self, table: Table) -> int:
        return self._insert(table, f"FROM source.{_quoted(table.name)} t0")

    def seed(self, table: Table, chosen_by: Origin, share: float) -> int:
        joins = "".join(
            f" LEFT JOIN source.{_quoted(step.table)} t{number} ON "
            + " AND ".join(
                f"t{number}.{_quoted(right)} = t{number - 1}.{_quoted(left)}"
                for left, right in zip(step.left, step.right, strict=True)
            )
            for number, step in enumerate(chosen_by.steps, 1)
        )
        *above, (_own, key) = chosen_by.terms
        terms = [*(_text(number, columns) for number, columns in above), _joined(0, key)]
        chosen = f"COALESCE({', '.join([*terms, chr(39) * 2])})"
        return self._insert(
            table, f"FROM source.{_quoted(table.name)} t0{joins} WHERE sapwood_share({chosen}) < ?", (share,)
        )

    def settle(self) -> None:
        self._make("index")

    def missing(self, relation: Relation, after: Key | None) -> list[Key]:
        own = [f"c.{_quoted(name)}" for name in relation.columns]
        theirs = [f"p.{_quoted(name)}" for name in relation.parent_columns]
        match = " AND ".join(f"{one} = {other}" for one, other in zip(theirs, own, strict=True))
        sql = (
            f"SELECT DISTINCT {', '.join(own)} FROM main.{_quoted(relation.child)} c"  # noqa: S608 - quoted
            f" LEFT JOIN main.{_quoted(relation.parent)} p ON {match}"
            f" WHERE {' AND '.join(f'{one} IS NOT NULL' for one in own)} AND {theirs[0]} IS NULL"
        )
        if after is not None:
            sql += f" AND ({', '.join(own)}) > ({', '.join('?' * len(own))})"
        sql += f" ORDER BY {', '.join(own)} LIMIT {BATCH}"
        return self.connection.execute(sql, after or ()).fetchall()

    def fetch(self, table: Table, columns: Sequence[str], keys: Sequence[Key]) -> int:
        found, width = 0, MOST_PARAMETERS // len(columns)
        names = ", ".join(f"t0.{_quoted(name)}" for name in columns)
        one = f"({', '.join('?' * len(columns))})"
        for start in range(0, len(keys), width):
            part = keys[start : start + width]
            found += self._insert(
                table,
                f"FROM source.{_quoted(table.name)} t0 WHERE ({names}) IN (VALUES {', '.join([one] * len(part))})",
                [value for key in part for value in key],
                or_ignore=True,
            )
        return found

    def finish(self) -> Mapping[str, int]:
        run = self.connection.execute
        if run("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            run("DELETE FROM main.sqlite_sequence")
            run("INSERT INTO main.sqlite_sequence SELECT * FROM source.sqlite_sequence")
        for kind in ("view", "trigger"):
            self._make(kind)
        counts = {name: self._count(f"main.{_quoted(name)}") for name in self.names}
        run("COMMIT")
        run("DETACH DATABASE source")
        return counts

    def _insert(self, table: Table, rest: str, values: Sequence[Any] = (), *, or_ignore: bool = False) -> int:
        names = ", ".join(_quoted(name) for name in table.columns)
        wanted = ", ".join(f"t0.{_quoted(name)}" for name in table.columns)
        verb = "INSERT OR IGNORE" if or_ignore else "INSERT"
        sql = f"{verb} INTO main.{_quoted(table.name)} ({names}) SELECT {wanted} {rest}"
        return self.connection.execute(sql, values).rowcount

    def _make(self, kind: str) -> None:
        query = "SELECT sql FROM source.sqlite_master WHERE type = ? AND sql IS NOT NULL"
        for (sql,) in self.connection.execute(query, (kind,)).fetchall():
            with contextlib.suppress(sqlite3.OperationalError):  # of a virtual table: made with it
                self.connection.execute(sql)

    def _count(self, name: str) -> int:
        [count] = self.connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()  # noqa: S608 - quoted
        return int(count)


def _share(text: str) -> float:
    """Where in 0 to 1 a key falls; the same in every run."""
    digest = hashlib.blake2b(f"{SEED}#{text}".encode("utf-8", "surrogateescape"), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def _text(number: int, columns: Sequence[str]) -> str:
    """What points at a row, as the text that its key has; NULL where it points at none."""
    missing = " OR ".join(f"t{number}.{_quoted(name)} IS NULL" for name in columns)
    return f"CASE WHEN {missing} THEN NULL ELSE {_joined(number, columns)} END"


def _joined(number: int, columns: Sequence[str]) -> str:
    return " || '#' || ".join(f"quote(t{number}.{_quoted(name)})" for name in columns)


def _spelled(names: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Names as the table spells them: SQLite does not tell capitals apart."""
    return tuple(known.get(name.lower(), name) for name in names)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
