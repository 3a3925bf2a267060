"""`sapwood upgrade demo`: built whole, or gone on with. The packages are none here, the campus is a small stand-in."""

import json
import os
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner

from sapwood.config.cli import main
from sapwood.site.upgrades.api import read_subject
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.demo import building

pytestmark = pytest.mark.slow

FILL = """
import json, os, pathlib, sqlite3, sys, time
entry = json.loads(os.environ["CAMPUS_DATABASE"])
connection = sqlite3.connect(entry["NAME"])
connection.execute("CREATE TABLE IF NOT EXISTS row (n)")
for n in range(int(sys.argv[1])):
    connection.execute("INSERT INTO row VALUES (?)", (n,))
print("half of the rows", flush=True)
while pathlib.Path(entry["NAME"]).with_name("wait").exists():
    time.sleep(0.05)
if pathlib.Path(entry["NAME"]).with_name("fail").exists():
    raise ValueError("the disk is tired")
connection.commit()
"""


@pytest.fixture
def campus(tmp_path, monkeypatch):
    """A demonstration whose environments are empty and whose campus counts."""
    pins = tmp_path / "pins"
    pins.mkdir()
    for name in ("train-mid", "train-new", "train-new-good", "train-build"):
        (pins / f"{name}.txt").touch()
    code = tmp_path / "campus"
    code.mkdir()
    (code / "__init__.py").touch()
    (code / "fill.py").write_text(FILL)
    monkeypatch.setattr(building, "PINS", pins)
    monkeypatch.setattr(building, "CAMPUS", code)
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("SAPWOOD_ROLE", "site")
    return tmp_path


@pytest.fixture
def folder(campus):
    return campus / "var" / "site" / "upgrades" / "demo"


def run(*arguments):
    result = CliRunner().invoke(upgrade, ["demo", *arguments, "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return json.loads(result.stdout), result.stderr.splitlines()


def rows(folder):
    with sqlite3.connect(folder / "data" / "campus.sqlite3") as connection:
        return connection.execute("SELECT count(*) FROM row").fetchone()[0]


def test_it_builds_once_and_says_what_to_do_next(campus, folder):
    found, said = run("--rows", "200")
    assert rows(folder) == 200
    subject = read_subject(folder / "campus.toml")
    assert found["subject"] == str(subject.path)
    assert found["commands"][0] == f"sapwood upgrade plan {subject.path}"
    assert subject.current.python.is_file()
    assert subject.target.python == folder / "train" / "new" / "bin" / "python"
    assert "· environment mid: 0 packages" in said
    assert run("--rows", "200") == (found, [])
    _, said = run("--rows", "200", "--variant", "good")
    assert said == ["· environment new-good: 0 packages"]
    assert read_subject(folder / "campus-good.toml").target.python.parts[-3] == "new-good"
    _, said = run("--rows", "300")
    assert (rows(folder), said[0]) == (300, "· database: 300 rows (sqlite)")


def test_a_build_that_was_killed_goes_on(campus, folder):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "wait").touch()
    program = f"""
        import sys
        from pathlib import Path
        from sapwood.site.upgrades.demo import building
        building.PINS, building.CAMPUS = Path({str(building.PINS)!r}), Path({str(building.CAMPUS)!r})
        given = {{"engine": "sqlite", "variant": "broken", "rows": 200}}
        building.build(Path({str(folder)!r}), **given, say=lambda line: print(line, flush=True))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    ) as process:
        for line in process.stdout:
            if "half of the rows" in line:
                break
        process.kill()
    # Half of an environment, as a kill at another moment leaves it.
    (folder / "train" / "new" / ".pins").unlink()
    (folder / "data" / "wait").unlink()
    _, said = run("--rows", "200")
    assert [line for line in said if "waiting" not in line] == [
        "· environment new: 0 packages",
        "· database: 200 rows (sqlite)",
        "· half of the rows",
    ]
    assert rows(folder) == 200


def test_what_goes_wrong_is_one_line_and_the_next_run_goes_on(campus, folder, capsys):
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "fail").touch()
    with pytest.raises(SystemExit) as ended:
        main(["upgrade", "demo", "--rows", "200"])
    said = capsys.readouterr().err.strip().splitlines()
    assert ended.value.code == 1
    assert said[-1].startswith(
        "sapwood: error [upgrades.demo] python failed: ValueError: the disk is tired. Run it again"
    )
    (folder / "data" / "fail").unlink()
    run("--rows", "200")
    assert rows(folder) == 200


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(campus, folder):
    with pytest.raises(building.DemoError, match="needs about 6,000,001,500,000,000 bytes"):
        building.build(folder, engine="sqlite", variant="broken", rows=10**12, say=print)
    assert not (folder / "train").exists()


def test_stopping_servers_that_do_not_run_is_no_error(campus):
    assert run("--stop")[0] == {"stopped": []}
