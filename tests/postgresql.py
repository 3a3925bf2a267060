"""A PostgreSQL server of our own for the tests: `python -m tests.postgresql COMMAND` runs a command with its address.

It listens on a socket in a temporary folder only, so that no port is taken and nobody else comes in.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

OWNER = "postgres"  # Debian's account: PostgreSQL refuses to run as root


def programs() -> Path | None:
    """Where PostgreSQL's programs are: on the path, or where Debian keeps them."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


@contextmanager
def server(bin_folder: Path) -> Iterator[str]:
    """A server with an empty database; its DATABASE_URL. Everything is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sapwood-pg-", dir="/tmp"))  # a socket's path has to be short
    account = {"user": OWNER, "group": OWNER, "extra_groups": []} if os.geteuid() == 0 else {}
    if account:
        entry = pwd.getpwnam(OWNER)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    data = folder / "data"

    def run(*argv: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        subprocess.run([str(bin_folder / argv[0]), *argv[1:]], check=True, cwd=folder, **quiet, **account)

    # Nothing in it has to survive a power cut.
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c full_page_writes=off"
    try:
        run("initdb", "-D", str(data), "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgres://{OWNER}@{quote(str(folder), safe='')}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(command: list[str]) -> int:
    """Run a command beside such a server; its exit code."""
    bin_folder = programs()
    if bin_folder is None:
        sys.exit("PostgreSQL is not installed (Debian: postgresql).")
    with server(bin_folder) as url:
        return subprocess.run(command, check=False, env={**os.environ, "DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
