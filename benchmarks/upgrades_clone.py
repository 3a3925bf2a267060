"""What a copy and a way back cost per GB: each technique against a plain dump and restore, in one run.

Private servers on this machine, warm cache. The peer is what an operator types: one dump into a file, one client that
loads it. Every copy is proved equal to its source before its time counts; that proof is not part of the time.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["SAPWOOD_ROLE"] = "site"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")

from run import machine  # noqa: E402
from sapwood.site.upgrades.engines import mysql, postgresql, servers  # noqa: E402
from sapwood.site.upgrades.engines.base import engine_for, same  # noqa: E402

ROWS = int(os.environ.get("ROWS", "400000"))
TABLES = 3
WORDS = "'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore '"


def quiet(_line):
    pass


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(url, folder, peer):
    """Seconds per GB of each way, and of the peer's."""
    engine = engine_for(url)
    gigabytes = engine.size(url) / 2**30
    wanted = engine.fingerprint(url)
    found = {"gigabytes": gigabytes}
    for technique in ("physical", "logical"):
        with engine.shadow(url, folder / technique, technique, quiet) as copied:
            found[technique] = copied.seconds / gigabytes
            if differs := same(engine.fingerprint(copied.url), wanted):
                sys.exit(f"{technique} differs: {differs}")
    backup = engine.backup(url, folder / "backup", quiet)
    found["backup"] = backup.seconds / gigabytes
    found["restore"] = engine.restore(backup, url, quiet) / gigabytes
    found["peer_dump"], found["peer_restore"] = (seconds / gigabytes for seconds in peer(url, folder))
    peers = found["peer_dump"] + found["peer_restore"]
    for technique in ("physical", "logical"):
        found[f"{technique}_to_peer"] = found[technique] / peers
    found["restore_to_backup"] = found["restore"] / found["backup"]
    return {name: round(value, 2) for name, value in found.items()}


def on_mariadb(folder):
    options = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "512M", "max-allowed-packet": "64M"}
    with servers.home(folder, servers.owner_for("mysql")) as place:
        servers.mariadb_install(place, options)
        with servers.mariadb(place, folder, options) as control:
            url = dataclasses.replace(control, name="campus")
            mysql.run(control, "CREATE DATABASE campus")
            columns = "id INT PRIMARY KEY AUTO_INCREMENT, k CHAR(32), v TEXT, n INT, KEY (k), KEY (n)"
            for number in range(TABLES):
                mysql.run(
                    url,
                    f"CREATE TABLE t{number} ({columns})",
                    f"INSERT INTO t{number} (k, v, n) SELECT MD5(seq), REPEAT({WORDS}, 4), seq FROM seq_1_to_{ROWS}",
                    f"ANALYZE TABLE t{number}",
                )
            return measure(url, folder, peer_on_mariadb)


def peer_on_mariadb(url, folder):
    with mysql.option_file(url) as options:
        dump, load = (f"{program} --defaults-file={options}" for program in ("mariadb-dump", "mariadb"))
        first = timed(lambda: shell(f"{dump} --single-transaction campus > {folder}/peer.sql"))
        shell(f"{load} -e 'CREATE DATABASE peer'")
        return first, timed(lambda: shell(f"{load} peer < {folder}/peer.sql"))


def on_postgresql(folder):
    programs = servers.postgresql_programs()
    settings = {"shared_buffers": "1GB", "max_wal_senders": "4", "wal_level": "replica", "max_wal_size": "4GB"}
    with servers.home(folder, servers.owner_for("postgres")) as place:
        servers.postgresql_install(place, programs)
        with servers.postgresql(place, folder, programs, settings) as control:
            url = dataclasses.replace(control, name="campus")
            postgresql.run(control, "CREATE DATABASE campus")
            for number in range(TABLES):
                postgresql.run(
                    url,
                    f"CREATE TABLE public.t{number} (id SERIAL PRIMARY KEY, k CHAR(32), v TEXT, n INT)",
                    f"INSERT INTO public.t{number} (k, v, n) SELECT md5(g::text), repeat({WORDS}, 4), g"
                    f" FROM generate_series(1, {ROWS}) g",
                    f"CREATE INDEX ON public.t{number} (k)",
                    f"CREATE INDEX ON public.t{number} (n)",
                    f"ANALYZE public.t{number}",
                )
            return measure(url, folder, lambda url, folder: peer_on_postgresql(url, folder, programs))


def peer_on_postgresql(url, folder, programs):
    where = f"-h {url.socket} -U {url.user}"
    first = timed(lambda: shell(f"{programs}/pg_dump {where} campus > {folder}/peer.sql"))
    shell(f"{programs}/psql -q {where} -d postgres -c 'CREATE DATABASE peer'")
    return first, timed(lambda: shell(f"{programs}/psql -q {where} -d peer -f {folder}/peer.sql > /dev/null"))


def shell(command):
    subprocess.run(["bash", "-ec", command], check=True)


def main():
    figures = {}
    for name, work in (("MariaDB", on_mariadb), ("PostgreSQL", on_postgresql)):
        folder = Path(tempfile.mkdtemp(prefix="sapwood-bench-", dir="/var/tmp"))
        try:
            figures[name] = work(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(name, json.dumps(figures[name]), flush=True)
    claim = "a shadow by the fastest technique costs less than a dump and a restore"
    print(json.dumps({"claim": claim, "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
