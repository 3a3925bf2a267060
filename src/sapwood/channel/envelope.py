"""What the channel reads of a document: enough to put it where it belongs. The rest is other modules' business."""

from dataclasses import dataclass
from uuid import UUID

from sapwood.formats.documents import Document, parse_document
from sapwood.formats.errors import FormatError, SchemaError
from sapwood.formats.phrase import Phrase


@dataclass(frozen=True)
class Envelope:
    """The parts that every publication has."""

    type: str
    uuid: str
    revision: int
    channel: str
    document: Document


def read_envelope(raw: bytes) -> Envelope:
    """Validate a document whole and return its envelope; raises FormatError."""
    document = parse_document(raw)
    data = document.to_dict()
    missing = [name for name in ("type", "uuid", "revision", "channel") if name not in data]
    if missing:
        raise SchemaError(
            Phrase("The document cannot be published: it has no %(missing)s.", missing=_none_of(missing)),
            hint=Phrase("Only documents with a uuid, a revision and a channel travel on a channel."),
        )
    revision = data["revision"]
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision < 10**9:
        raise SchemaError(
            Phrase("The document's revision is not a whole number from 1 on."), hint=Phrase("Count revisions from 1.")
        )
    try:
        uuid = str(UUID(str(data["uuid"])))
    except ValueError as error:
        raise SchemaError(
            Phrase("The document's uuid is not a UUID."), hint=Phrase("Write it as 8-4-4-4-12 hexadecimal digits.")
        ) from error
    return Envelope(str(data["type"]), uuid, revision, str(data["channel"]), document)


def _none_of(names: list[str]) -> Phrase:
    return Phrase.linked(names, lambda one, other: Phrase("%(one)s and no %(other)s", one=one, other=other))


__all__ = ["Envelope", "FormatError", "read_envelope"]
