"""The JSON Schemas of the documents (2020-12), shipped as files, and what they say about a document."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry, Resource

from sapwood.formats.canonical import JSON, JSONObject, shorten, show_path
from sapwood.formats.errors import SchemaError, UnknownTypeError
from sapwood.formats.phrase import Figure, Phrase

COMMON: Final = "common"
_KINDS: Final = {
    "string": Phrase("a text"),
    "object": Phrase("an object"),
    "array": Phrase("a list"),
    "integer": Phrase("a whole number"),
    "number": Phrase("a number"),
    "boolean": Phrase("true or false"),
    "null": "null",
}


@cache
def schema_for(document_type: str) -> JSONObject:
    """The JSON Schema of one document type, or of `common`. Raises UnknownTypeError."""
    path = files("sapwood.formats").joinpath("schemas", f"{document_type}.json")
    if not re.fullmatch(r"[a-z]+", document_type) or not path.is_file():
        raise UnknownTypeError(
            Phrase("There is no schema of the type %(name)s.", name=shorten(document_type)),
            hint=Phrase("The types are: %(names)s.", names=", ".join(schema_names())),
        )
    schema: JSONObject = json.loads(path.read_text(encoding="utf-8"))
    return schema


def schema_names() -> list[str]:
    """Every document type that has a schema."""
    names = (item.name for item in files("sapwood.formats").joinpath("schemas").iterdir())
    return sorted({name.removesuffix(".json") for name in names if name.endswith(".json")} - {COMMON})


def check_schema(document_type: str, data: JSONObject) -> None:
    """Raise SchemaError for the first thing that the schema refuses, in the schema's own order."""
    error = next(_validator(document_type).iter_errors(data), None)
    if error is not None:
        first = _deepest(error)
        path = _path(first)
        raise SchemaError(
            Phrase.joined("", (show_path(path), " ", _problem(first), ".")),
            hint=Phrase("See the reference page of this format."),
            path=path,
        )


@cache
def _validator(document_type: str) -> Validator:
    common = Resource.from_contents(schema_for(COMMON))
    registry: Registry[Any] = Registry().with_resource(common.id() or COMMON, common)
    validator: Validator = _STRICT(schema_for(document_type), registry=registry)
    return validator


def _pattern(validator: Validator, pattern: str, value: JSON, _schema: JSONObject) -> Iterator[ValidationError]:
    """As jsonschema's own, but `$` is the end, as in ECMA 262; Python's also matches before a last newline."""
    if validator.is_type(value, "string") and not _compiled(pattern).search(value):
        yield ValidationError("pattern")  # no words: `_problem` finds them in the schema


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


_STRICT: Final = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # jsonschema leaves it untyped


def _deepest(error: ValidationError) -> ValidationError:
    """Of alternatives, the complaint that got furthest: rather that than `matches none of these`."""
    while error.context:
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    return error


def _path(error: ValidationError) -> str:
    path = ""
    for step in error.absolute_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path


def _problem(error: ValidationError) -> Phrase:
    """What is wrong, without repeating the value: it is from outside, and may be long."""
    rule, limit, value = str(error.validator), error.validator_value, error.instance
    if rule in _SAY:
        return _SAY[rule](limit, value)
    described = error.schema.get("description") if isinstance(error.schema, dict) else None
    if not described:
        return Phrase("is not as the format says")
    return Phrase("is not as it must be: %(described)s", described=described.rstrip("."))


def _words(values: Any) -> str:
    return ", ".join(json.dumps(value) for value in values)


def _kinds(limit: Any) -> Phrase:
    return Phrase.one_of(_KINDS[kind] for kind in ([limit] if isinstance(limit, str) else limit))


def _sizes(limit: int, value: Any) -> dict[str, object]:
    return {"size": Figure(len(value)), "limit": Figure(limit)}


_SAY: Final[dict[str, Callable[[Any, Any], Phrase]]] = {
    "required": lambda limit, value: Phrase(
        "lacks %(names)s", names=_words(name for name in limit if name not in value)
    ),
    "const": lambda limit, _: Phrase("must be %(wanted)s", wanted=json.dumps(limit)),
    "enum": lambda limit, _: Phrase("must be one of %(names)s", names=_words(limit)),
    "type": lambda limit, _: Phrase("must be %(wanted)s", wanted=_kinds(limit)),
    "maxLength": lambda limit, value: Phrase(
        "has %(size)s characters; at most %(limit)s are allowed", **_sizes(limit, value)
    ),
    "minLength": lambda _limit, _value: Phrase("must not be empty"),
    "minimum": lambda limit, _: Phrase("must be at least %(limit)s", limit=limit),
    "maximum": lambda limit, _: Phrase("must be at most %(limit)s", limit=limit),
    "maxItems": lambda limit, value: Phrase(
        "has %(size)s items; at most %(limit)s are allowed", **_sizes(limit, value)
    ),
    "minItems": lambda limit, _: Phrase("must have at least %(limit)s item(s)", limit=limit),
    "maxProperties": lambda limit, value: Phrase(
        "has %(size)s entries; at most %(limit)s are allowed", **_sizes(limit, value)
    ),
    "minProperties": lambda limit, _: Phrase("must have at least %(limit)s entry", limit=limit),
    "uniqueItems": lambda _limit, _value: Phrase("names something twice"),
}
