"""A real Tutor from the package index, in an environment of its own; what was fetched once stays in uv's cache."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

UV = Path(sys.executable).with_name("uv")


def environment() -> dict[str, str]:
    """The variables of this process without those that would lead a Tutor or an installer astray."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("TUTOR_", "PYTHON", "VIRTUAL_ENV"))
    }


def run(*command: Any, **more: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end."""
    return subprocess.run(command, check=False, capture_output=True, env=environment() | more, timeout=240)


def install(folder: Path, *packages: str, alone: tuple[str, ...] = ()) -> Path:
    """Make an environment with these packages, and some more without what they require; its interpreter."""
    python = folder / "bin" / "python"
    certs = ["--system-certs"] if Path("/etc/ssl/certs/ca-certificates.crt").exists() else []
    call = [UV, "pip", "install", "--quiet", *certs, "--python", python]
    made = run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    done = [made, run(*call, *packages), *([run(*call, "--no-deps", *alone)] if alone else [])]
    if any(one.returncode for one in done):
        pytest.skip("there is no interpreter with Tutor here, and none can be fetched")
    return python
