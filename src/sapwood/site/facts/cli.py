"""`sapwood site`: what this site is, and what it is exposed to."""

import datetime as dt
from pathlib import Path

import click

from sapwood.core.clock import system_clock
from sapwood.core.commands import emit, json_option
from sapwood.core.errors import UsageError
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.facts import words
from sapwood.site.facts.actions import catalogue_at_hand
from sapwood.site.facts.queries import read_facts
from sapwood.site.facts.tutor import inspect_root

FOLDER = click.Path(path_type=Path)
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def site() -> None:
    """What this site is, and what it is exposed to."""


@site.command()
@click.option("--tutor-root", type=FOLDER, required=True, help="The folder that `tutor config printroot` prints.")
@click.option("--tutor-plugins-root", type=FOLDER, help="The folder that `tutor plugins printroot` prints.")
@click.option("--tutor-python", type=FOLDER, help="The interpreter that runs Tutor; it is asked for package versions.")
@json_option
def inspect(tutor_root: Path, tutor_plugins_root: Path | None, tutor_python: Path | None, *, as_json: bool) -> None:
    """Read a Tutor root, without Docker. No secret is read out of it."""
    facts = inspect_root(tutor_root, plugins_root=tutor_plugins_root, python=tutor_python)
    emit(facts.to_dict(), words.facts_lines(facts), as_json=as_json)


@site.command()
@click.option("--tutor-root", type=FOLDER, help="The folder that `tutor config printroot` prints.")
@click.option("--tutor-plugins-root", type=FOLDER, help="The folder that `tutor plugins printroot` prints.")
@click.option("--tutor-python", type=FOLDER, help="The interpreter that runs Tutor; it is asked for package versions.")
@click.option("--facts", "facts_file", type=FOLDER, help="A facts document of any other installation.")
@click.option("--catalogue", "catalogue_file", type=FOLDER, help="A catalogue; else the newest received or shipped.")
@click.option("--as-of", type=DAY, help="The day to judge for; else today.")
@json_option
def exposure(  # noqa: PLR0913 - one argument per option
    tutor_root: Path | None,
    tutor_plugins_root: Path | None,
    tutor_python: Path | None,
    facts_file: Path | None,
    catalogue_file: Path | None,
    as_of: dt.datetime | None,
    *,
    as_json: bool,
) -> None:
    """Say what this site is exposed to, and the way out. Exit 3: exposed or unsupported; 4: not known."""
    facts = _facts(tutor_root, tutor_plugins_root, tutor_python, facts_file)
    catalogue = catalogue_at_hand(catalogue_file)
    from sapwood.formats.exposure import exposure as match  # noqa: PLC0415 - the command has the same name

    found = match(facts, catalogue, (as_of or system_clock().now()).date())
    emit(found.to_dict(), words.exposure_lines(found), as_json=as_json, exit_code=words.exit_code(found))


def _facts(root: Path | None, plugins: Path | None, python: Path | None, file: Path | None) -> SiteFacts:
    if (root is None) == (file is None):
        raise UsageError("Give either --tutor-root or --facts", hint="See 'sapwood site exposure --help'.")
    if file is not None:
        return read_facts(file)
    if root is None:  # for the type checker
        raise UsageError("Give --tutor-root", hint="")
    return inspect_root(root, plugins_root=plugins, python=python)
