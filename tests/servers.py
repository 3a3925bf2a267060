"""Private MariaDB and PostgreSQL servers for the tests, from Debian's packages: no service, no port.

Their fixtures are imported by the conftest.py of whoever needs them. Where a server is missing, its tests are skipped
with a reason, which in CI is a failure.
"""

import contextlib
import dataclasses
import secrets
from collections.abc import Callable, Iterator

import pytest

from sapwood.site.upgrades.data import DatabaseUrl
from sapwood.site.upgrades.engines import servers

_RUNNING: dict[str, DatabaseUrl] = {}


@contextlib.contextmanager
def _once(vendor: str, start: Callable[[], contextlib.AbstractContextManager[DatabaseUrl]]) -> Iterator[DatabaseUrl]:
    """To pytest, each module that imports a fixture has one of its own: the first that starts a server lends it."""
    if vendor in _RUNNING:
        yield _RUNNING[vendor]
        return
    with start() as url:
        _RUNNING[vendor] = url
        yield url
        del _RUNNING[vendor]


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory):
    """A MariaDB of this process; the address of its administrator."""
    if servers.program("mariadbd") is None or servers.program("mariadb-backup") is None:
        pytest.skip("MariaDB is not installed (Debian: mariadb-server, mariadb-backup)")
    with _once("mysql", lambda: _mariadb(tmp_path_factory.mktemp("mariadb"))) as url:
        yield url


@contextlib.contextmanager
def _mariadb(folder):
    options = {
        "innodb-buffer-pool-size": "64M",
        "innodb-log-file-size": "16M",
        "innodb-flush-log-at-trx-commit": "2",
        "character-set-server": "utf8mb4",
        "collation-server": "utf8mb4_unicode_ci",
    }
    with servers.home(folder, servers.owner_for("mysql")) as place:
        servers.mariadb_install(place, options)
        with servers.mariadb(place, folder, options) as url:
            yield url


@pytest.fixture
def mariadb(mariadb_server):
    """An empty database on it, dropped afterwards."""
    from sapwood.site.upgrades.engines import mysql

    url = dataclasses.replace(mariadb_server, name=f"campus_{secrets.token_hex(4)}")
    mysql.run(mariadb_server, f"CREATE DATABASE {url.name}")
    yield url
    mysql.run(mariadb_server, f"DROP DATABASE IF EXISTS {url.name}")


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory):
    """A PostgreSQL of this process; the address of its administrator."""
    programs = servers.postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with _once("postgresql", lambda: _postgresql(tmp_path_factory.mktemp("postgresql"), programs)) as url:
        yield url


@contextlib.contextmanager
def _postgresql(folder, programs):
    settings = {"fsync": "off", "shared_buffers": "32MB", "max_wal_senders": "4", "wal_level": "replica"}
    with servers.home(folder, servers.owner_for("postgres")) as place:
        servers.postgresql_install(place, programs)
        with servers.postgresql(place, folder, programs, settings) as url:
            yield url


@pytest.fixture
def postgresql(postgresql_server):
    """An empty database on it, dropped afterwards."""
    from sapwood.site.upgrades.engines import postgresql as engine

    url = dataclasses.replace(postgresql_server, name=f"campus_{secrets.token_hex(4)}")
    engine.run(postgresql_server, f"CREATE DATABASE {url.name}")
    yield url
    engine.run(postgresql_server, f"DROP DATABASE IF EXISTS {url.name} WITH (FORCE)")


def execute(url: DatabaseUrl, *statements: str):
    """Run statements in a session of their own, without modes or time limits; the last one's rows."""
    if url.vendor == "postgresql":
        import psycopg

        with psycopg.connect(host=url.socket, user=url.user, dbname=url.name, autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement)
            return tuple(found.fetchall()) if found.description else ()
    import pymysql

    where = {"unix_socket": url.socket, "user": url.user, "password": url.password, "database": url.name}
    with pymysql.connect(**where, charset="utf8mb4", autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def copy(source: DatabaseUrl, target: DatabaseUrl) -> None:
    """Make one database what another on the same server is, tables and rows; what stood in it is gone."""
    somewhere = dataclasses.replace(source, name={"mysql": "mysql", "postgresql": "postgres"}[source.vendor])
    execute(somewhere, f"DROP DATABASE IF EXISTS {target.name}")
    if source.vendor == "postgresql":
        execute(somewhere, f"CREATE DATABASE {target.name} TEMPLATE {source.name}")
        return
    execute(somewhere, f"CREATE DATABASE {target.name}")
    statements = ["SET foreign_key_checks = 0"]
    for (table,) in execute(source, "SHOW TABLES"):
        [(_name, definition)] = execute(source, f"SHOW CREATE TABLE {table}")
        statements += [definition, f"INSERT INTO {table} SELECT * FROM {source.name}.{table}"]
    execute(target, *statements)
