"""`sapwood fork`: what a fork carries, and what that means for a target."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.errors import SapwoodError
from sapwood.history.forks import EXITS, CarriedCommit, ForkStatus, State, Verdict, fork_status
from sapwood.history.merging import Conflict
from sapwood.history.repositories import shown_path

EVERY_S: Final = 2.0  # a progress line that often, no oftener
WORDS = {
    State.CARRIED: "to bring over",
    State.UPSTREAM: "in the target",
    State.EQUIVALENT: "in the target",
    State.EMPTY: "empty",
    State.MERGE: "merge",
}


@click.group()
def fork() -> None:
    """Keep a fork: what it carries beyond its upstream, and what becomes of that in a newer release."""


@fork.command()
@click.option("--repo", "repos", type=click.Path(path_type=Path), required=True, multiple=True, help="A clone.")
@click.option("--upstream", required=True, metavar="REF", help="The upstream branch that the fork was made from.")
@click.option("--target", required=True, metavar="REF", help="The release, tag or branch that the fork goes onto.")
@click.option("--head", default="HEAD", metavar="REF", help="The fork's own branch.")
@json_option
def status(*, repos: tuple[Path, ...], upstream: str, target: str, head: str, as_json: bool) -> None:
    """Say what each fork carries beyond --upstream, and whether it goes onto --target; nothing is written.

    Exit 3: commits conflict, or migrations fork; 4: not known.
    """
    found = list[ForkStatus | SapwoodError]()
    for repo in repos:
        try:
            found.append(fork_status(repo, upstream, target, head=head, progress=_progress(repo)))
        except SapwoodError as error:
            if len(repos) == 1:
                raise
            found.append(error)
    lines = [line for repo, one in zip(repos, found, strict=True) for line in _lines(repo, one)]
    data = {"repositories": [_as_data(repo, one) for repo, one in zip(repos, found, strict=True)]}
    emit(data, lines, as_json=as_json, exit_code=_exit(found))


def _exit(found: list[ForkStatus | SapwoodError]) -> int:
    """An error first, then bad news, then what is not known."""
    codes = [EXITS[one.verdict] if isinstance(one, ForkStatus) else Exit.ERROR for one in found]
    return next((code for code in (Exit.ERROR, Exit.BAD_NEWS, Exit.UNKNOWN) if code in codes), Exit.GOOD)


def _as_data(repo: Path, one: ForkStatus | SapwoodError) -> dict[str, Any]:
    if isinstance(one, ForkStatus):
        return {**one.to_dict(), "error": None}
    return {"repository": shown_path(repo), "error": one.as_dict()}


def _progress(repo: Path) -> Callable[[str, int], None]:
    said_at = time.monotonic()

    def progress(what: str, done: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= EVERY_S:
            said_at = time.monotonic()
            click.echo(f"· {shown_path(repo)}: {done:,} {what}", err=True)

    return progress


def _lines(repo: Path, one: ForkStatus | SapwoodError) -> Iterator[str]:
    if isinstance(one, SapwoodError):
        yield f"{shown_path(repo)}: error [{one.code}] {one.message}. {one.hint}".rstrip()
        return
    yield f"{one.repository}: {one.verdict}{f' ({one.reason})' if one.reason else ''}"
    if one.base:
        yield (
            f"  {one.head.ref} {one.head.commit[:10]} left {one.upstream.ref} at {one.base[:10]};"
            f" against {one.target.ref} {one.target.commit[:10]}"
        )
        yield f"  {_counted(one)}"
    for commit in one.commits:
        yield from _commit_lines(commit)
    if one.commits and one.verdict != Verdict.UNKNOWN:
        count = len(one.conflicts)
        yield f"  merged as a whole: {f'conflicts in {count}' if count else 'clean'}"
    for conflict in one.conflicts:
        yield f"    {_conflict(conflict)}"
    for app in one.forked_migrations:
        if app.fork_leaves:
            yield f"  migrations of {app.app} end in several: {', '.join((*app.target_leaves, *app.fork_leaves))}"
        for name in app.missing:
            yield f"  migrations of {app.app}: what {name.replace(': ', ' needs is not there: ')}"
        for name in app.unread:
            yield f"  migrations of {app.app}: the dependencies of {name} cannot be read"


def _counted(one: ForkStatus) -> str:
    counts = one.counts
    if not counts["carried"]:
        return "nothing is carried"
    there = counts["upstream"] + counts["equivalent"]
    parts = f"to bring over {counts['to_bring_over']}, in the target already {there}, empty {counts['empty']}"
    return f"carried {counts['carried']}: {parts}, merges {counts['merge']}; conflicting {counts['conflicting']}"


def _commit_lines(commit: CarriedCommit) -> Iterator[str]:
    word = "conflicts" if commit.conflicts else WORDS[commit.state]
    same = f" (as {commit.equivalent[:10]})" if commit.equivalent else ""
    yield f"  {word:<14} {commit.id[:10]} {commit.subject}{same}"
    for conflict in commit.conflicts:
        yield f"    {_conflict(conflict)}"
    for file in commit.migrations:
        yield f"    migration {file.change}: {file.path}"
    for path in commit.pins:
        yield f"    pins: {path}"
    for path in commit.own_changes:
        yield f"    changed by the merge itself: {path}"


def _conflict(conflict: Conflict) -> str:
    return f"{conflict.kind}: {conflict.path}{f' (from {conflict.origin})' if conflict.origin else ''}"
