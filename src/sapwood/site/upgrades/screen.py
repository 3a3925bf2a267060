"""Upgrades in the reader's language: words, levels and rows for pages; no HTML."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.console import figures
from sapwood.console.phrases import say_noted
from sapwood.site.upgrades.applying import BACK, FORWARD
from sapwood.site.upgrades.comparing import basis
from sapwood.site.upgrades.data import Side, Stage, Verdict
from sapwood.site.upgrades.findings import MOST_LINES, findings
from sapwood.site.upgrades.models import JournalLine, Kind, UpgradeRun
from sapwood.site.upgrades.report import slowest, timeline

VERDICTS: Final = {
    Verdict.GO: ("good", gettext_lazy("go")),
    Verdict.NO_GO: ("bad", gettext_lazy("no-go")),
    Verdict.UNKNOWN: ("unknown", gettext_lazy("unknown, which is no go")),
}
OUTCOMES: Final = {
    "pass": ("good", gettext_lazy("good")),
    "fail": ("bad", gettext_lazy("stands in the way")),
    "unknown": ("unknown", gettext_lazy("not known")),
    "waived": ("caution", gettext_lazy("waived")),
    "confirmed": ("caution", gettext_lazy("confirmed by a person")),
}
STAGES: Final = {
    Stage.RUNNING: ("info", gettext_lazy("running")),
    Stage.INTERRUPTED: ("bad", gettext_lazy("interrupted")),
    Stage.PAUSED: ("caution", gettext_lazy("paused, the site is open")),
    Stage.STOPPED: ("bad", gettext_lazy("stopped, somebody has to decide")),
    Stage.DONE: ("good", gettext_lazy("upgraded")),
    Stage.ROLLED_BACK: ("caution", gettext_lazy("taken back, the data are what they were")),
}
STEPS: Final = {
    "base_backup": gettext_lazy("Back up while the site is up"),
    "early": gettext_lazy("Run what the present release survives"),
    "maintenance_on": gettext_lazy("Close the site"),
    "stop": gettext_lazy("Stop the workers"),
    "quiet": gettext_lazy("Prove that nobody writes"),
    "final_backup": gettext_lazy("Back up again: the point of return"),
    "migrate": gettext_lazy("Migrate"),
    "switch": gettext_lazy("Switch to the new release"),
    "start": gettext_lazy("Start the new release"),
    "check": gettext_lazy("Check the rows of every model"),
    "maintenance_off": gettext_lazy("Open the site"),
    "back_maintenance_on": gettext_lazy("Keep the site closed"),
    "back_stop": gettext_lazy("Stop what runs"),
    "back_restore": gettext_lazy("Restore the backup and prove it equal"),
    "back_switch": gettext_lazy("Switch back to the old release"),
    "back_start": gettext_lazy("Start the old release"),
    "back_maintenance_off": gettext_lazy("Open the site"),
}
EVENTS: Final = {
    "begun": ("info", gettext_lazy("The upgrade began")),
    "resumed": ("info", gettext_lazy("Somebody had it go on")),
    "rollback_asked": ("caution", gettext_lazy("Somebody asked for the way back")),
    "paused": ("caution", gettext_lazy("It waits, with the site open")),
    "failed": ("bad", gettext_lazy("A step failed")),
    "stopped": ("bad", gettext_lazy("It stopped, and waits for a person")),
    "back": ("caution", gettext_lazy("The way back began")),
    "rolled_back": ("good", gettext_lazy("The way back ended, the data are equal")),
    "finished": ("good", gettext_lazy("The upgrade ended")),
    "migration_failed": ("bad", gettext_lazy("A migration failed")),
}
KINDS: Final = {
    Kind.LOOK: gettext_lazy("Looking at both releases"),
    Kind.REHEARSE: gettext_lazy("Rehearsing on a copy"),
    Kind.APPLY: gettext_lazy("Upgrading the site"),
    Kind.RESUME: gettext_lazy("Going on with the upgrade"),
    Kind.ROLLBACK: gettext_lazy("Taking the upgrade back"),
    Kind.PAUSE: gettext_lazy("Having the upgrade wait"),
}
# What a rehearsal says on its way: the beginning of its English line, and the words of the page.
LINES: Final = (
    ("reading both environments", gettext_lazy("Reading both environments")),
    ("reading what the columns mean", gettext_lazy("Reading what the columns mean")),
    ("copying the site", gettext_lazy("Copying the site")),
    ("copying", gettext_lazy("Copying the database")),
    ("sampling", gettext_lazy("Drawing samples of the rows")),
    ("rehearsing sample", gettext_lazy("Rehearsing on the next sample")),
    ("backing up the copy", gettext_lazy("Backing up the copy, as the button would")),
    ("running", gettext_lazy("Running Tutor's own steps on the copy")),
    ("masking", gettext_lazy("Masking personal data in the copy")),
    ("checking", gettext_lazy("Checking the rows of every model")),
    ("serving the application", gettext_lazy("Serving the application on the copy")),
    ("running the pack", gettext_lazy("Running the packs of checks")),
    ("measuring the way back", gettext_lazy("Measuring the way back")),
    ("looking whether", gettext_lazy("Looking whether it could begin")),
    ("holding the certificate", gettext_lazy("Holding the certificate against the site as it is now")),
)
MIGRATING: Final = re.compile(r"migrating (\S+) \((\d+) of (\d+)\)")
STILL: Final = re.compile(r"still migrating (\S+)")
WIZARD: Final = ("plan", "preflight", "rehearse", "certificate", "press")


def verdict(value: str) -> tuple[str, Any]:
    """Level and word."""
    return VERDICTS.get(Verdict(value), ("unknown", value)) if value else ("unknown", _("no verdict"))


def published(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the project measured of a plan's migrations, for a table."""
    return [
        {**row, "label": f"{row['app']}.{row['name']}", "time": figures.duration(row["seconds_per_million"])}
        for row in rows
    ]


def outcome(value: str) -> tuple[str, Any]:
    """Level and word of a look."""
    return OUTCOMES.get(value, ("unknown", value))


def stage(value: str) -> tuple[str, Any]:
    """Level and word of a run."""
    return STAGES.get(Stage(value), ("unknown", value))


def line(note: str) -> str:
    """Where long work is, from the English line that it said."""
    if found := MIGRATING.fullmatch(note):
        return _("Migrating %(name)s (%(number)s of %(total)s)") % {
            "name": found[1], "number": figures.number(int(found[2])), "total": figures.number(int(found[3])),
        }  # fmt: skip
    if found := STILL.fullmatch(note):
        return _("Still migrating %(name)s") % {"name": found[1]}
    return next((str(words) for start, words in LINES if note.startswith(start)), "")


def wizard(here: str, reached: set[str]) -> list[dict[str, Any]]:
    """The five steps: the one that the page is, and those that came out well."""
    titles = {
        "plan": _("Plan"),
        "preflight": _("Preflight"),
        "rehearse": _("Rehearse"),
        "certificate": _("Certificate"),
        "press": _("Press"),
    }
    states = {name: "current" if name == here else "done" if name in reached else "waiting" for name in WIZARD}
    return [{"title": titles[name], "state": state} for name, state in states.items()]


def subject_rows(subject: Any) -> list[tuple[Any, Sequence[str]]]:
    """What the subject file says that is run: shown, and changed nowhere here."""
    rows: list[tuple[Any, Sequence[str]]] = [(_("File"), [str(subject.path)])]
    for words, side in ((_("Present release"), subject.current), (_("New release"), subject.target)):
        rows.append((words, _side(side)))
    rows.append((_("What a new release means"), _side(subject.automatic) if subject.automatic else []))
    rows.append((_("Paths of code"), [str(path) for path in subject.pythonpath]))
    rows.append((_("Packs of tests"), list(subject.packs)))
    rows.append((_("Address of the site"), [subject.base_url]))
    hooks = [f"{name}: {' '.join(hook.argv)}" for name, hook in subject.hooks.items()]
    return [(words, values) for words, values in [*rows, (_("Hooks"), hooks)] if any(values)]


def _side(side: Side) -> list[str]:
    return [str(side.tutor or side.python or " ".join(side.requirements)), side.settings]


def report(document: Mapping[str, Any]) -> dict[str, Any]:
    """A rehearsal's report for its page."""
    ran = [row for row in document["migrations"] if row.get("seconds")]
    checks = document["checks"]
    return {
        "downtime": document["predicted_downtime_s"],
        "way_back": document["predicted_rollback_s"],
        "picture": slowest(ran) if ran else None,
        "failures": document["failures"],
        "wrong": [row for row in checks if row["verdict"] == "fail"][:MOST_LINES],
        "passed": sum(row["verdict"] == "pass" for row in checks),
        "untested": document["untested"],
        "early": document["early"],
        "postponable": document["postponable"],
        "count": len(document["migrations"]),
        "size": document["shadow"]["bytes"],
        "technique": document["shadow_technique"],
        "isolated": document["isolation"] in {"namespaces", "containers"},
        "masked": [f"{row['table']}.{row['column']}" for row in (document.get("masking") or {}).get("columns", [])],
        "timeline": timeline(document["steps"]) if document.get("steps") else None,
        "findings": findings(document),
        "basis": basis(document),
    }


def steps(lines: Sequence[JournalLine], *, under_way: bool) -> list[dict[str, Any]]:
    """Every step of a run in order with its state: forward, and the way back if there was one."""
    started = [str(one.details["step"]) for one in lines if one.event == "started"]
    done = {str(one.details["step"]) for one in lines if one.event == "done"}
    back = next((one for one in reversed(lines) if one.event == "back"), None)
    names = [name for name in FORWARD if back is None or name in started]
    names += [name for name in BACK if back is not None and (name in started or under_way)]
    last = started[-1] if started else ""
    found = []
    for name in names:
        state = "waiting"
        if name in done:
            state = "done"
        elif name == last:
            state = "current" if under_way else "failed"
        elif name in started:
            state = "failed"
        found.append({"title": STEPS[name], "state": state})
    return found


def events(lines: Sequence[JournalLine]) -> list[dict[str, Any]]:
    """The journal as people read it, newest first."""
    rows: list[dict[str, Any]] = []
    done = {one.details.get("step"): one.seq for one in lines if one.event == "done"}
    for one in reversed(lines):
        step = STEPS.get(str(one.details.get("step", "")), "")
        label = str(one.details.get("label", ""))
        if one.event in EVENTS:
            level, title = EVENTS[one.event]
            text = str(one.details.get("message") or one.details.get("why") or one.details.get("lost") or "")
            rows.append({"at": one.at, "title": title, "level": level, "text": say_noted(text) or label})
        elif one.event == "done":
            took = figures.duration(float(one.details.get("seconds", 0)))
            rows.append({"at": one.at, "title": _("Done: %(step)s, in %(time)s") % {"step": step, "time": took}})
        elif one.event == "started" and done.get(one.details.get("step"), 0) < one.seq:
            rows.append({"at": one.at, "title": step})
        elif one.event == "migration_done":
            rows.append({"at": one.at, "title": _("Migrated %(name)s") % {"name": label}})
        elif one.event == "command_done":
            name, took = str(one.details["command"]), figures.duration(float(one.details.get("seconds", 0)))
            rows.append({"at": one.at, "title": _("Ran %(name)s, in %(time)s") % {"name": name, "time": took}})
    return rows


def lost(lines: Sequence[JournalLine], *, to_base: bool = False) -> Any:
    """Since when what was written would be lost by a way back; None where nothing would."""
    for one in reversed(lines):
        if one.event == "rolled_back":
            break
        if one.event == "started" and one.details.get("step") == "maintenance_off":
            return one.at
    if to_base:
        return next((one.at for one in lines if one.event == "done" and one.details.get("step") == "base_backup"), None)
    return None


def compared(run: UpgradeRun) -> dict[str, Any]:
    """A run for the history: predicted against actual."""
    level, word = stage(run.stage)
    return {
        "run": run,
        "level": level,
        "word": word,
        "foretold": run.predicted_downtime,
        "back": run.predicted_rollback,
    }
