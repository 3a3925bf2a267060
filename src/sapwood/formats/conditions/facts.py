"""How a condition's dotted name finds a fact of a site: there, known to be absent, or not known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name

from sapwood.formats.canonical import JSON, shorten
from sapwood.formats.errors import VersionRangeError
from sapwood.formats.logic import Answer
from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.formats.versions import DistributionVersion, parse_version

PLUGINS: Final = "plugins."
MOST_WHY: Final = 200
# A site may state its release under several names: what was inferred goes before what it declares, and the
# bare line is better than nothing.
_OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "release": ("release", "inferred_release", "declared_release", "inferred_line"),
    "locale": ("locale", "languages"),
    "language": ("language", "languages"),
}


@dataclass(frozen=True)
class Fact:
    """A fact that was looked up: whether the site has it, its value if known, and if not, why not."""

    there: Answer
    value: JSON = None
    why: Phrase = NO_WORDS


def look_up(facts: Mapping[str, JSON], name: str) -> Fact:
    """Find a fact by its dotted name. Never raises; what the site does not state is not known."""
    if name.startswith(PLUGINS):
        return _plugin(facts, name.removeprefix(PLUGINS))
    for other in _OTHER_NAMES.get(name, (name,)):
        value = _walk(facts, other.split("."))
        if value is not None:
            return Fact(Answer.YES, value)
    if name == "line":
        return _line(facts)
    return _not_stated(facts, name)


def _walk(value: JSON, steps: list[str]) -> JSON:
    """The value at these steps, where a key may itself hold dots; the longest key wins."""
    if not steps:
        return value
    if isinstance(value, Mapping):
        for length in range(len(steps), 0, -1):
            key = ".".join(steps[:length])
            if key in value:
                return _walk(value[key], steps[length:])
    return None


def _plugin(facts: Mapping[str, JSON], name: str) -> Fact:
    """A plugin's version. Names compare as Python packages do: `tutor-mfe` is `tutor_mfe`."""
    plugins = facts.get("plugins")
    if isinstance(plugins, Mapping):
        found = {canonicalize_name(str(key)): version for key, version in plugins.items()}
    elif isinstance(plugins, list | tuple):
        rows = [row for row in plugins if isinstance(row, Mapping) and isinstance(row.get("name"), str)]
        found = {canonicalize_name(row["name"]): row.get("version") for row in rows}
        if len(rows) < len(plugins):
            return Fact(Answer.UNKNOWN, why=Phrase("this site's list of plugins cannot be read"))
    else:
        return _not_stated(facts, "plugins")
    wanted = canonicalize_name(name)
    if wanted not in found:
        return Fact(Answer.NO)
    version = found[wanted]
    if version is None:
        return Fact(Answer.YES, why=Phrase("the version of %(name)s is not known", name=shorten(name)))
    return Fact(Answer.YES, version)


def _line(facts: Mapping[str, JSON]) -> Fact:
    """The line of the site's release, if the site does not state it apart."""
    release = look_up(facts, "release")
    if isinstance(release.value, str):
        try:
            ref = parse_version(release.value)
        except VersionRangeError:
            return Fact(Answer.UNKNOWN, why=Phrase("the line of %(name)s is not known", name=shorten(release.value)))
        if not isinstance(ref, DistributionVersion):
            return Fact(Answer.YES, ref.line)
    return _not_stated(facts, "line")


def _not_stated(facts: Mapping[str, JSON], name: str) -> Fact:
    """Unknown, with the reason that the site itself gives, if it does."""
    reasons = facts.get("why")
    own = reasons.get(name) if isinstance(reasons, Mapping) else None
    if not isinstance(own, str):
        return Fact(Answer.UNKNOWN, why=Phrase("this site does not state %(name)s", name=shorten(name)))
    because = own if len(own) <= MOST_WHY else own[:MOST_WHY]
    return Fact(
        Answer.UNKNOWN,
        why=Phrase("this site does not state %(name)s: %(because)s", name=shorten(name), because=because),
    )
