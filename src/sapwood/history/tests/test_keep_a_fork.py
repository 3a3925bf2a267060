"""The how-to for fork keepers: its commands are run, and print what stands there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sapwood.history.tests.repositories import ENV, Repository

PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "keep-a-fork.md"
IDS = re.compile(r"\b[0-9a-f]{10}\b")
HEADER = "".join(f"<li>{number}</li>\n" for number in range(20))
MIGRATION = "class Migration:\n    dependencies = [('student', {!r})]\n"


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def place(tmp_path):
    """The clones that the page speaks of, with a `sapwood` on the PATH."""
    upstream = Repository(tmp_path / "upstream")
    chain = "common/student/migrations"
    upstream.commit(
        "teak",
        {
            "lms/templates/header.html": HEADER,
            "grades.py": "a = 1\n",
            f"{chain}/0001_initial.py": "class Migration:\n    pass\n",
            f"{chain}/0002_name.py": MIGRATION.format("0001_initial"),
        },
    )
    upstream.git("branch", "release/teak")
    for name in ("edx-platform", "frontend-app-learning"):
        upstream.git("clone", "-q", ".", str(tmp_path / name))
        Repository(tmp_path / name).git("remote", "add", "upstream", str(upstream.path))
    front = Repository(tmp_path / "frontend-app-learning")
    fork = Repository(tmp_path / "edx-platform")
    upstream.branch("release/ulmo")
    upstream.commit("Another header", {"lms/templates/header.html": HEADER.replace("<li>3<", "<li>three<")})
    for repo in (upstream, fork):
        repo.commit("Correct the grade export", {"grades.py": "a = 2\n"})
    upstream.commit("A field", {f"{chain}/0003_upstream.py": MIGRATION.format("0002_name")})
    fork.commit("Show the campus logo", {"lms/templates/header.html": HEADER.replace("<li>3<", "<li>campus<")})
    fork.commit("Keep the student number", {f"{chain}/0003_student_number.py": MIGRATION.format("0002_name")})
    front.git("fetch", "-q", "upstream")
    command = tmp_path / "bin" / "sapwood"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m sapwood.config.cli "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_page_print_what_stands_there(place):
    given = {
        **ENV,
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "SAPWOOD_VAR": str(place / "var"),
        "HOME": str(place),
    }
    fetch, one, several = blocks("sh")

    def run(script):
        done = subprocess.run(["sh", "-c", script], cwd=place, env=given, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout

    assert run(fetch) == (0, "")
    code, printed = run(one)
    assert code == 3
    assert IDS.sub("…", printed) == IDS.sub("…", blocks("text")[0])
    code, printed = run(several)
    found = json.loads(printed)["repositories"]
    assert (code, [repo["verdict"] for repo in found]) == (3, ["conflicts", "clean"])


def test_the_page_names_every_state_and_kind():
    from sapwood.history.forks import State
    from sapwood.history.merging import Kind

    page = PAGE.read_text(encoding="utf-8")
    assert [word for word in (*State, *Kind) if f"`{word}`" not in page] == []
