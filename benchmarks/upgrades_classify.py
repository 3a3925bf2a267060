"""Classification against what happened: algorithm and blocked writes of each kind of operation, as confusion tables.

For each kind, on a table of ROWS rows (argument or variable, default 300,000): the probe says on an empty copy of the
schema what the statement will do; then it is run on the full table, while a writer updates and inserts a row every few
milliseconds and notes its longest wait. Statements are those that Django 5.2 writes.

Writes were blocked where the longest wait is 0.05 s at least, five times the longest one before, and a third of the
operation; with few rows a scan takes less, so use many. Rows were copied where the server's handler wrote each of
them, the table was written anew where its file is another one. Where prediction and outcome differ, the kind is run
up to twice more and the shortest wait counts.
"""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["SAPWOOD_ROLE"] = "site"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")

import psycopg  # noqa: E402
import pymysql  # noqa: E402

from run import machine  # noqa: E402
from sapwood.site.upgrades.engines import mysql, postgresql, servers  # noqa: E402
from sapwood.site.upgrades.probing import LOCKS, blocks_writes, empty_copy  # noqa: E402

ROWS = int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ROWS", "300000"))
EVERY_S, BEFORE_S = 0.003, 1.0
LEAST_S, TIMES, SHARE = 0.05, 5, 1 / 3
BATCH = 2000
MOST_RUNS = 3

# A kind is its statements; before them stands what makes the table fit, which is neither probed nor timed.
MARIADB = {
    "add a nullable column": ["ALTER TABLE t ADD COLUMN price integer NULL"],
    "add NOT NULL, default dropped again": [
        "ALTER TABLE t ADD COLUMN stock integer DEFAULT 0 NOT NULL",
        "ALTER TABLE t ALTER COLUMN stock DROP DEFAULT",
    ],
    "add NOT NULL with db_default": ["ALTER TABLE t ADD COLUMN stock integer DEFAULT 0 NOT NULL"],
    "drop a column": ["ALTER TABLE t DROP COLUMN body"],
    "widen varchar within 255 bytes": ["ALTER TABLE t MODIFY short varchar(60) NULL"],
    "widen varchar beyond 255 bytes": ["ALTER TABLE t MODIFY short varchar(100) NULL"],
    "widen varchar past 255 characters": ["ALTER TABLE t MODIFY title varchar(300) NULL"],
    "narrow varchar": ["ALTER TABLE t MODIFY title varchar(80) NULL"],
    "varchar to text": ["ALTER TABLE t MODIFY title longtext NULL"],
    "text to varchar": ["ALTER TABLE t MODIFY body varchar(200) NOT NULL"],
    "null to NOT NULL": ["ALTER TABLE t MODIFY title varchar(100) NOT NULL"],
    "NOT NULL to null": ["ALTER TABLE t MODIFY n integer NULL"],
    "integer to bigint": ["ALTER TABLE t MODIFY n bigint NOT NULL"],
    "double to bigint": ["ALTER TABLE t MODIFY score bigint NOT NULL"],
    "char(32) to uuid": ["ALTER TABLE t MODIFY code uuid NOT NULL"],
    "change a default": ["ALTER TABLE t ALTER COLUMN flag SET DEFAULT 1"],
    "add an index": ["CREATE INDEX t_n ON t (n)"],
    "add an index over two columns": ["CREATE INDEX t_n_code ON t (n, code)"],
    "add a full-text index": ["CREATE FULLTEXT INDEX t_body ON t (body)"],
    "drop an index": ["DROP INDEX t_flag ON t"],
    "rename an index": ["ALTER TABLE t RENAME INDEX t_flag TO t_flag2"],
    "add unique": ["ALTER TABLE t ADD CONSTRAINT t_code UNIQUE (code)"],
    "add a foreign key": ["ALTER TABLE t ADD CONSTRAINT t_parent FOREIGN KEY (parent_id) REFERENCES parent (id)"],
    "add a column that is a foreign key": [
        "ALTER TABLE t ADD COLUMN other_id bigint NULL, ADD CONSTRAINT t_o FOREIGN KEY (other_id) REFERENCES parent(id)"
    ],
    "drop a foreign key": ["ALTER TABLE t DROP FOREIGN KEY t_parent"],
    "add a check": ["ALTER TABLE t ADD CONSTRAINT t_positive CHECK (n >= 0)"],
    "rename a column": ["ALTER TABLE t CHANGE title heading varchar(100) NULL"],
    "rename a table": ["RENAME TABLE t TO t2"],
    "comment on a table": ["ALTER TABLE t COMMENT = 'of courses'"],
    "charset utf8mb3 to utf8mb4": ["ALTER TABLE t MODIFY old varchar(50) CHARACTER SET utf8mb4 NULL"],
    "convert the table to another collation": ["ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"],
    "update in batches, one transaction": None,
    "update in batches, each committed": None,
}
BEFORE_MARIADB = {
    "drop a foreign key": ["SET foreign_key_checks = 0", MARIADB["add a foreign key"][0], "SET foreign_key_checks = 1"]
}
POSTGRESQL = {
    "add a nullable column": ["ALTER TABLE t ADD COLUMN price integer NULL"],
    "add NOT NULL, default dropped again": [
        "ALTER TABLE t ADD COLUMN stock integer DEFAULT 0 NOT NULL",
        "ALTER TABLE t ALTER COLUMN stock DROP DEFAULT",
    ],
    "add NOT NULL with db_default": ["ALTER TABLE t ADD COLUMN stock integer DEFAULT 0 NOT NULL"],
    "add a column with a volatile default": ["ALTER TABLE t ADD COLUMN key uuid DEFAULT gen_random_uuid() NOT NULL"],
    "drop a column": ["ALTER TABLE t DROP COLUMN body"],
    "widen varchar": ["ALTER TABLE t ALTER COLUMN short TYPE varchar(100)"],
    "narrow varchar": ["ALTER TABLE t ALTER COLUMN title TYPE varchar(80)"],
    "varchar to text": ["ALTER TABLE t ALTER COLUMN title TYPE text"],
    "text to varchar": ["ALTER TABLE t ALTER COLUMN body TYPE varchar(200)"],
    "null to NOT NULL": ["ALTER TABLE t ALTER COLUMN title SET NOT NULL"],
    "NOT NULL to null": ["ALTER TABLE t ALTER COLUMN n DROP NOT NULL"],
    "integer to bigint": ["ALTER TABLE t ALTER COLUMN n TYPE bigint"],
    "double to bigint": ["ALTER TABLE t ALTER COLUMN score TYPE bigint USING score::bigint"],
    "char(32) to uuid": ["ALTER TABLE t ALTER COLUMN code TYPE uuid USING code::uuid"],
    "change a default": ["ALTER TABLE t ALTER COLUMN flag SET DEFAULT 1"],
    "add an index": ["CREATE INDEX t_n ON t (n)"],
    "add an index concurrently": ["CREATE INDEX CONCURRENTLY t_n ON t (n)"],
    "drop an index": ["DROP INDEX t_flag"],
    "drop an index concurrently": ["DROP INDEX CONCURRENTLY t_flag"],
    "rename an index": ["ALTER INDEX t_flag RENAME TO t_flag2"],
    "add unique": ["ALTER TABLE t ADD CONSTRAINT t_code UNIQUE (code)"],
    "add a foreign key": [
        "ALTER TABLE t ADD CONSTRAINT t_p FOREIGN KEY (parent_id) REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED"
    ],
    "add a foreign key, not validated": [
        "ALTER TABLE t ADD CONSTRAINT t_parent FOREIGN KEY (parent_id) REFERENCES parent (id) NOT VALID"
    ],
    "validate a foreign key": ["ALTER TABLE t VALIDATE CONSTRAINT t_parent"],
    "drop a foreign key": ["ALTER TABLE t DROP CONSTRAINT t_parent"],
    "add a check": ["ALTER TABLE t ADD CONSTRAINT t_positive CHECK (n >= 0)"],
    "rename a column": ["ALTER TABLE t RENAME COLUMN title TO heading"],
    "rename a table": ["ALTER TABLE t RENAME TO t2"],
    "comment on a table": ["COMMENT ON TABLE t IS 'of courses'"],
    "another collation": ['ALTER TABLE t ALTER COLUMN old TYPE varchar(50) COLLATE "C"'],
    "update in batches, one transaction": None,
    "update in batches, each committed": None,
}
BEFORE_POSTGRESQL = {
    "validate a foreign key": POSTGRESQL["add a foreign key, not validated"],
    "drop a foreign key": POSTGRESQL["add a foreign key, not validated"],
}


class Writer(threading.Thread):
    """Somebody who works on the site: a row every few milliseconds, until told to stop."""

    def __init__(self, connect):
        super().__init__(daemon=True)
        self.connect, self.over, self.waits, self.refused = connect, threading.Event(), [], Counter()

    def run(self):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            while not self.over.is_set():
                began = time.perf_counter()
                try:
                    cursor.execute(f"UPDATE t SET n = n + 1 WHERE id = {random.randint(1, ROWS)}")
                    cursor.execute(
                        "INSERT INTO t (code, title, short, n, score, flag, parent_id, body)"
                        f" VALUES ('{uuid.uuid4().hex}', 'x', 'x', 1, 1, 0, 1, 'x')"
                    )
                except (pymysql.Error, psycopg.Error) as error:
                    self.refused[str(error.args[0] if isinstance(error, pymysql.Error) else error.sqlstate)] += 1
                self.waits.append((began, time.perf_counter()))
                self.over.wait(EVERY_S)

    def longest(self, since, until):
        """The longest wait of those that touch this time; one that has not ended counts as it stands."""
        return max((end - began for began, end in self.waits if end >= since and began <= until), default=0.0)


def timed(statements, execute, connect, name):
    """Run an operation beside a writer: its seconds, the writer's longest wait before and during it, what it met."""
    writer = Writer(connect)
    writer.start()
    time.sleep(BEFORE_S)
    began = time.perf_counter()
    error = ""
    try:
        if statements is None:
            update(execute, one_transaction=name.endswith("one transaction"))
        for statement in statements or ():
            execute(statement)
    except (pymysql.Error, psycopg.Error) as refusal:
        error = str(refusal)[:200]
    ended = time.perf_counter()
    time.sleep(BEFORE_S / 4)
    writer.over.set()
    writer.join()
    return {
        "seconds": ended - began,
        "before_s": writer.longest(0, began - 0.05),
        "stall_s": writer.longest(began, ended),
        "refused": dict(writer.refused),
        "error": error,
    }


def update(execute, *, one_transaction):
    """What a RunPython does that goes over all rows."""
    if one_transaction:
        execute("BEGIN")
    for first in range(1, ROWS + 1, BATCH):
        execute(f"UPDATE t SET flag = 1 WHERE id >= {first} AND id < {first + BATCH}")
    if one_transaction:
        execute("COMMIT")


def rebuilds(algorithm):
    """What the probe's word says of the table's file: INPLACE is what MariaDB cannot do without writing it anew."""
    first, *more = algorithm.split(", ")
    if first in LOCKS:
        return "rewrite" in more
    return {**dict.fromkeys(("INSTANT", "NOCOPY", "metadata", "none"), False), "INPLACE": True, "COPY": True}.get(first)


def judged(name, found, asked, runs):
    """Prediction and outcome beside each other."""
    blocked = found["stall_s"] >= max(LEAST_S, TIMES * found["before_s"], SHARE * found["seconds"])
    told = [blocks_writes(one) for one in asked]
    predicted = None if not told or None in told else any(told)
    anew = [rebuilds(one) for one in asked]
    return {
        "kind": name,
        "probed": asked,
        "predicted_blocked": predicted,
        "blocked": blocked,
        "predicted_rebuilt": None if not anew or None in anew else any(anew),
        "rebuilt": found["rebuilt"],
        "copied": found.get("copied"),
        **{key: round(found[key], 3) for key in ("seconds", "before_s", "stall_s")},
        "writer_refused": found["refused"],
        "error": found["error"],
        "runs": runs,
    }


def one(name, statements, probe, measure):
    asked = probe(name, statements) if statements else []
    row = judged(name, measure(name, statements), asked, 1)
    for runs in range(2, MOST_RUNS + 1):
        if row["predicted_blocked"] in {None, row["blocked"]}:
            break
        again = judged(name, measure(name, statements), asked, runs)
        row = min(row, again, key=lambda one: one["stall_s"]) | {"runs": runs}
    print(json.dumps(row), flush=True)
    return row


def confusion(rows):
    """How often each prediction met each outcome, and by which algorithm."""
    words = {True: "blocked", False: "not blocked", None: "not asked"}
    files = {True: "written anew", False: "kept"}
    blocked = Counter((words[row["predicted_blocked"]], words[row["blocked"]]) for row in rows)
    rebuilt = Counter((" + ".join(dict.fromkeys(row["probed"])) or "not asked", files[row["rebuilt"]]) for row in rows)
    wrong = [
        row["kind"]
        for row in rows
        for key, outcome in (("predicted_blocked", "blocked"), ("predicted_rebuilt", "rebuilt"))
        if row[key] not in {None, row[outcome]}
    ]

    def table(counts):
        return {told: {met: n for (one, met), n in counts.items() if one == told} for told, _met in counts}

    return {"writes": table(blocked), "algorithm": table(rebuilt), "wrong": sorted(set(wrong))}


# --- MariaDB -----------------------------------------------------------------------------------------------------


def on_mariadb(folder):
    options = {
        "innodb-buffer-pool-size": "1G",
        "innodb-log-file-size": "512M",
        "innodb-flush-log-at-trx-commit": "2",
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_unicode_ci",
        "sql-mode": "STRICT_TRANS_TABLES",
    }
    with servers.home(folder, servers.owner_for("mysql")) as place:
        servers.mariadb_install(place, options)
        with servers.mariadb(place, folder, options) as control:
            url = dataclasses.replace(control, name="campus")
            mysql.run(control, "CREATE DATABASE campus")
            mysql.run(
                url,
                "CREATE TABLE parent (id bigint AUTO_INCREMENT PRIMARY KEY)",
                "INSERT INTO parent SELECT seq FROM seq_1_to_1000",
                "CREATE TABLE base (id bigint AUTO_INCREMENT PRIMARY KEY, code char(32) NOT NULL, title varchar(100),"
                " short varchar(50), n integer NOT NULL, score double NOT NULL, flag smallint NOT NULL,"
                " parent_id bigint NOT NULL, body longtext NOT NULL, old varchar(50) CHARACTER SET utf8mb3,"
                " KEY t_flag (flag), KEY t_parent_id (parent_id))",
                "INSERT INTO base SELECT seq, INSERT(INSERT(MD5(seq), 13, 1, '4'), 17, 1, '8'),"  # valid as UUIDs
                " CONCAT('title ', seq), 'short', seq, seq, 0, 1 + seq % 1000,"
                f" REPEAT('lorem ipsum ', 10), 'old' FROM seq_1_to_{ROWS}",
            )
            rows = [one(name, work, probe_mariadb(url, folder), measure_mariadb(url)) for name, work in MARIADB.items()]
            version = mysql.ENGINE.version(url)
    return {"server": version, **confusion(rows), "rows": rows}


def fresh_mariadb(url, name, *, full):
    fill = ["INSERT INTO t SELECT * FROM base", "ANALYZE TABLE t"] if full else []
    old = ["DROP TABLE IF EXISTS t", "DROP TABLE IF EXISTS t2"]
    mysql.run(url, *old, "CREATE TABLE t LIKE base", *fill, *BEFORE_MARIADB.get(name, []))


def probe_mariadb(url, folder):
    def ask(name, statements):
        fresh_mariadb(url, name, full=False)
        with empty_copy(url, folder / uuid.uuid4().hex) as algorithms:
            return algorithms(statements)

    return ask


def measure_mariadb(url):
    where = {"unix_socket": url.socket, "user": url.user, "password": url.password, "database": url.name}

    def connect():
        return pymysql.connect(**where, charset="utf8mb4", autocommit=True)

    def measure(name, statements):
        fresh_mariadb(url, name, full=True)
        with contextlib.closing(connect()) as connection, connection.cursor() as cursor:

            def asked(sql):
                cursor.execute(sql)
                return cursor.fetchall()

            space = "SELECT SPACE FROM information_schema.INNODB_SYS_TABLES WHERE NAME IN ('campus/t', 'campus/t2')"
            wrote = "SHOW SESSION STATUS LIKE 'Handler_write'"
            before, written = asked(space), int(asked(wrote)[0][1])
            found = timed(statements, cursor.execute, connect, name)
            found["rebuilt"] = asked(space) != before
            found["copied"] = int(asked(wrote)[0][1]) - written >= ROWS * 0.9
        return found

    return measure


# --- PostgreSQL --------------------------------------------------------------------------------------------------


def on_postgresql(folder):
    programs = servers.postgresql_programs()
    settings = {"shared_buffers": "512MB", "synchronous_commit": "off", "autovacuum": "off", "max_wal_size": "4GB"}
    with servers.home(folder, servers.owner_for("postgres")) as place:
        servers.postgresql_install(place, programs)
        with servers.postgresql(place, folder, programs, settings) as control:
            url = dataclasses.replace(control, name="campus")
            postgresql.run(control, "CREATE DATABASE campus")
            postgresql.run(
                url,
                "CREATE TABLE public.parent (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY)",
                "INSERT INTO public.parent SELECT g FROM generate_series(1, 1000) g",
                "CREATE TABLE public.base (id bigint PRIMARY KEY, code char(32) NOT NULL,"
                " title varchar(100), short varchar(50), n integer NOT NULL, score double precision NOT NULL,"
                " flag smallint NOT NULL, parent_id bigint NOT NULL, body text NOT NULL, old varchar(50))",
                "INSERT INTO public.base SELECT g, overlay(overlay(md5(g::text) placing '4' from 13) placing '8' from"
                " 17), 'title ' || g, 'short', g, g, 0, 1 + g % 1000,"
                f" repeat('lorem ipsum ', 10), 'old' FROM generate_series(1, {ROWS}) g",
            )
            ask, measure = probe_postgresql(url, folder), measure_postgresql(url)
            rows = [one(name, work, ask, measure) for name, work in POSTGRESQL.items()]
            version = postgresql.ENGINE.version(url)
    return {"server": version, **confusion(rows), "rows": rows}


def connect_postgresql(url):
    where = {"host": url.socket, "user": url.user, "dbname": url.name}
    return psycopg.connect(**where, autocommit=True, options="-c search_path=public")


def fresh_postgresql(url, name, *, full):
    with contextlib.closing(connect_postgresql(url)) as connection:
        for statement in (
            "DROP TABLE IF EXISTS t",
            "DROP TABLE IF EXISTS t2",
            "CREATE TABLE t (LIKE base)",
            *([f"INSERT INTO t SELECT * FROM base WHERE id <= {ROWS}"] if full else []),
            "ALTER TABLE t ADD PRIMARY KEY (id)",
            f"ALTER TABLE t ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (START WITH {ROWS + 1})",
            "CREATE INDEX t_flag ON t (flag)",
            "CREATE INDEX t_parent_id ON t (parent_id)",
            "VACUUM ANALYZE t",
            *BEFORE_POSTGRESQL.get(name, []),
        ):
            connection.execute(statement)


def probe_postgresql(url, folder):
    def ask(name, statements):
        fresh_postgresql(url, name, full=False)
        with empty_copy(url, folder / uuid.uuid4().hex) as algorithms:
            return algorithms(statements)

    return ask


def measure_postgresql(url):
    def measure(name, statements):
        fresh_postgresql(url, name, full=True)
        with contextlib.closing(connect_postgresql(url)) as connection:

            def file():
                sql = "SELECT pg_relation_filenode(oid) FROM pg_class WHERE relname IN ('t', 't2') AND relkind = 'r'"
                return connection.execute(sql).fetchall()

            before = file()
            found = timed(statements, connection.execute, lambda: connect_postgresql(url), name)
            found["rebuilt"] = file() != before
        return found

    return measure


def main():
    figures = {}
    for name, work in (("MariaDB", on_mariadb), ("PostgreSQL", on_postgresql)):
        folder = Path(tempfile.mkdtemp(prefix="sapwood-bench-", dir="/var/tmp"))
        try:
            figures[name] = work(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    claim = "the probe on an empty schema tells how a server will do a statement, and whether writes wait for it"
    print(json.dumps({"claim": claim, "table_rows": ROWS, "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
