"""Retraction: a signed word that a publication, or one revision of it, no longer stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from sapwood.formats.canonical import JSON
from sapwood.formats.errors import SchemaError
from sapwood.formats.phrase import Phrase
from sapwood.formats.publication import Publication, match_locale


@dataclass(frozen=True, kw_only=True)
class Retraction(Publication):
    """Takes back `retracts`: every revision of it, or only `retracts_revision`.

    It never deletes anything: a site's administrator is told, at once if it is urgent. `reason` is in the
    author's language; `reasons` are its translations.
    """

    constants: ClassVar[Mapping[str, JSON]] = {"type": "retraction", "version": 1}

    retracts: UUID
    reason: str
    retracts_revision: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    urgent: bool = False
    replaced_by: UUID | None = None

    def covers(self, uuid: UUID, revision: int) -> bool:
        """Whether it takes back this revision of this publication."""
        return uuid == self.retracts and self.retracts_revision in {None, revision}

    def reason_in(self, wanted: str | Iterable[str]) -> str:
        """The reason in the reader's language, or in the author's."""
        locale = match_locale(self.reasons, wanted)
        return self.reason if locale is None else self.reasons[locale]


def check_retraction(item: Retraction) -> None:
    """What the schema cannot say: it takes back something else than itself or its replacement."""
    if item.retracts in {item.uuid, item.replaced_by}:
        raise SchemaError(
            Phrase("The retraction takes back itself or its own replacement."),
            hint=Phrase("Correct retracts or replaced_by."),
            path="retracts",
        )
