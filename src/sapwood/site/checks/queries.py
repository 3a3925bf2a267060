"""Which packs are installed, read from the metadata of their distributions; nothing of them is imported or run."""

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from sapwood.core.errors import SapwoodError
from sapwood.formats.canonical import sha256_hex
from sapwood.site.checks.conf import environment
from sapwood.site.checks.data import DATABASE, Pack, Safety

GROUP: Final = "sapwood.packs"
SAFETY_GROUP: Final = "sapwood.packs.safety"
NEEDS_GROUP: Final = "sapwood.packs.needs"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
MAX_WORDS: Final = 200


class PackError(SapwoodError):
    """A pack is not installed, or its metadata do not say what they must."""

    code = "checks.pack"


def find_packs(folder: Path | None = None) -> tuple[Pack, ...]:
    """Every pack of an environment, by id; raises PackError for metadata that do not say what they must."""
    place = folder or environment()
    found: dict[str, Pack] = {}
    for pack in _packs(place):
        if pack.id in found:
            raise PackError(f"Two packs are called {pack.id}", hint=f"Remove one of them from {place}.")
        found[pack.id] = pack
    return tuple(found[name] for name in sorted(found))


def require_packs(ids: Iterable[str], folder: Path | None = None) -> tuple[Pack, ...]:
    """These packs; raises PackError for one that is not installed."""
    wanted = tuple(ids)
    found = {pack.id: pack for pack in find_packs(folder)} if wanted else {}
    if missing := [name for name in wanted if name not in found]:
        raise PackError(
            f"The pack {missing[0]!a} is not installed in {folder or environment()}",
            hint="'sapwood checks list' shows what is there; the how-to on packs says how to install one.",
        )
    return tuple(found[name] for name in dict.fromkeys(wanted))


def _packs(place: Path) -> Iterator[Pack]:
    folders = [str(path) for path in sorted(place.glob("lib/python3*/site-packages"))]
    seen = set()
    for distribution in metadata.distributions(path=folders):
        points = distribution.entry_points
        names = distribution.metadata
        if not points.select(group=GROUP) or names["Name"] in seen:
            continue
        seen.add(names["Name"])
        for point in points.select(group=GROUP):
            if not _ID.fullmatch(point.name) or not _MODULE.fullmatch(point.value):
                raise PackError(
                    f"{names['Name']} names a pack as {point.name[:64]!a} = {point.value[:64]!a}",
                    hint="A pack is called by small letters, digits and dashes, and names a module.",
                )
            yield Pack(
                id=point.name,
                module=point.value,
                version=distribution.version,
                safety=_safety(points, point.name),
                owner=_owner(names),
                needs=_needs(points, point.name),
                sha256=sha256_hex((distribution.read_text("RECORD") or "").encode()),
                environment=place,
            )


def _safety(points: metadata.EntryPoints, name: str) -> Safety:
    """The highest class that a pack says it has; one that says nothing may do anything."""
    said = next((point.value for point in points.select(group=SAFETY_GROUP, name=name)), Safety.S4.value)
    try:
        return Safety(said)
    except ValueError:
        known = ", ".join(Safety)
        raise PackError(f"The pack {name} is of class {said[:20]!a}", hint=f"Its classes: {known}.") from None


def _needs(points: metadata.EntryPoints, name: str) -> tuple[str, ...]:
    said = tuple(point.value for point in points.select(group=NEEDS_GROUP, name=name))
    if unknown := [need for need in said if need != DATABASE]:
        raise PackError(f"The pack {name} needs {unknown[0][:64]!a}", hint=f"It may need: {DATABASE}.")
    return said


def _owner(names: metadata.PackageMetadata) -> str:
    fields = ("Maintainer-email", "Author-email", "Maintainer", "Author")
    return next((str(names[field]) for field in fields if field in names), "")[:MAX_WORDS]
