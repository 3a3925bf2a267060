"""The one root of every error that Sapwood raises on purpose, and the errors of reading a document.

Every door (web page, REST, command line, task) catches `SapwoodError` and prints it once, in one line:
`code`, `message`, and `hint`, the one next step. The reference page of error codes is generated from
these classes, so each class has a code of its own and a docstring of one sentence.
"""

from typing import ClassVar


class SapwoodError(Exception):
    """Something went wrong that a person can understand and act on."""

    code: ClassVar[str] = "sapwood.error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 400

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_dict(self) -> dict[str, str]:
        """The same three words at every door: the JSON of `--json` and of the REST API."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class FormatError(SapwoodError):
    """A document cannot be read."""

    code: ClassVar[str] = "format.invalid"

    def __init__(self, message: str, *, hint: str = "", path: str = "") -> None:
        """`path` is the place in the document, such as `texts.en.title`; empty where there is none."""
        super().__init__(message, hint=hint)
        self.path = path


class NotUtf8Error(FormatError):
    """The document's bytes are not UTF-8."""

    code: ClassVar[str] = "format.not_utf8"


class ByteOrderMarkError(FormatError):
    """The document starts with a byte order mark, which JSON between systems must not have."""

    code: ClassVar[str] = "format.byte_order_mark"


class NotJsonError(FormatError):
    """The document is not JSON."""

    code: ClassVar[str] = "format.not_json"


class DuplicateKeyError(FormatError):
    """An object has the same key twice, so that two readers could see two different documents."""

    code: ClassVar[str] = "format.duplicate_key"


class NumberError(FormatError):
    """A number is not finite, or too large for every reader to see the same value."""

    code: ClassVar[str] = "format.number"


class LoneSurrogateError(FormatError):
    """A text holds half of a surrogate pair, which no reader can store or show."""

    code: ClassVar[str] = "format.lone_surrogate"


class TooBigError(FormatError):
    """The document is larger than its kind may be."""

    code: ClassVar[str] = "format.too_big"


class TooDeepError(FormatError):
    """The document is nested more deeply than any honest document."""

    code: ClassVar[str] = "format.too_deep"


class NotAnObjectError(FormatError):
    """The document is JSON, but not an object."""

    code: ClassVar[str] = "format.not_an_object"


class SchemaError(FormatError):
    """A field of the document is missing, of the wrong kind, or beyond its limit."""

    code: ClassVar[str] = "format.schema"


class UnknownTypeError(FormatError):
    """The document is of a type that this version of Sapwood does not know."""

    code: ClassVar[str] = "format.unknown_type"


class UnsupportedVersionError(FormatError):
    """The document is of a version that this version of Sapwood cannot read."""

    code: ClassVar[str] = "format.unsupported_version"


class ConditionError(FormatError):
    """A condition has a broken structure."""

    code: ClassVar[str] = "format.condition"


class VersionRangeError(FormatError):
    """A range of versions has a broken structure."""

    code: ClassVar[str] = "format.version_range"


class NotCanonicalError(FormatError):
    """A value has no canonical JSON form."""

    code: ClassVar[str] = "format.not_canonical"
