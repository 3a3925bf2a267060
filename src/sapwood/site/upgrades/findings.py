"""The reasons of a verdict for people: what has one cause is one finding, with everything that shows it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sapwood.console.phrases import say, say_noted
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.remedies import remedy
from sapwood.site.upgrades.suites import where

LOST, MISSING, UNREADABLE, UNSAVED, ORPHANED = "lost", "missing", "unreadable", "unsaved", "orphaned"
STALE, PACKS, ODD = "stale", "packs", "odd"
_KINDS: Final = {
    "models.lookup": LOST,
    "models.table": MISSING,
    "models.schema": MISSING,
    "models.read": UNREADABLE,
    "models.save": UNSAVED,
    "models.insert": UNSAVED,
    "models.orphans": ORPHANED,
    "contenttypes.stale": STALE,
}
MOST_LINES: Final = 200
# What the checks say, for the catalogue: they run where there is none.
DETAILS: Final = (
    Phrase("the column is not there"),
    Phrase("a column that no model knows needs a value"),
    Phrase("there is no row to copy"),
    Phrase("no other value can be made up"),
    Phrase("a child of another table"),
)


@dataclass(frozen=True)
class Line:
    """One thing that shows a finding: where, and what was seen (its language is English where nothing else is)."""

    where: str
    what: str
    check: str = ""


@dataclass(frozen=True)
class Finding:
    """One cause: what it is, why it matters, what to do, and every line that shows it."""

    title: str
    why: str
    remedy: str
    lines: tuple[Line, ...]
    statement: str = ""


def findings(report: Mapping[str, Any]) -> list[Finding]:
    """What speaks against the upgrade, the weightiest first; every reason of the report is in one of them."""
    failed = sorted(report["failures"], key=lambda row: (row["phase"] != "migrate", not row.get("half_done")))
    found = [_failure(row) for row in failed]
    wrong = [row for row in report["checks"] if row["verdict"] == "fail" and row.get("before") != "fail"]
    wrong = [row for row in wrong if not row.get("masked")]  # what is not known speaks against nothing
    grouped = _by_cause(wrong)
    found += [_checks(kind, grouped[kind]) for kind in dict.fromkeys((*_KINDS.values(), PACKS, ODD)) if kind in grouped]
    problems = report.get("problems", [])
    if problems:
        lines = tuple(Line(one["code"], one["message"]) for one in problems)
        found.append(Finding(_("Something stands in the way of the plan"), "", "", lines))
    said = {f"{one['code']}: {one['message']}" for one in problems}
    said |= {f"{where(row)}: {row['detail']}" for row in wrong}
    said |= {f"{row['phase']}: {_label(row)}{row['message']}" for row in failed}
    rest = tuple(Line("", line) for line in report["reasons"] if line not in said and not _held(line, failed))
    if rest and report["verdict"] != "go":
        found.append(Finding(_("What the verdict rests on besides") if found else _("What is not known"), "", "", rest))
    return list(dict.fromkeys(found))


def _held(line: str, failed: Iterable[Mapping[str, Any]]) -> bool:
    labels = [_label(row) for row in failed if row.get("held_back") or row.get("masked")]
    return any(line.startswith(label) for label in labels)


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['app']}.{row['name']}: " if row["app"] else ""


def _failure(row: Mapping[str, Any]) -> Finding:
    number = str(row["error_code"] or "")
    code = f" [{number}]" if number and number not in row["message"] else ""
    lines = (Line("" if row["app"] else row["phase"], f"{row['message']}{code}"),)
    name = f"{row['app']}.{row['name']}"
    if not row["app"]:
        title = _("A part of the rehearsal could not be run")
    elif row.get("held_back"):
        title = _("The migration %(name)s fails without what was held back") % {"name": name}
    elif row.get("masked"):
        title = _("The migration %(name)s fails on masked values") % {"name": name}
    elif row.get("half_done"):
        title = _("The migration %(name)s fails and leaves the database half converted") % {"name": name}
    else:
        title = _("The migration %(name)s fails") % {"name": name}
    why = _("Another migration had failed before it: this may be a consequence.") if row["after_failure"] else ""
    if row.get("masked"):
        why = _("With the real values it may do well. Rehearse without the mask where you may.")
    if row["phase"] == "migrate" and row["app"]:  # found again, because JSON holds it in English only
        half, held = bool(row.get("half_done")), bool(row.get("held_back"))
        then = say(remedy(row["error_code"], row["message"], half_done=half, held_back=held))
    else:
        then = say_noted(row["remedy"] or "")
    return Finding(title, why, then, lines, str(row["statement"] or ""))


def _by_cause(wrong: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Failed checks by kind; an error that names a column which is lost or missing belongs to that."""
    causes = {LOST: set[tuple[str, str]](), MISSING: set[tuple[str, str]]()}
    for row in wrong:
        kind = _KINDS.get(row["id"], ODD)
        if kind in causes:
            causes[kind].add((row["model"], row["field"]))
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in wrong:
        if row.get("pack"):
            grouped.setdefault(PACKS, []).append(row)
            continue
        kind, words = _KINDS.get(row["id"], ODD), re.findall(r"\w+", row["detail"])
        if kind in {UNREADABLE, UNSAVED}:
            kind = next(
                (one for one, known in causes.items() if known & {(row["model"], word) for word in words}), kind
            )
        grouped.setdefault(kind, []).append(row)
    return grouped


def _checks(kind: str, rows: Sequence[Mapping[str, Any]]) -> Finding:
    count = len({row["id"] if kind == PACKS else row["model"] for row in rows})
    title, why, then = _moved() if kind == STALE else _words(kind, count)
    late = any(row.get("after_failure") for row in rows)
    after = _("It was seen after a migration had failed, and may be a consequence of that.") if late else ""
    lines = tuple(
        Line(row["pack"] if row.get("pack") else where(row), row["detail"], row["id"]) for row in rows[:MOST_LINES]
    )
    return Finding(title % {"count": count}, " ".join(filter(None, [why, after])), then, lines)


def _words(kind: str, count: int) -> tuple[str, str, str]:
    if kind == LOST:
        return (
            ngettext(
                "Rows of %(count)s model are not found by their own value",
                "Rows of %(count)s models are not found by their own value",
                count,
            ),
            _("The migrations are green and the site would be broken: whatever looks for such a row gets nothing."),
            _(
                "Stay on a release that reads these columns, or have them converted: ask the maintainers of the"
                " package for a migration that does it, then rehearse again."
            ),
        )
    if kind == MISSING:
        return (
            ngettext(
                "The database lacks what %(count)s model needs",
                "The database lacks what %(count)s models need",
                count,
            ),
            _("Every page that uses these models would end in an error."),
            _("Look for a migration that was skipped, faked or failed, and at what a fork changed."),
        )
    if kind == UNREADABLE:
        return (
            ngettext("Rows of %(count)s model cannot be read", "Rows of %(count)s models cannot be read", count),
            _("Every page that uses these models would end in an error."),
            _("Compare the values of these columns with what the new release expects, then rehearse again."),
        )
    if kind == UNSAVED:
        return (
            ngettext("Rows of %(count)s model cannot be saved", "Rows of %(count)s models cannot be saved", count),
            _("People could read and not write: what they do there would be lost."),
            _("Compare the columns with what the new release writes, then rehearse again."),
        )
    if kind == ORPHANED:
        return (
            ngettext(
                "Rows of %(count)s model point at rows that are gone",
                "Rows of %(count)s models point at rows that are gone",
                count,
            ),
            "",
            _("Remove or repair these rows on the running site, then rehearse again."),
        )
    return _other_words(kind, count)


def _other_words(kind: str, count: int) -> tuple[str, str, str]:
    if kind == PACKS:
        return (
            ngettext("%(count)s check of a pack fails", "%(count)s checks of packs fail", count),
            _("The release was served on the copy, and answers otherwise than the pack asks for."),
            _("Ask the owner of the check what it means, then rehearse again."),
        )
    return (ngettext("A check of %(count)s model fails", "Checks of %(count)s models fail", count), "", "")


def _moved() -> tuple[str, str, str]:
    return (
        _("Grants and relations name a model that moved to another app"),
        _("People would lose what they were granted, and relations would lead nowhere."),
        _(
            "Ask the maintainers of the package for a migration that moves these rows along, or write one:"
            " RunPython over ContentType and Permission, before the state of the model moves."
        ),
    )
