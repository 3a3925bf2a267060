"""Upgrades across the pairs of Python and Django that Django supports: what we run inside a subject runs on all."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.tests.conftest import Campus, opened

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
UV = [str(Path(sys.executable).with_name("uv"))]
ADD = """
    from django.db import migrations, models
    class Migration(migrations.Migration):
        dependencies = [("shop", "0001_initial")]
        operations = [
            migrations.AddField("Product", "price", models.IntegerField(null=True)),
            migrations.AlterField("Product", "title", models.CharField(max_length=200, null=True)),
        ]
"""
TITLE = "models.CharField(max_length=200, null=True)"
# Python and Django of the release that runs, then of the target: each Python from 3.8 to 3.13, Django from 3.2 to 5.2.
STEPS = [
    (("3.8", "3.2"), ("3.9", "4.2")),
    (("3.10", "4.2"), ("3.12", "5.1")),
    (("3.11", "5.0"), ("3.13", "5.2")),
]


def interpreter(version: str) -> Path:
    """A Python of this version on this machine; the test is skipped where there is none."""
    home = Path(os.environ.get("PYENV_ROOT") or Path(pwd.getpwuid(os.getuid()).pw_dir) / ".pyenv")
    for found in [*sorted(home.glob(f"versions/{version}.*/bin/python{version}")), shutil.which(f"python{version}")]:
        if (
            found
            and not subprocess.run([found, "-c", "import sqlite3, ssl"], check=False, capture_output=True).returncode
        ):
            return Path(found)
    pytest.skip(f"no interpreter of version {version} is installed here")


def environment(made: Campus, side: str, python: Path, django: str) -> None:
    """Give one side of a campus an interpreter and a Django of its own."""
    shutil.rmtree(made.folder / side)
    subprocess.run(
        [*UV, "venv", "--quiet", "--no-python-downloads", "--python", python, made.folder / side], check=True
    )
    own = made.folder / side / "bin" / "python"
    certs = ["--system-certs"] if Path("/etc/ssl/certs/ca-certificates.crt").exists() else []
    command = [*UV, "pip", "install", "--quiet", *certs, "--python", own, f"Django=={django}.*"]
    subprocess.run(command, check=True)
    [packages] = (made.folder / side / "lib").glob("python*/site-packages")
    (packages / "side.pth").write_text(f"{made.folder / f'code-{side}'}\n")


@pytest.mark.parametrize(("current", "target"), STEPS, ids=lambda pair: f"python{pair[0]}-django{pair[1]}")
def test_an_upgrade_from_one_pair_to_another_is_rehearsed_and_applied(current, target, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    pythons = [interpreter(version) for version, _ in (current, target)]
    (tmp_path / "campus").mkdir()
    made = Campus(tmp_path / "campus")
    for side, python, (_, django) in zip(("old", "new"), pythons, (current, target), strict=True):
        environment(made, side, python, django)
    opened(made)
    made.models("new", title=TITLE, more="    price = models.IntegerField(null=True)\n")
    made.migration("new", "0002_price", ADD)

    def run(*words, code):
        result = CliRunner().invoke(upgrade, [*map(str, words), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    rehearsed = run("rehearse", made.subject, "--report", tmp_path / "report", code=0)
    assert rehearsed["verdict"] == "go", rehearsed["reasons"]
    [shop] = [row for row in rehearsed["migrations"] if row["app"] == "shop"]
    assert (shop["outcome"], shop["rows"]) == ("done", 100)
    models = {row["model"] for row in rehearsed["checks"] if row["verdict"] == "pass"}
    assert "shop.Product" in models
    applied = run("apply", made.subject, "--certificate", rehearsed["certificate"], code=0)
    assert applied["stage"] == "done"
