"""Idle memory of `make up`: proportional set size (PSS) of all its processes, beside one bare Python with Django.

PSS counts a shared page in parts, so the sum is what the machine really gives (Linux, /proc/<pid>/smaps_rollup).
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTLE_S = 20
BARE = """
import time, django.conf
django.conf.settings.configure()
django.setup()
print("ready", flush=True)
time.sleep(60)
"""


def pss_mb(pid: int) -> float:
    """The proportional memory of one process in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1000


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for other in found:
        for task in Path(f"/proc/{other}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def bare() -> float:
    """The floor: one Python with Django loaded."""
    process = subprocess.Popen([sys.executable, "-c", BARE], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        return pss_mb(process.pid)
    finally:
        process.kill()
        process.wait()


def main() -> None:
    floor = bare()
    with tempfile.TemporaryDirectory(prefix="sapwood-bench-") as var:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAPWOOD_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "sapwood.config.cli", "up", "--json", "--offline"],
            env={**kept, "SAPWOOD_VAR": var},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            json.loads(process.stdout.readline())
            time.sleep(SETTLE_S)
            each = {pid: pss_mb(pid) for pid in family(process.pid)}
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    total = sum(each.values())
    figures = {
        "processes": len(each),
        "total_mb": round(total),
        "largest_mb": round(max(each.values())),
        "bare_django_mb": round(floor),
        "ratio_to_bare_django": round(total / floor, 1),
    }
    print(json.dumps({"claim": "idle memory of make up", "figures": figures}))


if __name__ == "__main__":
    main()
