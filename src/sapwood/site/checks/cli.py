"""`sapwood checks`: the packs of checks that are installed."""

import click

from sapwood.core.commands import emit, json_option
from sapwood.site.checks import api
from sapwood.site.checks.conf import environment


@click.group()
def checks() -> None:
    """Packs of checks: suites that look at a site, base and your own."""


@checks.command("list")
@json_option
def list_packs(*, as_json: bool) -> None:
    """List the packs that are installed, with the highest safety class of each; nothing of them is run."""
    found = api.find_packs()
    lines = [f"{pack.id:<24}  {pack.version:<10}  {pack.safety.value}  {pack.owner}" for pack in found]
    emit([pack.to_dict() for pack in found], lines or [f"No pack is installed in {environment()}."], as_json=as_json)
