"""Exposure in the reader's language, for panel, page and needs: words and figures, no HTML."""

from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from sapwood.console import charts, figures
from sapwood.formats.exposure import Applied, Exposure, Leg, State, Threat
from sapwood.formats.sitefacts import SiteFacts

RATINGS = {
    "critical": gettext_lazy("critical"),
    "high": gettext_lazy("high"),
    "medium": gettext_lazy("medium"),
    "low": gettext_lazy("low"),
    "none": gettext_lazy("none"),
}
LEVELS = {"critical": "bad", "high": "bad", "medium": "caution", "low": "info", "none": "info"}
WHENS = {
    "before": gettext_lazy("before, still on the old release"),
    "during": gettext_lazy("during the upgrade"),
    "after": gettext_lazy("after the upgrade"),
}
HARMS = {
    "blocks": gettext_lazy("stops the upgrade"),
    "data-loss": gettext_lazy("loses or exposes data"),
    "downtime": gettext_lazy("costs time"),
    "behaviour": gettext_lazy("changes behaviour"),
}
HARM_LEVELS = {"blocks": "bad", "data-loss": "bad", "downtime": "caution", "behaviour": "info"}
AUTOMATION = {
    "manual": gettext_lazy("by hand"),
    "distribution": gettext_lazy("done by the installer"),
    "distribution-local": gettext_lazy("done by the installer, except on Kubernetes"),
}

FACTS = {
    "branches": gettext_lazy("Branches"),
    "build": gettext_lazy("Build"),
    "components": gettext_lazy("Other services"),
    "database": gettext_lazy("Database"),
    "database.engine": gettext_lazy("Database: engine"),
    "database.host_kind": gettext_lazy("Database: who runs it"),
    "database.version": gettext_lazy("Database: version"),
    "declared_release": gettext_lazy("Declared release"),
    "deployment.orchestrator": gettext_lazy("Docker or Kubernetes"),
    "distribution": gettext_lazy("Installed by"),
    "host.python": gettext_lazy("Python of the installer"),
    "images": gettext_lazy("Images"),
    "inferred_release": gettext_lazy("Inferred release"),
    "languages": gettext_lazy("Languages"),
    "patches": gettext_lazy("Patches"),
    "patches.commit": gettext_lazy("Patches: commits"),
    "patches.environment": gettext_lazy("Patches: of plugins"),
    "plugins": gettext_lazy("Plugins"),
    "site_count": gettext_lazy("Number of sites"),
    "tutor_version": gettext_lazy("Version of Tutor"),
}
FIELDS = {
    "custom_image": gettext_lazy("own image"),
    "engine": gettext_lazy("engine"),
    "host_kind": gettext_lazy("run by"),
    "kind": gettext_lazy("kind"),
    "line": gettext_lazy("line"),
    "mounted": gettext_lazy("mounted"),
    "name": gettext_lazy("name"),
    "ref": gettext_lazy("ref"),
    "repository": gettext_lazy("repository"),
    "search": gettext_lazy("search"),
    "version": gettext_lazy("version"),
}
VALUES = {
    "branch": gettext_lazy("branch"),
    "bundled": gettext_lazy("the installer"),
    "commit": gettext_lazy("commit"),
    "environment": gettext_lazy("environment"),
    "external": gettext_lazy("somebody else"),
    "fork": gettext_lazy("fork"),
    "tag": gettext_lazy("tag"),
    "True": gettext_lazy("yes"),
    "False": gettext_lazy("no"),
}
WORDED = ("host_kind", "kind", "mounted", "custom_image")  # fields whose values are words, not names
SHOWN = ("distribution", "build", "database", "components", "languages", "plugins", "images", "patches")


@dataclass(frozen=True)
class Standing:
    """The release and its support in a few words, with the status level that fits."""

    name: str
    level: str
    words: str
    sentence: str


def standing(found: Exposure) -> Standing:
    """Where the site stands."""
    line = found.standing.line
    if line is None:
        words = _("release unknown")
        return Standing("", "unknown", words, _("It is not known which release this site runs."))
    name = found.standing.name or line.name
    until = found.support.until
    if found.support.supported is None:
        words = _("support unknown: the catalogue is too old")
        level = "unknown"
    elif found.support.supported:
        words = _("supported")
        if until:
            words = _("supported until %(day)s") % {"day": figures.day(until)}
        level = "good"
    else:
        words = _("unsupported since %(day)s") % {"day": figures.day(until)} if until else _("unsupported")
        level = "bad"
    sentence = _("You run %(release)s: %(support)s.") % {"release": name, "support": words}
    return Standing(name, level, words, sentence)


def planned_end(found: Exposure) -> str:
    """When the next line is planned to end this one's support; empty when nobody said."""
    end = found.support.planned_end
    if not end:
        return ""
    if figures.is_month(end):
        words = _("The next line, which ends this one's support, is planned for %(month)s.")
        return words % {"month": figures.planned(end)}
    words = _("The next line, which ends this one's support, is planned for %(day)s.")
    return words % {"day": figures.planned(end)}


def exposed(found: Exposure) -> str:
    """How many fixes are missing and since when, in one sentence; empty when none is."""
    count = len(found.advisories)
    if not count:
        return ""
    longest = max(threat.days_exposed for threat in found.advisories)
    days = ngettext("%(n)s day", "%(n)s days", longest) % {"n": figures.number(longest)}
    text = ngettext(
        "Security: one fix affects you, public since %(days)s",
        "Security: %(n)s fixes affect you, the oldest public since %(days)s",
        count,
    )
    return text % {"n": figures.number(count), "days": days}


def worst(found: Exposure) -> str:
    """The highest severity among the fixes that are missing; an unrated one counts as medium."""
    ranks = ["critical", "high", "medium", "low"]
    ratings = [threat.advisory.rating or "medium" for threat in found.advisories]
    return next((rank for rank in ranks if rank in ratings), "low")


def path_words(found: Exposure) -> str:
    """The path's figures in one line."""
    if not found.path:
        return ""
    sure, unsure = found.count(State.YES), found.count(State.UNKNOWN)
    hops, by_hand = len(found.path), unsure["steps"] + unsure["risks"]
    parts = [
        ngettext("%(n)s hop", "%(n)s hops", hops) % {"n": figures.number(hops)},
        ngettext("%(n)s step", "%(n)s steps", sure["steps"]) % {"n": figures.number(sure["steps"])},
        ngettext("%(n)s risk applies", "%(n)s risks apply", sure["risks"]) % {"n": figures.number(sure["risks"])},
    ]
    if by_hand:
        parts.append(
            ngettext("%(n)s to check by hand", "%(n)s to check by hand", by_hand) % {"n": figures.number(by_hand)}
        )
    return " · ".join(parts)


def path_picture(found: Exposure) -> Any:
    """The way as a picture; None when there is none."""
    if not found.path:
        return None
    stops = [charts.Hop(found.path[0].hop.start, here=True, note=found.standing.name or "")]
    for leg in found.path:
        steps = sum(item.state is State.YES for item in leg.steps)
        risks = sum(item.state is State.YES for item in leg.risks)
        release = leg.hop.release if leg.hop.release != leg.hop.end else ""
        stops.append(charts.Hop(leg.hop.end, steps=steps, risks=risks, note=release or ""))
    return charts.release_path(_("The way to the newest supported release"), stops)


def threat_row(threat: Threat) -> dict[str, Any]:
    """An advisory for a table."""
    advisory = threat.advisory
    fixed = advisory.fixed_in
    places = [*fixed.tags, *[f"{name} {version}" for name, version in fixed.distributions.items()]]
    return {
        "id": advisory.id,
        "cve": advisory.cve,
        "title": advisory.title,
        "level": LEVELS.get(advisory.rating or "", "unknown"),
        "rating": RATINGS.get(advisory.rating or "", _("not rated")),
        "days": threat.days_exposed,
        "disclosed": advisory.disclosed,
        "fixed_in": places,
        "branch": fixed.branch,
        "why": threat.why,
    }


def leg_section(leg: Leg) -> dict[str, Any]:
    """A hop of the path for the page: what applies first, then what to check by hand."""
    parts = [_part(item) for item in (*leg.steps, *leg.risks)]
    return {
        "start": leg.hop.start,
        "end": leg.hop.end,
        "release": leg.hop.release,
        "point": leg.hop.kind == "point",
        "steps": [part for part in parts if part["sure"] and part["when"]],
        "risks": [part for part in parts if part["sure"] and part["harm"]],
        "unsure": [part for part in parts if not part["sure"]],
        "left_out": leg.left_out,
    }


def _part(item: Applied) -> dict[str, Any]:
    part = item.part
    when, harm = getattr(part, "when", ""), getattr(part, "severity", "")
    automation = getattr(part, "automation", "")
    return {
        "id": part.id,
        "title": part.title,
        "detail": part.detail,
        "sure": item.state is State.YES,
        "condition": part.applies.words,
        "when": WHENS.get(when, when),
        "harm": HARMS.get(harm, harm),
        "level": HARM_LEVELS.get(harm, "info"),
        "automation": AUTOMATION.get(automation, automation),
    }


def fact_name(path: str) -> Any:
    """What a fact is called; one of a single plugin or patch carries its name."""
    kind, _dot, rest = path.partition(".")
    if kind == "plugins" and rest.endswith(".version"):
        return _("Plugin %(name)s: version") % {"name": rest.removesuffix(".version")}
    if kind == "patches" and path not in FACTS:
        return _("Patches: %(name)s") % {"name": rest}
    return FACTS.get(path, path)


def fact_rows(facts: SiteFacts) -> list[tuple[Any, SafeString]]:
    """The plain facts for a list: the name of each, and its parts as words."""
    data = facts.to_dict()
    semicolon = _("%(one)s; %(other)s") % {"one": "", "other": ""}
    rows = ((name, ((part,) for part in _parts(data[name]))) for name in SHOWN if data.get(name))
    return [(fact_name(name), format_html_join(semicolon, "{}", parts)) for name, parts in rows]


def _parts(value: Any) -> list[SafeString]:
    if isinstance(value, list):
        return [_part_of(item) for item in value]
    return [format_html("{} {}", FIELDS.get(key, key), _shown(key, item)) for key, item in value.items() if _told(item)]


def _part_of(item: Any) -> SafeString:
    if not isinstance(item, dict):
        return _identifier(item)
    return format_html_join(" ", "{}", ((_shown(key, part),) for key, part in item.items() if _told(part)))


def _shown(key: str, value: Any) -> SafeString:
    if isinstance(value, dict):
        pairs = ((FIELDS.get(name, name), _shown(name, item)) for name, item in value.items() if _told(item))
        return format_html_join(_("%(one)s, %(other)s") % {"one": "", "other": ""}, "{} {}", pairs)
    if key in WORDED and str(value) in VALUES:
        return format_html("{}", VALUES[str(value)])
    return _identifier(value)


def _identifier(value: Any) -> SafeString:
    return format_html('<bdi dir="ltr">{}</bdi>', value)


def _told(value: Any) -> bool:
    return value not in (None, "", [], {})
