"""The forks that a deployment runs, as its subject file names them: what `sapwood fork status` says of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import Figure, Phrase
from sapwood.history.forks import ForkStatus, State, Verdict, fork_status
from sapwood.history.repositories import shown_path
from sapwood.site.upgrades.data import Fork, Subject
from sapwood.site.upgrades.preflight import Finding, Outcome
from sapwood.site.upgrades.ways import ANSWER

SHOWN = 5
MOST = 200


@dataclass(frozen=True)
class Report:
    """One fork: its status, or why there is none."""

    name: str
    status: ForkStatus | None
    error: SapwoodError | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON, in the form of `sapwood fork status --json`, with at most so many commits."""
        if self.status is None:
            return {"name": self.name, "error": self.error.as_dict() if self.error else None}
        found = self.status.to_dict()
        return {"name": self.name, **found, "commits": found["commits"][:MOST], "error": None}


def reports_of(subject: Subject) -> tuple[Report, ...]:
    """What each fork carries and whether it goes onto its target; a clone that cannot be read says why."""
    names: dict[str, int] = {}
    found = []
    for fork in subject.forks:
        name = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in fork.repo.name)[:60] or "fork"
        names[name] = names.get(name, 0) + 1
        found.append(_report(fork, name if names[name] == 1 else f"{name}-{names[name]}"))
    return tuple(found)


def _report(fork: Fork, name: str) -> Report:
    try:
        return Report(name, fork_status(fork.repo, fork.upstream, fork.target, head=fork.head))
    except SapwoodError as error:
        return Report(name, None, error)


def findings_of(reports: tuple[Report, ...]) -> Iterator[Finding]:
    """A fork that does not go onto its target is in the way; one whose migrations ride along is a person's to judge."""
    for report in reports:
        outcome, detail, remedy = _judged(report)
        by_person = outcome is Outcome.UNKNOWN
        yield Finding(f"fork.{report.name}", outcome, detail, remedy, by_person=by_person, of_plan=True)


def _judged(report: Report) -> tuple[Outcome, Phrase, Phrase]:
    status = report.status
    if status is None:
        why = Phrase.of(report.error) if report.error else Phrase("")
        return Outcome.UNKNOWN, Phrase("The fork cannot be read: %(why)s", why=why), Phrase("Look at [fork].")
    if status.verdict is Verdict.UNKNOWN:
        detail = Phrase("What the fork carries is not known: %(why)s", why=status.reason)
        return Outcome.UNKNOWN, detail, Phrase("See `sapwood fork status`.")
    conflicting = [commit.id[:10] for commit in status.commits if commit.conflicts]
    forked = [app.app for app in status.forked_migrations]
    if status.verdict is Verdict.CONFLICTS:
        what = [f"{len(conflicting)} commits ({_some(conflicting)})"] if conflicting else []
        what += [f"migrations of {_some(forked)}"] if forked else []
        what += [] if what else [f"{len(status.conflicts)} files"]
        detail = Phrase("The fork conflicts with %(target)s: %(what)s", target=status.target.ref, what="; ".join(what))
        return Outcome.FAIL, detail, Phrase("Bring it onto the target first, build that, and name it as head.")
    carried = [commit for commit in status.commits if commit.state is State.CARRIED]
    migrating = [commit.id[:10] for commit in carried if commit.migrations]
    if migrating:
        detail = Phrase(
            "Carried commits touch migrations: %(commits)s; whether the target has them is not known",
            commits=_some(migrating),
        )
        return Outcome.UNKNOWN, detail, ANSWER
    return (
        Outcome.PASS,
        Phrase("%(count)s carried commits go onto %(target)s", count=Figure(len(carried)), target=status.target.ref),
        Phrase(""),
    )


def _some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" (+{len(words) - SHOWN})" if len(words) > SHOWN else "")


def lines(reports: tuple[Report, ...]) -> Iterator[str]:
    """For a terminal."""
    for report in reports:
        if report.status is None:
            yield f"fork     {report.name}: {report.error.message if report.error else ''}"
            continue
        counts = report.status.counts
        yield (
            f"fork     {report.name}: {report.status.verdict.value}; carried {counts['carried']}, "
            f"to bring over {counts['to_bring_over']}, conflicting {counts['conflicting']}, "
            f"with migrations {counts['with_migrations']} ({shown_path(report.status.target.ref)})"
        )
