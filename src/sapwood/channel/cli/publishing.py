"""The commons' verbs."""

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

import click

from sapwood.channel.actions import publishing as actions
from sapwood.channel.cli.options import (
    FILE,
    key_changes,
    key_files,
    numbers,
    passphrase,
    passphrase_option,
    repo_option,
)
from sapwood.channel.envelope import read_envelope
from sapwood.channel.keys import load_key, passphrase_from_file
from sapwood.channel.layout import CHANNELS, TOP_ROLES, instant_text
from sapwood.channel.publisher.bundling import check_bundle, check_folder, make_bundle
from sapwood.channel.publisher.folder import Folder
from sapwood.channel.publisher.publishing import Publication
from sapwood.channel.publisher.setup import DEFAULT_QUORUMS, Quorum
from sapwood.channel.publisher.signing import merge_signatures, signature_states
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.formats.canonical import sha256_hex

CHANNEL = click.Choice(CHANNELS)


@click.command()
@repo_option
@click.option("--owner", default="commons", help="Whose keys they are, when new ones are made.")
@click.option("--key", "keys", multiple=True, metavar="ROLE=FILE", help="A public key made elsewhere; repeat.")
@click.option("--threshold", multiple=True, metavar="ROLE=N", help="How many signatures a role needs; repeat.")
@json_option
def init(*, repo: Path | None, owner: str, keys: tuple[str, ...], threshold: tuple[str, ...], as_json: bool) -> None:
    """Make a repository: with new keys beside it, or (--key) for people who hold theirs elsewhere."""
    folder = actions.folder_at(repo)
    now = system_clock().now()
    thresholds = numbers(threshold, "--threshold")
    _demand_known_roles(thresholds)
    if keys:
        given = key_files(keys, "--key")
        _demand_known_roles(given)
        quorums = {role: Quorum(thresholds.get(role, 1), tuple(found)) for role, found in given.items()}
        staged = actions.init_with_given_keys(repo, quorums, actor=Actor.command(), now=now)
        data = {"folder": str(folder.path), "staged": staged}
        emit(data, [f"staged: {', '.join(staged)}", "Next: each signer runs sapwood channel sign."], as_json=as_json)
        return
    quorums_here = {
        role: (thresholds.get(role, least), max(count, thresholds.get(role, 1)))
        for role, (least, count) in DEFAULT_QUORUMS.items()
    }
    actions.init_with_new_keys(repo, actor=Actor.command(), now=now, owner=owner, quorums=quorums_here)
    print_fingerprint = fingerprint(folder)
    data = {"folder": str(folder.path), "staged": [], "root_sha256": print_fingerprint}
    lines = [
        f"The channel lies in {folder.path}",
        f"Serve {folder.metadata.parent} over HTTPS.",
        f"Fingerprint of its root: {print_fingerprint}",
    ]
    emit(data, lines, as_json=as_json)


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--channel", type=CHANNEL, help="Where it goes; otherwise as the document says.")
@repo_option
@json_option
def stage(*, files: tuple[Path, ...], channel: str | None, repo: Path | None, as_json: bool) -> None:
    """Validate documents and put them up for signature."""
    raws: dict[str, list[bytes]] = {}
    for file in files:
        raw = file.read_bytes()
        raws.setdefault(channel or read_envelope(raw).channel, []).append(raw)
    now = system_clock().now()
    done = [
        item
        for name, chosen in raws.items()
        for item in actions.stage_several(chosen, channel=name, actor=Actor.command(), now=now, repo=repo)
    ]
    rows = [{"path": str(item.path), "sha256": item.sha256, "type": item.type} for item in done]
    lines = [f"{row['path']}  {row['type']}" for row in rows]
    emit({"staged": rows}, [*lines, "Next: sapwood channel sign."], as_json=as_json)


@click.command()
@click.option("--key", "keys", multiple=True, type=FILE, help="A .pub.json whose private part is at hand; repeat.")
@click.option("--role", "roles", multiple=True, help="Only these roles or channels.")
@click.option(
    "--merge", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Take over another copy's."
)
@passphrase_option
@repo_option
@json_option
def sign(
    *,
    keys: tuple[Path, ...],
    roles: tuple[str, ...],
    merge: Path | None,
    passphrase_file: Path | None,
    repo: Path | None,
    as_json: bool,
) -> None:
    """Sign what is staged: with the keys named, or with those that lie beside the repository.

    To sign on another machine, copy the repository's folder there, sign, and bring it back or --merge it.
    """
    folder = actions.folder_at(repo)
    done: dict[str, list[str]] = {}
    merged: dict[str, int] = {}
    if merge is not None:
        merged = merge_signatures(folder, merge)
    if keys or merge is None:
        ask = passphrase(folder, passphrase_file)
        signers = (
            [load_key(path).signer(ask) for path in keys] if keys else actions.local_signers(folder, passphrase=ask)
        )
        done = actions.sign(signers, actor=Actor.command(), now=system_clock().now(), repo=repo, roles=roles or None)
    states = signature_states(folder)
    data = {
        "signed": done,
        "documents": [str(path) for path in folder.waiting_documents()],
        "merged": merged,
        "missing": {state.role: state.missing for state in states if state.missing},
        "awaited_from": {state.role: list(state.awaited_from) for state in states if state.missing},
    }
    lines = [f"{role}: signed by {', '.join(names)}" for role, names in done.items()]
    lines += [f"{role}: {count} taken over" for role, count in merged.items()]
    lines += [
        f"{state.role}: {state.missing} more from {', '.join(state.awaited_from)}" for state in states if state.missing
    ]
    emit(data, lines or ["Everything staged is signed by these keys already."], as_json=as_json)


@click.command()
@click.option("--role", "--channel", "roles", multiple=True, help="Only these channels (or root, targets).")
@passphrase_option
@repo_option
@json_option
def publish(*, roles: tuple[str, ...], passphrase_file: Path | None, repo: Path | None, as_json: bool) -> None:
    """Make visible what is signed; nothing changes when a signature is missing."""
    folder = actions.folder_at(repo)
    ask = passphrase_from_file(passphrase_file) if passphrase_file else None
    done = actions.publish(
        actor=Actor.command(),
        now=system_clock().now(),
        repo=repo,
        roles=roles or None,
        online=lambda: actions.online_signers(folder, passphrase=ask),
    )
    emit(_publication(done), _publication_lines(done), as_json=as_json)


@click.command()
@click.argument("uuid", type=click.UUID)
@click.option("--channel", type=CHANNEL, required=True, help="The channel that it was published on.")
@click.option("--reason", required=True, help="Why, in one sentence that administrators will read.")
@click.option("--revision", type=click.IntRange(1), help="Only this revision.")
@click.option("--urgent", is_flag=True, help="Tell administrators at once.")
@click.option("--replaced-by", type=click.UUID, help="The publication that takes its place.")
@repo_option
@json_option
def retract(  # noqa: PLR0913 - one argument per option
    *,
    uuid: UUID,
    channel: str,
    reason: str,
    revision: int | None,
    urgent: bool,
    replaced_by: UUID | None,
    repo: Path | None,
    as_json: bool,
) -> None:
    """Stage a signed word that a publication no longer stands; then sign and publish."""
    staged = actions.retract(
        uuid,
        channel=channel,
        reason=reason,
        revision=revision,
        urgent=urgent,
        replaced_by=replaced_by,
        actor=Actor.command(),
        now=system_clock().now(),
        repo=repo,
    )
    emit(
        {"path": str(staged.path), "sha256": staged.sha256},
        [str(staged.path), "Next: sapwood channel sign."],
        as_json=as_json,
    )


@click.command()
@click.option("--force", is_flag=True, help="Also when it was done today.")
@passphrase_option
@repo_option
@json_option
def renew(*, force: bool, passphrase_file: Path | None, repo: Path | None, as_json: bool) -> None:
    """Sign snapshot and timestamp for another seven days; the worker does this daily."""
    folder = actions.folder_at(repo)
    ask = passphrase_from_file(passphrase_file) if passphrase_file else None
    done = actions.renew(
        actor=Actor.command(),
        now=system_clock().now(),
        repo=repo,
        force=force,
        online=lambda: actions.online_signers(folder, passphrase=ask),
    )
    expires = f"valid until {done.expires_at:%Y-%m-%d %H:%M} UTC" if done.expires_at else ""
    emit(_publication(done), [f"{'fresh already' if done.nothing else 'renewed'}; {expires}"], as_json=as_json)


@click.command("rotate-root")
@click.option(
    "--add", multiple=True, metavar="ROLE=FILE", help="A public key for root, targets, snapshot or timestamp."
)
@click.option("--remove", multiple=True, metavar="ROLE=KEYID", help="A key that leaves the role.")
@click.option("--threshold", multiple=True, metavar="ROLE=N", help="How many signatures the role needs.")
@repo_option
@json_option
def rotate_root(
    *, add: tuple[str, ...], remove: tuple[str, ...], threshold: tuple[str, ...], repo: Path | None, as_json: bool
) -> None:
    """Stage the next root: with other keys, or only with a later expiry. The old and the new keys sign it."""
    version = actions.rotate_root(
        key_changes(add, remove, threshold), actor=Actor.command(), now=system_clock().now(), repo=repo
    )
    emit({"root_version": version}, [f"staged: root {version}", "Next: sapwood channel sign."], as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--channel", "channels", multiple=True, type=CHANNEL, help="Only these channels.")
@repo_option
@json_option
def bundle(*, file: Path, channels: tuple[str, ...], repo: Path | None, as_json: bool) -> None:
    """Write what is published into one file, for sites without a network."""
    size = make_bundle(actions.folder_at(repo), file, channels or CHANNELS)
    data = {"file": str(file), "bytes": size, "sha256": sha256_hex(file.read_bytes())}
    emit(data, [f"{file}: {size:,} bytes"], as_json=as_json)


@click.command()
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--root", type=FILE, help="The root to trust; needed for a bundle.")
@repo_option
@json_option
def verify(*, path: Path | None, root: Path | None, repo: Path | None, as_json: bool) -> None:
    """Read a whole repository or bundle as a new site would; 3 when something does not verify or has expired."""
    now = system_clock().now()
    raw = root.read_bytes() if root else None
    if path is not None and path.is_file():
        if raw is None:
            raise UsageError("A bundle is verified against a root that you have", hint="Add --root 1.root.json.")
        found = check_bundle(path, now=now, root=raw)
    else:
        found = check_folder(Folder(path) if path else actions.folder_at(repo), now=now, root=raw)
    data = {
        "good": not found.problems,
        "publications": found.publications,
        "problems": list(found.problems),
        "expires_at": instant_text(found.expires_at) if found.expires_at else None,
    }
    lines = [*found.problems, *(f"{name}: {count} publications" for name, count in found.publications.items())]
    if not found.problems:
        lines.append(f"Everything verifies; valid until {found.expires_at:%Y-%m-%d %H:%M} UTC.")
    emit(data, lines, as_json=as_json, exit_code=Exit.BAD_NEWS if found.problems else Exit.GOOD)


def fingerprint(folder: Folder) -> str:
    """What a site is told through another way: the SHA-256 of the first root."""
    return sha256_hex((folder.metadata / "1.root.json").read_bytes())


def _publication(done: Publication) -> dict[str, object]:
    return {
        "documents": [str(path) for path in done.documents],
        "roles": list(done.roles),
        "root_version": done.root_version,
        "timestamp_version": done.timestamp_version,
        "expires_at": instant_text(done.expires_at) if done.expires_at else None,
        "removed_files": done.removed_files,
    }


def _publication_lines(done: Publication) -> list[str]:
    if done.nothing:
        return ["Nothing is staged."]
    lines = [f"published {path}" for path in done.documents]
    lines += [f"published root {done.root_version}"] if done.root_version else []
    return lines or [f"published {', '.join(done.roles)}"]


def _demand_known_roles(roles: Iterable[str]) -> None:
    unknown = sorted(set(roles) - {*TOP_ROLES, *CHANNELS})
    if unknown:
        raise UsageError(f"There is no role {', '.join(unknown)}", hint=f"Use {', '.join((*TOP_ROLES, *CHANNELS))}.")
