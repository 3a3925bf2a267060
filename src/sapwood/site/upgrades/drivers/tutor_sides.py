"""What a Tutor said, held to the shapes that may be shown, and two Tutors side by side."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sapwood.formats.catalogue import Catalogue
from sapwood.formats.exposure import Leg
from sapwood.formats.sitefacts import SiteFacts
from sapwood.site.upgrades.data import Subject
from sapwood.site.upgrades.drivers.inside_tutor import HARMLESS
from sapwood.site.upgrades.drivers.running import InsideError

VERSION: Final = re.compile(r"[0-9][0-9A-Za-z.+-]{0,40}\Z")
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,79}\Z")
REF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,119}\Z")
IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]{0,250}(?:@sha256:[0-9a-f]{64})?\Z")
PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
PIN: Final = re.compile(r"[A-Za-z0-9 ._,<>=!~()+-]{1,200}\Z")
MOST: Final = 2000


@dataclass(frozen=True)
class Tutor:
    """One Tutor and what it would do with the root. `upgrade` is what its steps from an older release would call."""

    program: Path
    version: str
    release: str
    pinned: str
    enabled: tuple[str, ...]
    loaded: tuple[str, ...]
    plugins: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Mapping[str, Any]]
    chosen: tuple[str, ...]
    images: Mapping[str, str]
    runs: Mapping[str, bool]
    build: tuple[str, ...]
    places: frozenset[str]
    own_patches: tuple[str, ...]
    init: tuple[Mapping[str, Any], ...]
    upgrade: Mapping[str, Any] | None
    project: str = "tutor_local"
    generated: tuple[str, ...] = ()  # settings whose values Tutor makes up where config.yml has none

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any], *, program: Path) -> "Tutor":
        """Take an answer by allow-list: plugins of the site had a say in it."""
        try:
            upgrade = answer["upgrade"]
            return cls(
                program=program,
                version=_one(answer["tutor"], VERSION),
                release=_one(answer["release"], NAME),
                pinned=str(answer["ref"]).rpartition("/")[2] if REF.match(str(answer["ref"])) else "",
                enabled=_all(answer["enabled"], NAME),
                loaded=_all(answer["loaded"], NAME),
                plugins={
                    name: {
                        "version": one["version"] if VERSION.match(str(one["version"])) else None,
                        "pins": list(_all(one["pins"], PIN)),
                    }
                    for name, one in answer["plugins"].items()
                    if NAME.match(name)
                },
                settings={name: _setting(one) for name, one in answer["settings"].items() if NAME.match(name)},
                chosen=_all(answer["chosen"], NAME),
                images={
                    name: str(image)
                    for name, image in answer["images"].items()
                    if NAME.match(name) and IMAGE.match(image)
                },
                runs={name: bool(on) for name, on in answer["runs"].items() if NAME.match(name)},
                build=_all(answer["build"], NAME),
                places=frozenset(_all(answer["places"], NAME)),
                own_patches=_all(answer["own_patches"], NAME),
                init=tuple(_call(one) for one in answer["init"][:MOST]),
                upgrade=None
                if upgrade is None
                else {
                    "known": bool(upgrade["known"]),
                    "steps": [_call(one) for one in upgrade["steps"][:MOST]],
                    "notes": [" ".join(str(note).split())[:500] for note in upgrade["notes"][:MOST]],
                },
                project=_one(answer.get("project", "tutor_local"), PROJECT),
                generated=_all(answer.get("generated", []), NAME),
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            raise InsideError(f"{program} answered something unreadable", hint="Report this.") from None

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for the plan and its digest: nothing that changes from one look to the next."""
        return {
            "tutor": self.version,
            "release": self.release,
            "pinned": self.pinned,
            "plugins": {name: dict(one) for name, one in sorted(self.plugins.items()) if name in self.enabled},
            "images": dict(sorted(self.images.items())),
            "runs": dict(sorted(self.runs.items())),
            "init": [dict(one) for one in self.init],
        }


@dataclass(frozen=True)
class Hop:
    """A hop of the path, the Tutor that installs where it leads, and what that one's steps from `origin` would call."""

    leg: Leg
    tutor: Tutor | None
    upgrade: Mapping[str, Any] | None = None
    origin: str = ""

    def source(self, current: Tutor, before: Iterable["Hop"]) -> str:
        """The release from which this hop's Tutor finds the site: that of the last Tutor that ran."""
        return [current.release, *(hop.tutor.release for hop in before if hop.tutor)][-1]


@dataclass(frozen=True)
class Seen:
    """Everything that was looked at for one plan."""

    subject: Subject
    facts: SiteFacts
    catalogue: Catalogue
    start: str
    goal: str
    legs: tuple[Leg, ...]
    path_why: str
    current: Tutor
    target: Tutor
    via: tuple[Tutor, ...]
    hops: tuple[Hop, ...]
    bumped: bool
    config_sha256: str
    no_engine: str
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.subject.root or Path())


def difference(before: Tutor, after: Tutor) -> dict[str, list[dict[str, Any]]]:
    """Settings that one Tutor has and the other has not, and defaults that differ; values where they are public."""
    old, new = before.settings, after.settings
    chosen = set(before.chosen)

    def row(name: str, **values: Any) -> dict[str, Any]:
        shown = {key: value for key, value in values.items() if value is not None}
        return {"name": name, "set_in_config": name in chosen, **shown}

    return {
        "added": [row(name, after=new[name].get("value")) for name in sorted(new) if name not in old],
        "removed": [row(name, before=old[name].get("value")) for name in sorted(old) if name not in new],
        "changed": [
            row(name, before=old[name].get("value"), after=new[name].get("value"))
            for name in sorted(new)
            if name in old and old[name]["mark"] != new[name]["mark"]
        ],
    }


def _one(value: object, shape: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not shape.match(value):
        raise ValueError
    return value


def _all(values: object, shape: re.Pattern[str]) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError
    return tuple(value for value in values[:MOST] if isinstance(value, str) and shape.match(value))


def _setting(one: Mapping[str, Any]) -> dict[str, Any]:
    value = one.get("value")
    plain = isinstance(value, bool | int) or (isinstance(value, str) and HARMLESS.match(value))
    return {"mark": str(one["mark"])[:64], **({"value": value} if plain else {})}


def _call(one: Mapping[str, Any]) -> dict[str, Any]:
    """A call of the container engine, or a part of the initialisation."""
    found: dict[str, Any] = {}
    for name, shape in (("verb", NAME), ("service", NAME), ("image", IMAGE), ("mongodb_level", VERSION)):
        value = one.get(name)
        if isinstance(value, str) and shape.match(value):
            found[name] = value
    manage = [text for text in one.get("manage", ()) if re.fullmatch(r"(?:lms|cms) [a-z_0-9]{2,60}", str(text))]
    return found | ({"manage": manage} if manage else {}) | ({"moves": True} if one.get("moves") is True else {})
