"""What is known about one installation: a flat document of facts, each known, or null with a reason.

Facts hold names, versions and counts only. Host names, addresses and anything secret have no place here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.canonical import strict_json
from sapwood.formats.errors import FormatError
from sapwood.formats.phrase import Phrase

TYPE = "sitefacts"
VERSION = 1
MAX_BYTES = 1024 * 1024
MAX_ITEMS = 2000


class UnreadableFactsError(FormatError):
    """A facts document has a field that cannot be read."""

    code = "sitefacts.unreadable"


@dataclass(frozen=True)
class Plugin:
    """An extension that is switched on; its version may be unknown."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class SiteFacts:
    """The facts of one installation. None means unknown; `why` says why, by the fact's path.

    `distribution` names what installed the site (an installer, a package) with its version. A field named
    `<distribution>_version` at the top of the document says the same and is kept in `extra`.
    """

    declared_release: str | None = None
    inferred_release: str | None = None
    inferred_line: str | None = None
    distribution: tuple[str, str | None] | None = None
    build: Mapping[str, Any] | None = None
    mismatches: tuple[Mapping[str, Any], ...] = ()
    plugins: tuple[Plugin, ...] | None = None
    database: Mapping[str, Any] = field(default_factory=dict)
    components: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, Any] | None = None
    branches: Mapping[str, Any] | None = None
    patches: tuple[Mapping[str, Any], ...] | None = None
    languages: tuple[str, ...] | None = None
    site_count: int | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: object) -> "SiteFacts":
        """Read facts; every field may be missing. Raises UnreadableFactsError for one of a wrong kind."""
        if not isinstance(data, Mapping):
            raise _wrong(Phrase("the document"), Phrase("expected an object"))
        rest = dict(data)
        if rest.pop("type", TYPE) != TYPE:
            raise _wrong("type", Phrase("expected %(type)s", type=TYPE))
        if rest.pop("version", VERSION) != VERSION:
            raise _wrong("version", Phrase("this program reads version %(version)s", version=VERSION))
        count = rest.pop("site_count", None)
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
            raise _wrong("site_count", Phrase("expected a count or null"))
        return cls(
            declared_release=_text(rest, "declared_release"),
            inferred_release=_text(rest, "inferred_release"),
            inferred_line=_text(rest, "inferred_line"),
            distribution=_distribution(rest.pop("distribution", None)),
            build=_object(rest, "build") or None,
            mismatches=_objects(rest, "mismatches") or (),
            plugins=_plugins(rest.pop("plugins", None)),
            database=_object(rest, "database"),
            components=_object(rest, "components"),
            images=_object(rest, "images") or None,
            branches=_object(rest, "branches") or None,
            patches=_objects(rest, "patches"),
            languages=_texts(rest, "languages"),
            site_count=count,
            why={str(name): _words(reason) for name, reason in _object(rest, "why").items()},
            extra=rest,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> "SiteFacts":
        """Read facts from the bytes of a JSON document. Raises FormatError."""
        return cls.from_dict(strict_json(raw, MAX_BYTES))

    def to_dict(self) -> dict[str, Any]:
        """As JSON; every known field is written, null where unknown."""
        name, version = self.distribution or (None, None)
        return {
            "type": TYPE,
            "version": VERSION,
            **self.extra,
            "distribution": {"name": name, "version": version} if self.distribution else None,
            "declared_release": self.declared_release,
            "inferred_release": self.inferred_release,
            "inferred_line": self.inferred_line,
            "build": dict(self.build) if self.build else None,
            "mismatches": [dict(item) for item in self.mismatches],
            "plugins": _listed(self.plugins, lambda item: {"name": item.name, "version": item.version}),
            "database": dict(self.database),
            "components": dict(self.components),
            "images": dict(self.images) if self.images else None,
            "branches": dict(self.branches) if self.branches else None,
            "patches": _listed(self.patches, dict),
            "languages": _listed(self.languages, str),
            "site_count": self.site_count,
            "why": dict(self.why),
        }

    def distribution_version(self, name: str) -> str | None:
        """The version of a distribution, when it is the one that this site uses."""
        if self.distribution and self.distribution[0] == name:
            return self.distribution[1]
        value = self.extra.get(f"{name}_version")
        return value if isinstance(value, str) else None


def _wrong(where: str, problem: Phrase) -> UnreadableFactsError:
    return UnreadableFactsError(
        Phrase("The facts cannot be read at %(where)s: %(problem)s", where=where, problem=problem),
        hint=Phrase("Correct that field."),
    )


def _words(value: object) -> str:
    """A reason as text; one of our own stays the phrase that it is."""
    return value if isinstance(value, str) else str(value)


def _listed(items: Sequence[Any] | None, write: Any) -> list[Any] | None:
    return None if items is None else [write(item) for item in items]


def _text(rest: dict[str, Any], name: str) -> str | None:
    value = rest.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise _wrong(name, Phrase("expected text or null"))
    return value or None


def _object(rest: dict[str, Any], name: str) -> dict[str, Any]:
    value = rest.pop(name, None)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(name, Phrase("expected an object or null"))
    return dict(value)


def _objects(rest: dict[str, Any], name: str) -> tuple[dict[str, Any], ...] | None:
    value = rest.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _wrong(name, Phrase("expected a list of at most %(n)s", n=MAX_ITEMS))
    return tuple(item if isinstance(item, dict) else {"message": _words(item)} for item in value)


def _texts(rest: dict[str, Any], name: str) -> tuple[str, ...] | None:
    value = rest.pop(name, None)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, Phrase("expected a list of texts or null"))
    return tuple(value)


def _distribution(value: object) -> tuple[str, str | None] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        raise _wrong("distribution", Phrase("expected {name, version} or null"))
    version = value.get("version")
    if version is not None and not isinstance(version, str):
        raise _wrong("distribution.version", Phrase("expected text or null"))
    return value["name"], version


def _plugins(value: object) -> tuple[Plugin, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _wrong("plugins", Phrase("expected a list of at most %(n)s", n=MAX_ITEMS))
    plugins = []
    for index, item in enumerate(value):
        name = item.get("name") if isinstance(item, Mapping) else item
        version = item.get("version") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not (version is None or isinstance(version, str)):
            raise _wrong(f"plugins[{index}]", Phrase("expected {name, version}"))
        plugins.append(Plugin(name, version))
    return tuple(plugins)
