"""The one command: which settings a command typed later sees."""

import os

import click
import pytest

from sapwood.config import cli


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path))
    monkeypatch.setenv("SAPWOOD_KEPT_BY_THE_TEST", "")
    monkeypatch.delenv("SAPWOOD_KEPT_BY_THE_TEST")
    folder = tmp_path / os.environ["SAPWOOD_ROLE"]
    folder.mkdir()
    (folder / "settings.env").write_text("# a comment\nSAPWOOD_KEPT_BY_THE_TEST=Riverside College\n", encoding="utf-8")


def load(command: str) -> None:
    root = cli.sapwood
    assert root.get_command(click.Context(root), command) is not None


@pytest.mark.usefixtures("kept")
def test_a_command_sees_what_is_kept_for_its_role():
    load("audit")
    assert os.environ["SAPWOOD_KEPT_BY_THE_TEST"] == "Riverside College"


@pytest.mark.usefixtures("kept")
def test_starting_both_roles_takes_nothing_that_is_kept_for_one():
    load("up")
    assert "SAPWOOD_KEPT_BY_THE_TEST" not in os.environ


@pytest.mark.usefixtures("kept")
def test_the_environment_wins_over_what_is_kept(monkeypatch):
    monkeypatch.setenv("SAPWOOD_KEPT_BY_THE_TEST", "mine")
    load("audit")
    assert os.environ["SAPWOOD_KEPT_BY_THE_TEST"] == "mine"
