"""Masking a database of PostgreSQL: the rows go through a file and come back, in which the values are others."""

import codecs
import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sapwood.formats.phrase import Figure, Phrase
from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.drivers.inside import scrub
from sapwood.site.upgrades.engines import postgresql
from sapwood.site.upgrades.engines.base import emptied
from sapwood.site.upgrades.masking.changes import Change, Rewrite
from sapwood.site.upgrades.masking.rules import Column, MaskError, Schema

KINDS: Final = {
    **dict.fromkeys(("varchar", "text", "bpchar", "citext", "name"), "text"),
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("date", "timestamp", "timestamptz"), "date"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    **dict.fromkeys(("inet", "cidr"), "ip"),
    "numeric": "decimal",
    "uuid": "uuid",
    "bytea": "binary",
    "bool": "bool",
}
HIGHEST: Final = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1}
# The server acts as on a replica: neither triggers nor rules nor foreign keys look at what is written.
SESSION: Final = f"{postgresql.SESSION} -c session_replication_role=replica -c client_encoding=UTF8"
CHUNK_BYTES: Final = 1 << 20
ESCAPES: Final = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}
PLAIN: Final = {letter: plain for plain, letter in ESCAPES.items()}
COLUMNS: Final = f"""
SELECT n.nspname, c.relname, a.attname,
  coalesce(nullif(b.typname, ''), t.typname), a.attgenerated <> '',
  EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey)),
  rn.nspname, r.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = t.typbasetype AND t.typtype = 'd'
JOIN pg_class r ON r.oid = coalesce(CASE WHEN c.relispartition THEN pg_partition_root(c.oid) END, c.oid)
JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind = 'r' AND {postgresql.USER_SCHEMA} ORDER BY 1, 2, a.attnum
"""  # noqa: S608 - constants
LINKS: Final = f"""
SELECT n.nspname, c.relname, a.attname, fn.nspname, f.relname, fa.attname
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS p (one, other)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.one
JOIN pg_attribute fa ON fa.attrelid = f.oid AND fa.attnum = p.other
WHERE k.contype = 'f' AND {postgresql.USER_SCHEMA}
"""  # noqa: S608


def schema(url: DatabaseUrl) -> Schema:
    """The columns of its tables; a table is named with its schema, unless that is `public`."""
    with postgresql.connected(url) as connection:
        [encoding] = connection.execute("SHOW server_encoding").fetchone() or ("UTF8",)
        codec = _codec(encoding)
        columns = {}
        for space, table, name, kind, generated, unique, root_space, root in connection.execute(COLUMNS).fetchall():
            label = postgresql.label(space, table)
            columns[label, name] = Column(
                label,
                name,
                KINDS.get(kind, "other"),
                named=postgresql.label(root_space, root),
                generated=generated,
                unique=unique,
                highest=HIGHEST.get(kind),
                codec=codec,
            )
        links = [
            ((postgresql.label(one, table), name), (postgresql.label(other, parent), key))
            for one, table, name, other, parent, key in connection.execute(LINKS).fetchall()
        ]
        left = []
        [objects] = connection.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone() or (0,)
        if objects:
            left.append(("large objects", Phrase("%(count)s of them", count=Figure(objects))))
    return Schema(columns, links, left)


def _codec(encoding: str) -> str:
    try:
        return codecs.lookup(re.sub(r"^WIN(\d+)$", r"cp\1", encoding)).name
    except LookupError:
        return "ascii"


@contextlib.contextmanager
def opened(url: DatabaseUrl, tables: Sequence[str], folder: Path) -> Iterator[Rewrite]:
    """What rewrites a table of the copy, without triggers and foreign keys; other databases are dropped."""
    del tables
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with postgresql.connected(_administrator(url), write=True, session=SESSION) as connection:
        others = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' AND datname <> %s"
        for (name,) in connection.execute(others, [url.name]).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        # Some are meant for replicas, or for every server: they are switched off by name.
        stubborn = connection.execute(
            "SELECT n.nspname, c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')"
        ).fetchall()
        for space, table, name, _mode in stubborn:
            _trigger(connection, (space, table), name, "DISABLE")
        yield lambda table, changes: _rewrite(connection, table, changes, folder)
        for space, table, name, mode in stubborn:
            _trigger(connection, (space, table), name, {"A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}[mode])
        connection.execute("ANALYZE")  # the planner's statistics hold values
        views = "SELECT schemaname, matviewname FROM pg_matviews WHERE ispopulated ORDER BY 1, 2"
        for space, name in connection.execute(views).fetchall():
            connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(space, name)))


def _administrator(url: DatabaseUrl) -> DatabaseUrl:
    """The same database of the copy as somebody who may do everything there."""
    with postgresql.connected(url) as connection:
        found = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY rolname <> current_user, 1"
        ).fetchone()
    if found is None:
        raise MaskError("No account of the copy may change everything", hint="Set shadow.technique to logical.")
    return dataclasses.replace(url, user=found[0])


def _trigger(connection: Any, table: tuple[str, str], name: str, word: str) -> None:
    form = sql.SQL("ALTER TABLE {} {} TRIGGER {}")
    connection.execute(form.format(sql.Identifier(*table), sql.SQL(word), sql.Identifier(name)))


def _rewrite(connection: Any, table: str, changes: Mapping[str, Change], folder: Path) -> None:
    [(space, name)] = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname = %s",
        [table],
    ).fetchall()
    names = [
        column
        for (column,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' ORDER BY attnum",
            [sql.Identifier(space, name).as_string(connection)],
        ).fetchall()
    ]
    whole = sql.Identifier(space, name)
    listed = sql.SQL(", ").join(map(sql.Identifier, names))
    changed = [(place, changes[column]) for place, column in enumerate(names) if column in changes]
    path = emptied(folder, "rows.copy")
    with path.open("wb") as file:
        for row in _lines(connection, sql.SQL("COPY {} ({}) TO STDOUT").format(whole, listed)):
            fields = row.split(b"\t")
            for place, change in changed:
                fields[place] = _field(fields[place], change)
            file.write(b"\t".join(fields) + b"\n")
    connection.execute(sql.SQL("DELETE FROM ONLY {}").format(whole))
    connection.execute(sql.SQL("VACUUM (FULL) {}").format(whole))  # of no rows: the files are new, the old ones gone
    try:
        with (
            path.open("rb") as file,
            connection.cursor() as cursor,
            cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(whole, listed)) as copy,
        ):
            while chunk := file.read(CHUNK_BYTES):
                copy.write(chunk)
    except psycopg.Error as error:
        raise MaskError.of_table(table, scrub(error).splitlines()[0]) from None
    finally:
        path.unlink()


def _lines(connection: Any, query: Any) -> Iterator[bytes]:
    """The rows of a COPY, which come in pieces of any size."""
    rest = b""
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for piece in copy:
            *lines, rest = (rest + bytes(piece)).split(b"\n")
            yield from lines


def _field(raw: bytes, change: Change) -> bytes:
    r"""One value as COPY writes it: `\N` is NULL, and what would end a field stands behind a backslash."""
    if raw == rb"\N":
        return raw
    text = raw.decode("utf-8")
    if "\\" in text:
        text = re.sub(r"\\(.)", lambda found: PLAIN.get(found[1], found[1]), text, flags=re.DOTALL)
    if change.chosen.column.kind == "binary":
        text = "\\x" + change(bytes.fromhex(text.removeprefix("\\x"))).hex()
    else:
        text = change(text)
    return re.sub(r"[\b\f\n\r\t\v\\]", lambda found: "\\" + ESCAPES[found[0]], text).encode()
