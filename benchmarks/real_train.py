"""The demonstration on real packages: built while it is killed again and again, then rehearsed on each engine here.

Prints what each rehearsal concluded and found, how often the build was killed, and whether the rows are what an
undisturbed build makes. Fetches three times about 120 packages from PyPI and takes some minutes; ROWS sets the size.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import machine

ROWS = os.environ.get("ROWS", "20000")
KILLS_AFTER_S = (1, 3, 6, 10, 15, 22)
PROGRAMS = {"mariadb": "mariadb-install-db", "postgresql": "psql"}


def sapwood(var: str, *arguments: str, code: frozenset[int] | set[int] = frozenset({0})) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "sapwood.config.cli", "upgrade", *arguments, "--json"],
        env={**os.environ, "SAPWOOD_VAR": var, "SAPWOOD_ROLE": "site"},
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in code:
        raise SystemExit(f"sapwood upgrade {' '.join(arguments)} ended with {done.returncode}")
    return json.loads(done.stdout)


def killed_builds(var: str) -> int:
    """Start the build and kill it, each time a little later; how many were killed before they were done."""
    kills = 0
    for seconds in KILLS_AFTER_S:
        process = subprocess.Popen(
            [sys.executable, "-m", "sapwood.config.cli", "upgrade", "demo", "--rows", ROWS],
            env={**os.environ, "SAPWOOD_VAR": var, "SAPWOOD_ROLE": "site"},
        )
        deadline = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    return kills


def counts(subject: str) -> dict[str, int]:
    import sqlite3  # noqa: PLC0415 - only here

    with sqlite3.connect(Path(subject).parent / "data" / "campus.sqlite3") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def judged(var: str, *options: str) -> dict:
    made = sapwood(var, "demo", "--rows", ROWS, *options)
    report = str(Path(var) / f"report-{Path(made['subject']).stem}")
    began = time.monotonic()
    found = sapwood(var, "rehearse", made["subject"], "--report", report, code={0, 1, 3, 4})
    if "error" in found:
        return {"verdict": "none", "error": found["error"]["message"]}
    return {
        "verdict": found["verdict"],
        "failed_migrations": [f"{row['app']}.{row['name']}" for row in found["failures"] if row["phase"] == "migrate"],
        "not_found": sorted(
            f"{row['model']}.{row['field']}"
            for row in found["checks"]
            if row["id"] == "models.lookup" and row["verdict"] == "fail" != row["before"]
        ),
        "other_findings": sorted(
            f"{row['id']} {row['model']}"
            for row in found["checks"]
            if row["id"] != "models.lookup" and row["verdict"] == "fail" != row["before"]
        ),
        "migrations": len(found["migrations"]),
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    var = tempfile.mkdtemp(prefix="sw-train-")
    try:
        kills = killed_builds(var)
        disturbed = counts(sapwood(var, "demo", "--rows", ROWS)["subject"])
        figures = {"killed": kills, "sqlite broken": judged(var)}
        shutil.rmtree(Path(var) / "site" / "upgrades" / "demo" / "data")
        undisturbed = counts(sapwood(var, "demo", "--rows", ROWS)["subject"])
        figures["rows_as_undisturbed"] = disturbed == undisturbed
        for engine, program in PROGRAMS.items():
            if shutil.which(program):
                for variant in ("broken", "good"):
                    figures[f"{engine} {variant}"] = judged(var, "--engine", engine, "--variant", variant)
    finally:
        sapwood(var, "demo", "--stop")
        shutil.rmtree(var, ignore_errors=True)
    claim = "on real packages the rehearsal finds what breaks on MariaDB, and says go where nothing does"
    print(json.dumps({"claim": claim, "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
