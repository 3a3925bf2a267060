"""`make test`: installs what the tests need where it may, then runs them once per role.

As root on Debian, missing components are installed. Elsewhere the tests that need one are skipped with a reason;
with CI set, such a skip is a failure (see conftest.py).
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import postgresql

HERE = Path(__file__).resolve().parent.parent
# command that shows the component: Debian package
NEEDED = {
    "chromium": "chromium",
    "faketime": "faketime",
    "softhsm2-util": "softhsm2",
    "msgfmt": "gettext",
    "fc-list": "fontconfig",
    "pg_ctlcluster": "postgresql",
    "mariadb": "mariadb-client",
    "mariadbd": "mariadb-server",
    "mariadb-backup": "mariadb-backup",
    "nginx": "nginx",
    "rsync": "rsync",
    "sqlite3": "sqlite3",
}
FONTS = "fonts-noto-core"
# What walks the addresses of a role has to be done for each.
BOTH = ["tests/test_permissions.py", "tests/test_rest.py", "tests/test_translations.py"]
PASSES = [
    ("site", ["-m", "not e2e", "src", "tests", "packs"]),
    ("commons", ["-m", "not e2e", "src/sapwood/commons", "src/sapwood/accounts", *BOTH]),
]
# The folders whose tests with a browser or a whole house a role runs.
E2E = [("site", ["src", "tests"]), ("commons", ["src/sapwood/commons"])]
WORKERS = 2
# What several writers at once, and a stricter database, could break.
ON_POSTGRESQL = ["-m", "postgresql", "tests/contract/test_postgresql.py", "src/sapwood/core", "src/sapwood/site/inbox"]


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
    with no_services():
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
            check=True,
            env=quiet,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextlib.contextmanager
def no_services() -> Iterator[None]:
    """Debian starts what it installs unless this file forbids it: the tests start servers of their own."""
    policy = Path("/usr/sbin/policy-rc.d")
    try:
        with policy.open("x", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:  # a container's, which says the same
        yield
        return
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def e2e_files(folders: list[str]) -> list[str]:
    """Those that hold such tests: to read all others in order to leave them out takes longer than many a test."""
    found = [path for folder in folders for path in (HERE / folder).rglob("test_*.py")]
    return [str(path.relative_to(HERE)) for path in sorted(found) if "mark.e2e" in path.read_text(encoding="utf-8")]


def run_pass(role: str, arguments: list[str], database_url: str = "") -> int:
    """One run of pytest; its exit code."""
    where = " on PostgreSQL" if database_url else ""
    print(f"\n== {role}{where}: pytest {' '.join(arguments)}", flush=True)
    # The tests with a whole house share it, and stay with one worker (tests/e2e/conftest.py).
    share = "loadgroup" if "e2e" in arguments else "worksteal"
    workers = ["-n", str(WORKERS), "--dist", share] if not database_url else []
    command = [sys.executable, "-m", "pytest", "-q", "--tb=native", *workers, *arguments, *sys.argv[1:]]
    env = {**os.environ, "SAPWOOD_ROLE": role, **({"DATABASE_URL": database_url} if database_url else {})}
    return subprocess.run(command, cwd=HERE, check=False, env=env).returncode


def run_on_postgresql() -> int:
    """The pass on PostgreSQL; without a server it is left out, which in CI is a failure."""
    bin_folder = postgresql.programs()
    if bin_folder is None:
        print("\n== PostgreSQL is not installed: its pass is left out")
        return int(bool(os.environ.get("CI")))
    with postgresql.server(bin_folder) as url:
        return run_pass("site", ON_POSTGRESQL, url)


def main() -> int:
    """Run every pass, even after one has failed; the worst exit code."""
    install_components()
    worst = 0
    e2e = [(role, ["-m", "e2e", *files]) for role, folders in E2E if (files := e2e_files(folders))]
    for role, arguments in [*PASSES, *e2e]:
        code = run_pass(role, arguments)
        worst = worst or (0 if code == 5 and worst == 0 and "e2e" in arguments else code)
    return worst or run_on_postgresql()


if __name__ == "__main__":
    sys.exit(main())
