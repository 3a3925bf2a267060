"""`make test`: installs what the tests need where it may, then runs them once per role.

As root on Debian, missing components are installed. Elsewhere the tests that need one are skipped with a reason;
with CI set, such a skip is a failure (see conftest.py).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
# command that shows the component: Debian package
NEEDED = {
    "chromium": "chromium",
    "faketime": "faketime",
    "softhsm2-util": "softhsm2",
    "msgfmt": "gettext",
    "fc-list": "fontconfig",
}
FONTS = "fonts-noto-core"
# What walks the addresses of a role has to be done for each.
BOTH = ["tests/test_permissions.py", "tests/test_rest.py", "tests/test_translations.py"]
PASSES = [
    ("site", ["-m", "not e2e", "src", "tests"]),
    ("commons", ["-m", "not e2e", "src/sapwood/commons", "src/sapwood/accounts", *BOTH]),
    ("site", ["-m", "e2e", "src", "tests"]),
    ("commons", ["-m", "e2e", "src/sapwood/commons"]),
]


def install_components() -> None:
    """Install what is missing, if this is Debian and we are root."""
    missing = [package for command, package in NEEDED.items() if shutil.which(command) is None]
    if not Path("/usr/share/fonts/truetype/noto").exists():
        missing.append(FONTS)
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Not installed, so some tests will be skipped: {', '.join(missing)}")
        return
    print(f"Installing for the tests: {', '.join(missing)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
        check=True,
        env=quiet,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main() -> int:
    """Run every pass, even after one has failed; the worst exit code."""
    install_components()
    worst = 0
    for role, arguments in PASSES:
        print(f"\n== {role}: pytest {' '.join(arguments)}", flush=True)
        workers = ["-n", "2", "--dist", "worksteal"] if "not e2e" in arguments else []
        command = [sys.executable, "-m", "pytest", "-q", *workers, *arguments, *sys.argv[1:]]
        code = subprocess.run(command, cwd=HERE, check=False, env={**os.environ, "SAPWOOD_ROLE": role}).returncode
        worst = worst or (0 if code == 5 and worst == 0 and "e2e" in arguments else code)
    return worst


if __name__ == "__main__":
    sys.exit(main())
