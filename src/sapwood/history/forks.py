"""What a fork carries beyond its upstream, and whether it goes onto a target: `fork_status`.

Nothing of the repository is run and nothing is written into it. Two trials are made in memory: each carried commit is
put onto the target in turn, as a rebase would (a conflict counts as settled for the fork, so that one conflict is
told once); and the fork as a whole is merged with the target, from where it left the upstream branch.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import DeltaStatus, SortMode

from sapwood.core.commands import Exit
from sapwood.history import merging
from sapwood.history.leaves import ForkedApp, forked_app, is_migration
from sapwood.history.merging import Conflict
from sapwood.history.patches import changes, equivalents
from sapwood.history.repositories import Source, Unreadable, shown_name, shown_path, shown_subject

MAX_CARRIED = 10_000
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Progress = Callable[[str, int], None]

_PINS = re.compile(
    rb"(?:.*/)?(?:[^/]*(?:requirements|constraints)[^/]*\.(?:txt|in|pip)|(?:requirements|constraints)/.*\.(?:txt|in|pip)"
    rb"|setup\.(?:py|cfg)|pyproject\.toml|Pipfile|Pipfile\.lock|(?:poetry|uv|pdm|yarn|bun)\.lock|pylock[^/]*\.toml"
    rb"|package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml)"
)


class State(StrEnum):
    """What is to be done with a carried commit."""

    CARRIED = "carried"
    UPSTREAM = "upstream"
    EQUIVALENT = "equivalent"
    EMPTY = "empty"
    MERGE = "merge"


class Verdict(StrEnum):
    """Whether the fork goes onto the target."""

    CLEAN = "clean"
    CONFLICTS = "conflicts"
    UNKNOWN = "unknown"


EXITS = {Verdict.CLEAN: Exit.GOOD, Verdict.CONFLICTS: Exit.BAD_NEWS, Verdict.UNKNOWN: Exit.UNKNOWN}


@dataclass(frozen=True)
class Touched:
    """One migration file that a commit adds, changes, renames or removes."""

    path: str
    change: str


@dataclass(frozen=True)
class CarriedCommit:
    """One commit that the fork has and its upstream branch has not.

    `equivalent` is the target's commit that makes the same change. `own_changes` are the files of a merge that differ
    from what merging its parents gives by itself: a rebase would lose them.
    """

    id: str
    subject: str
    committed_at: datetime
    state: State
    equivalent: str = ""
    conflicts: tuple[Conflict, ...] = ()
    migrations: tuple[Touched, ...] = ()
    pins: tuple[str, ...] = ()
    own_changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Point:
    """A place in the history, as it was named and as it was found."""

    ref: str
    commit: str


@dataclass(frozen=True)
class ForkStatus:
    """What a fork carries. `conflicts` are those of merging the fork as a whole; `reason` says why it is unknown."""

    repository: str
    head: Point
    upstream: Point
    target: Point
    verdict: Verdict
    reason: str = ""
    base: str = ""
    commits: tuple[CarriedCommit, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    forked_migrations: tuple[ForkedApp, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many commits are in each state, and how many conflict, touch migrations, touch pins."""
        found = {"carried": len(self.commits), "to_bring_over": 0}
        found["to_bring_over"] = sum(one.state == State.CARRIED for one in self.commits)
        found |= {name.value: sum(one.state == name for one in self.commits) for name in list(State)[1:]}
        found["conflicting"] = sum(bool(one.conflicts) for one in self.commits)
        found["with_migrations"] = sum(bool(one.migrations) for one in self.commits)
        return found | {"with_pins": sum(bool(one.pins) for one in self.commits)}

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON of `sapwood fork status --json`, for one repository."""
        return {
            "repository": self.repository,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "head": vars(self.head),
            "upstream": vars(self.upstream),
            "target": vars(self.target),
            "base": self.base,
            "counts": self.counts,
            "commits": [_commit_as_dict(one) for one in self.commits],
            "conflicts": [_conflict_as_dict(one) for one in self.conflicts],
            "forked_migrations": [
                {name: list(value) if isinstance(value, tuple) else value for name, value in vars(one).items()}
                for one in self.forked_migrations
            ],
        }


def _commit_as_dict(commit: CarriedCommit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "subject": commit.subject,
        "committed_at": commit.committed_at.isoformat(),
        "state": commit.state.value,
        "equivalent": commit.equivalent,
        "conflicts": [_conflict_as_dict(one) for one in commit.conflicts],
        "migrations": [vars(one) for one in commit.migrations],
        "pins": list(commit.pins),
        "own_changes": list(commit.own_changes),
    }


def _conflict_as_dict(conflict: Conflict) -> dict[str, str]:
    return {"path": conflict.path, "kind": conflict.kind.value, "origin": conflict.origin}


def _no_progress(_what: str, _done: int) -> None:
    """Nobody watches."""


def fork_status(
    repo: Path, upstream: str, target: str, *, head: str = "HEAD", progress: Progress = _no_progress
) -> ForkStatus:
    """Say what the fork in `repo` carries beyond `upstream`, and whether it goes onto `target`.

    Raises a SapwoodError when the repository or a name cannot be read; what it does not hold makes the status unknown.
    """
    source = Source(repo)
    tips = {"head": source.commit(head), "upstream": source.commit(upstream), "target": source.commit(target)}
    unknown = ForkStatus(
        repository=shown_path(repo),
        head=Point(shown_path(head), str(tips["head"].id)),
        upstream=Point(shown_path(upstream), str(tips["upstream"].id)),
        target=Point(shown_path(target), str(tips["target"].id)),
        verdict=Verdict.UNKNOWN,
    )
    try:
        return _Reading(source, tips, progress).result(unknown)
    except Unreadable as error:
        return replace(unknown, reason=str(error))
    except (pygit2.GitError, KeyError, ValueError) as error:
        return replace(unknown, reason=f"an object is missing or broken: {_why(error)}")


def _why(error: Exception) -> str:
    return shown_name(str(error.args[0] if error.args else error).encode("utf-8", "surrogateescape"))


def _instant(seconds: int) -> datetime:
    """A commit's time, which its author chose: what no calendar holds becomes the last or first that it does."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return LAST if seconds > 0 else FIRST


class _Reading:
    """One reading of one repository."""

    def __init__(self, source: Source, tips: dict[str, pygit2.Commit], progress: Progress) -> None:
        self.source, self.progress = source, progress
        self.repo = source.repo
        self.head, self.upstream, self.target = tips["head"], tips["upstream"], tips["target"]

    def result(self, unknown: ForkStatus) -> ForkStatus:
        """The status, filled in; Unreadable when the repository does not hold what that needs."""
        if self.repo.is_shallow:
            raise Unreadable("this is a shallow clone, and a part of its history is missing: git fetch --unshallow")
        base = self._common(self.upstream, "upstream branch")
        self._common(self.target, "target")
        carried = self._carried()
        if not carried:
            return replace(unknown, verdict=Verdict.CLEAN, base=str(base))
        left = {commit.id for commit in self._walk(self.head.id, hide=(self.upstream.id, self.target.id))}
        plain = [oid for oid in carried if oid in left and len(self._commit(oid).parents) <= 1]
        same = equivalents(
            self.repo,
            plain,
            self._walk(self.target.id, hide=(self.head.id,)),
            lambda done: self.progress("commits of the target compared", done),
        )
        commits, replayed = self._judge(carried, left, same)
        whole = self._merge()
        # A rebase loses what merges changed themselves; where none did, it is the exact account of what is left to do.
        by_merge = any(one.own_changes for one in commits)
        forked = tuple(self._forked(base, whole.tree if by_merge else replayed))
        conflicting = any(one.conflicts for one in commits) or (by_merge and bool(whole.conflicts))
        verdict, reason = Verdict.CLEAN, ""
        if conflicting or any(one.is_forked for one in forked):
            verdict = Verdict.CONFLICTS
        elif forked:
            verdict, reason = Verdict.UNKNOWN, "some migrations have dependencies that cannot be read"
        return replace(
            unknown,
            verdict=verdict,
            reason=reason,
            base=str(base),
            commits=commits,
            conflicts=whole.conflicts,
            forked_migrations=forked,
        )

    def _common(self, other: pygit2.Commit, what: str) -> pygit2.Oid:
        # Their stubs leave out that there may be none.
        base: pygit2.Oid | None = self.repo.merge_base(self.head.id, other.id)
        if base is None:
            raise Unreadable(f"the fork and the {what} have no common history")
        return base

    def _commit(self, oid: pygit2.Oid) -> pygit2.Commit:
        return self.repo[oid].peel(pygit2.Commit)

    def _walk(self, start: pygit2.Oid, *, hide: Iterable[pygit2.Oid]) -> Iterator[pygit2.Commit]:
        walker = self.repo.walk(start, SortMode.TOPOLOGICAL | SortMode.REVERSE)
        for oid in hide:
            walker.hide(oid)
        return iter(walker)

    def _carried(self) -> list[pygit2.Oid]:
        """What the fork has beyond the upstream branch, oldest first."""
        found = list[pygit2.Oid]()
        for commit in self._walk(self.head.id, hide=(self.upstream.id,)):
            found.append(commit.id)
            if len(found) > MAX_CARRIED:
                raise Unreadable(
                    f"more than {MAX_CARRIED:,} commits are carried: is this the branch that the fork was made from?"
                )
        return found

    def _judge(
        self, carried: list[pygit2.Oid], left: set[pygit2.Oid], same: dict[pygit2.Oid, pygit2.Oid]
    ) -> tuple[tuple[CarriedCommit, ...], pygit2.Oid]:
        """Every carried commit, and the tree of the target with all that was left to bring over."""
        onto, found = self.target.tree_id, list[CarriedCommit]()
        for done, oid in enumerate(carried, 1):
            self.progress(f"of {len(carried):,} carried commits tried", done)
            commit = self._commit(oid)
            state = self._state(commit, left, same)
            conflicts, own = tuple[Conflict, ...](), tuple[bytes, ...]()
            if state == State.MERGE:
                own = self._own_changes(commit)
                files = [(path, DeltaStatus.MODIFIED) for path in own]
            else:
                files = [(delta.new_file.raw_path, delta.status) for delta in changes(commit).deltas]
            if state == State.CARRIED:
                outcome = merging.pick(self.source, commit, onto)
                conflicts, onto = outcome.conflicts, outcome.tree
            found.append(
                CarriedCommit(
                    str(oid),
                    shown_subject(commit),
                    _instant(commit.commit_time),
                    state,
                    equivalent=str(same.get(oid, "")),
                    conflicts=conflicts,
                    migrations=tuple(Touched(shown_name(p), s.name.lower()) for p, s in files if is_migration(p)),
                    pins=tuple(shown_name(path) for path, _ in files if _PINS.fullmatch(path)),
                    own_changes=tuple(map(shown_name, own)),
                )
            )
        return tuple(found), onto

    def _state(self, commit: pygit2.Commit, left: set[pygit2.Oid], same: dict[pygit2.Oid, pygit2.Oid]) -> State:
        if commit.id not in left:
            return State.UPSTREAM
        if len(commit.parents) > 1:
            return State.MERGE
        if commit.tree_id == (commit.parents[0].tree_id if commit.parents else merging.empty_tree(self.source)):
            return State.EMPTY
        return State.EQUIVALENT if commit.id in same else State.CARRIED

    def _own_changes(self, commit: pygit2.Commit) -> tuple[bytes, ...]:
        """The files of a merge that its parents do not explain. Of an octopus, what it changes against every parent."""
        if len(commit.parents) > 2:  # noqa: PLR2004 - git settles no conflict in an octopus
            sides = [_paths(parent.tree.diff_to_tree(commit.tree)) for parent in commit.parents]
            return tuple(sorted(set.intersection(*sides)))
        first, second = commit.parent_ids
        outcome = merging.merge_commits(self.source, first, second)
        trial = self.source.trial
        diff = trial[outcome.tree].peel(pygit2.Tree).diff_to_tree(trial[commit.tree_id].peel(pygit2.Tree))
        return tuple(sorted(_paths(diff)))

    def _merge(self) -> merging.Outcome:
        """Merge the fork as a whole with the target, as though the target followed the upstream branch.

        So what the upstream branch alone has (backports, say) is neither the fork's nor in conflict with the target.
        """
        self.progress("fork merged as a whole", 1)
        who = pygit2.Signature("Sapwood", "trial@localhost", 0, 0)
        after = self.source.trial.create_commit(
            None, who, who, "The target as a successor of the upstream branch", self.target.tree_id, [self.upstream.id]
        )
        return merging.merge_commits(self.source, after, self.head.id)

    def _forked(self, base: pygit2.Oid, merged: pygit2.Oid) -> Iterator[ForkedApp]:
        old, new = self._commit(base).tree, self.head.tree
        folders = dict[bytes, set[str]]()
        for delta in old.diff_to_tree(new).deltas:
            folder, _, name = delta.new_file.raw_path.rpartition(b"/")
            if folder.rpartition(b"/")[2] == b"migrations" and name.endswith(b".py") and name[:1] not in b"_~":
                own = folders.setdefault(folder, set())
                if delta.status == DeltaStatus.ADDED:
                    own.add(name.removesuffix(b".py").decode("utf-8", "backslashreplace"))
        tree = self.source.trial[merged].peel(pygit2.Tree)
        for folder, own in sorted(folders.items()):
            app = forked_app(folder, frozenset(own), self.target.tree, tree)
            if app:
                yield app


def _paths(diff: pygit2.Diff) -> set[bytes]:
    return {delta.new_file.raw_path for delta in diff.deltas}
