"""`sapwood identity`: who this site is to those who read its reports."""

import click

from sapwood.core.commands import emit, json_option
from sapwood.site.identity import api


@click.group()
def identity() -> None:
    """Who this site is to those who read its reports: a random id and a key, made on first need."""


@identity.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show the site's id and the fingerprint of its public key. Neither is a secret."""
    found = api.who()
    data = {"site_id": str(found.site_id), "key_id": found.key_id}
    emit(data, [f"site id  {found.site_id}", f"key id   {found.key_id}"], as_json=as_json)
