"""`make check`: every judge of the code that is not a test, each named, all of them run."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BIN = HERE / ".venv" / "bin"


def django(role: str, *arguments: str) -> list[str]:
    """A Django command of one role."""
    return ["env", f"SAPWOOD_ROLE={role}", str(BIN / "python"), "-m", "sapwood.config.manage", *arguments]


def steps(scratch: Path) -> list[tuple[str, list[str]]]:
    """What is checked, in order."""
    apps = {"site": ["core", "accounts", "channel", "facts", "inbox"], "commons": ["announcements", "releases"]}
    found: list[tuple[str, list[str]]] = [
        ("ruff", [str(BIN / "ruff"), "check", "-q", "."]),
        ("import-linter", [str(BIN / "lint-imports"), "--no-cache"]),
        ("mypy --strict", [str(BIN / "mypy")]),
        ("mypy --strict, the kit", [str(BIN / "mypy"), "--config-file", "packs/kit/pyproject.toml", "packs/kit/src"]),
        ("templates", [str(BIN / "djlint"), "src", "--lint", "--quiet"]),
    ]
    for role, labels in apps.items():
        found.append((f"{role}: no migration is missing", django(role, "makemigrations", "--check", "--dry-run")))
        # A first migration makes new tables, in which nothing can be locked or broken.
        lint = ["lintmigrations", "--no-cache", "--ignore-initial-migrations", "--include-apps", *labels]
        with_linter = ["env", "DJANGO_SETTINGS_MODULE=sapwood.config.settings_check"]
        found.append((f"{role}: migrations are safe", [*with_linter, *django(role, *lint)]))
        schema = HERE / "docs" / "reference" / f"openapi-{role}.yaml"
        fresh = scratch / schema.name
        found.append((f"{role}: OpenAPI schema", django(role, "spectacular", "--fail-on-warn", "--file", str(fresh))))
        found.append((f"{role}: OpenAPI schema is in step", ["diff", "-u", str(schema), str(fresh)]))
    sphinx = [str(BIN / "sphinx-build"), "-q", "-W", "--keep-going", "-b", "html", "docs", str(scratch / "html")]
    found.append(("docs", sphinx))
    return found


def main() -> int:
    """Run all; print what failed; 1 when anything did."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="sapwood-check-") as folder:
        env = {**os.environ, "SAPWOOD_VAR": f"{folder}/var"}
        for name, command in steps(Path(folder)):
            start = time.monotonic()
            done = subprocess.run(command, cwd=HERE, check=False, capture_output=True, text=True, env=env)
            print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {name} ({time.monotonic() - start:.0f} s)", flush=True)
            if done.returncode:
                failed.append(name)
                print((done.stdout + done.stderr).strip(), flush=True)
    print(f"{len(failed)} of the checks failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
