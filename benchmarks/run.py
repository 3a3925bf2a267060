"""`make bench`: every benchmark in turn, or those named; prints counts and ratios, asserts nothing.

Each script prints one JSON document as its last line: {"claim", "figures": {...}, "machine"}.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def machine() -> str:
    """What this was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def main(names: list[str]) -> int:
    """Run the benchmarks; 1 when one of them breaks."""
    print(f"machine: {machine()}", flush=True)
    scripts = [path for path in sorted(HERE.glob("*.py")) if path.stem != "run" and (not names or path.stem in names)]
    broken = 0
    for script in scripts:
        print(f"\n== {script.stem}", flush=True)
        broken += subprocess.run([sys.executable, str(script)], check=False, cwd=HERE.parent).returncode != 0
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
