"""A rehearsal against what it foretells: bare `migrate` of the same migrations, the apply itself, and the way back.

On the demonstration of real packages (variant good) on MariaDB; ROWS sets the size. Ratios within one run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from run import machine

ROWS = os.environ.get("ROWS", "100000")
# The command in this process, so that its own memory can be told: what runs of the subject is another process.
WITH_MEMORY = """
import resource, sys
from sapwood.config.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def sapwood(var: str, *arguments: str, code: int = 0) -> tuple[dict, float]:
    """The answer of a command, and the most memory of its own process in MB."""
    done = subprocess.run(
        [sys.executable, "-c", WITH_MEMORY, *arguments, "--json"],
        env={**os.environ, "SAPWOOD_VAR": var, "SAPWOOD_ROLE": "site"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != code:
        raise SystemExit(f"sapwood {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
    peak = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("peak ")]
    return json.loads(done.stdout), int(peak[-1]) / 1024


def bare_migrate(subject: Path) -> float:
    """Seconds of Django's own command on the campus's database, from a cold start."""
    folder = subject.parent
    url = urlsplit(tomllib.loads(subject.read_text(encoding="utf-8"))["database_url"])
    options = {"unix_socket": parse_qs(url.query)["socket"][0], "charset": "utf8mb4"}
    database = {
        "ENGINE": "django.db.backends.mysql",
        "NAME": url.path.strip("/"),
        "USER": url.username,
        "OPTIONS": options,
    }
    began = time.perf_counter()
    subprocess.run(
        [folder / "train" / "new-good" / "bin" / "python", "-m", "django", "migrate", "--skip-checks", "-v", "0"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(folder / "train"),
            "DJANGO_SETTINGS_MODULE": "campus.settings",
            "CAMPUS_DATABASE": json.dumps(database),
        },
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def main() -> None:
    var = tempfile.mkdtemp(prefix="sw-forecast-")
    try:
        subprocess.run(
            [sys.executable, "-m", "sapwood.config.cli", "migrate"],
            env={**os.environ, "SAPWOOD_VAR": var, "SAPWOOD_ROLE": "site"},
            check=True,
            capture_output=True,
        )
        made, _peak = sapwood(var, "upgrade", "demo", "--engine", "mariadb", "--variant", "good", "--rows", ROWS)
        subject, report = made["subject"], str(Path(var) / "report")
        rehearsed, rehearsing_mb = sapwood(var, "upgrade", "rehearse", subject, "--report", report)
        applied, applying_mb = sapwood(var, "upgrade", "apply", subject, "--certificate", rehearsed["certificate"])
        back, _peak = sapwood(var, "upgrade", "rollback", subject, "--lose-writes", code=3)
        sapwood(var, "upgrade", "rollback", subject, "--to-base", "--lose-writes", code=3)
        bare = bare_migrate(Path(subject))
        migrations = rehearsed["seconds"]["migrate"]
        downtime, way_back = rehearsed["predicted_downtime_s"], rehearsed["predicted_rollback_s"]
        figures = {
            "rows": int(ROWS),
            "migrations": len(rehearsed["migrations"]),
            "rehearsal_migration_phase_to_bare_migrate": round(migrations / bare, 2),
            "bare_migrate_s": round(bare, 1),
            "downtime_foretold_to_actual": round(downtime["likely"] / applied["downtime_s"], 2),
            "downtime_actual_s": round(applied["downtime_s"], 1),
            "downtime_inside_interval": downtime["low"] <= applied["downtime_s"] <= downtime["high"],
            "way_back_foretold_to_actual": round(way_back["likely"] / back["rollback_s"], 2),
            "way_back_actual_s": round(back["rollback_s"], 1),
            "way_back_inside_interval": way_back["low"] <= back["rollback_s"] <= way_back["high"],
            "coordinator_peak_mb": round(max(rehearsing_mb, applying_mb)),
        }
    finally:
        subprocess.run(
            [sys.executable, "-m", "sapwood.config.cli", "upgrade", "demo", "--stop"],
            env={**os.environ, "SAPWOOD_VAR": var, "SAPWOOD_ROLE": "site"},
            check=False,
            capture_output=True,
        )
        shutil.rmtree(var, ignore_errors=True)
    claim = "a rehearsal costs little more than migrating, and what it foretells comes true"
    print(json.dumps({"claim": claim, "figures": figures, "machine": machine()}))


if __name__ == "__main__":
    main()
