"""`sapwood channel keys …`: who may sign."""

from pathlib import Path
from typing import Any

import click

from sapwood.channel.actions import publishing as actions
from sapwood.channel.cli.options import key_changes, passphrase_option, repo_option
from sapwood.channel.keys import (
    generate_key,
    import_token_key,
    load_keys,
    owner_of,
    passphrase_from_file,
    passphrase_from_terminal,
)
from sapwood.channel.layout import CHANNELS, TOP_ROLES
from sapwood.channel.publisher.folder import Folder
from sapwood.core.clock import system_clock
from sapwood.core.commands import emit, json_option
from sapwood.core.data import Actor

OUT = click.Path(file_okay=False, path_type=Path)


@click.group()
def keys() -> None:
    """Make, list and change signing keys."""


@keys.command("list")
@repo_option
@json_option
def list_keys(*, repo: Path | None, as_json: bool) -> None:
    """Show which keys each role trusts, and which of them lie here."""
    folder = actions.folder_at(repo)
    roles = _roles(folder)
    lines = [
        f"{role['role']:<11} {role['threshold']} of {len(role['keys'])}: "
        + ", ".join(f"{key['owner']} [{key['keyid'][:8]}]{' (here)' if key['here'] else ''}" for key in role["keys"])
        for role in roles
    ]
    emit({"roles": roles}, lines, as_json=as_json)


@keys.command()
@click.argument("name")
@click.option("--owner", required=True, help="Whose key it is, as everybody will read it.")
@click.option("--folder", type=OUT, default=Path(), help="Where to put it (here).")
@passphrase_option
@json_option
def generate(*, name: str, owner: str, folder: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a key: an encrypted private file and a public description."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ask = passphrase_from_file(passphrase_file) if passphrase_file else _chosen_passphrase
    key = generate_key(folder.absolute(), name, owner=owner, passphrase=ask)
    data = {"name": name, "owner": owner, "keyid": key.key_id, "public": str(folder / f"{name}.pub.json")}
    emit(data, [f"{name} [{key.key_id[:8]}] for {owner}", f"Send {data['public']}; keep {name}.pem."], as_json=as_json)


@keys.command("import")
@click.argument("name")
@click.option("--owner", required=True, help="Whose key it is, as everybody will read it.")
@click.option("--uri", required=True, help="pkcs11:token=LABEL;id=%02?module-path=/path/to/module.so")
@click.option("--folder", type=OUT, default=Path(), help="Where to put its public description (here).")
@passphrase_option
@json_option
def import_key(*, name: str, owner: str, uri: str, folder: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Describe a key that lives in a PKCS#11 token; its private part stays there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ask = passphrase_from_file(passphrase_file) if passphrase_file else passphrase_from_terminal
    key = import_token_key(folder.absolute(), name, owner=owner, uri=uri, passphrase=ask)
    data = {"name": name, "owner": owner, "keyid": key.key_id, "public": str(folder / f"{name}.pub.json")}
    emit(data, [f"{name} [{key.key_id[:8]}] for {owner}", f"Send {data['public']}."], as_json=as_json)


@keys.command()
@click.option("--add", multiple=True, metavar="CHANNEL=FILE", help="A public key that may sign from now on.")
@click.option("--remove", multiple=True, metavar="CHANNEL=KEYID", help="A key that may no longer sign.")
@click.option("--threshold", multiple=True, metavar="CHANNEL=N", help="How many signatures the channel needs.")
@repo_option
@json_option
def change(
    *, add: tuple[str, ...], remove: tuple[str, ...], threshold: tuple[str, ...], repo: Path | None, as_json: bool
) -> None:
    """Stage other keys for channels; then sign and publish. For the root: rotate-root."""
    changes = key_changes(add, remove, threshold)
    staged = actions.change_keys(changes, actor=Actor.command(), now=system_clock().now(), repo=repo)
    emit({"staged": staged}, [f"staged: {', '.join(staged)}", "Next: sapwood channel sign."], as_json=as_json)


@keys.command()
@click.argument("role")
@repo_option
@json_option
def prolong(*, role: str, repo: Path | None, as_json: bool) -> None:
    """Stage a channel, or `targets`, once more with a later expiry; then sign and publish."""
    actions.prolong(role, actor=Actor.command(), now=system_clock().now(), repo=repo)
    emit({"staged": [role]}, [f"staged: {role}", "Next: sapwood channel sign."], as_json=as_json)


def _roles(folder: Folder) -> list[dict[str, Any]]:
    published = folder.published()
    here = {key.key_id for key in load_keys(folder.keys) if key.held_here}
    root = published.root.signed
    delegations = published.targets.signed.delegations
    found = [(name, root.roles[name], root.keys) for name in TOP_ROLES]
    if delegations is not None and delegations.roles is not None:
        found += [(name, delegations.roles[name], delegations.keys) for name in CHANNELS if name in delegations.roles]
    return [
        {
            "role": name,
            "threshold": role.threshold,
            "keys": [
                {"keyid": key_id, "owner": owner_of(names[key_id]), "here": key_id in here} for key_id in role.keyids
            ],
        }
        for name, role, names in found
    ]


def _chosen_passphrase(name: str) -> str:
    return str(click.prompt(f"New passphrase for {name}", hide_input=True, confirmation_prompt=True, err=True))
