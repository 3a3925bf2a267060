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

COMMON: Final = "common"
_KINDS: Final = {
    "string": "a text",
    "object": "an object",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@cache
def schema_for(document_type: str) -> JSONObject:
    """The JSON Schema of one document type, or of `common`. Raises UnknownTypeError."""
    path = files("sapwood.formats").joinpath("schemas", f"{document_type}.json")
    if not re.fullmatch(r"[a-z]+", document_type) or not path.is_file():
        raise UnknownTypeError(
            f"There is no schema of the type {shorten(document_type)}.",
            hint=f"The types are: {', '.join(schema_names())}.",
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
            f"{show_path(path)} {_problem(first)}.", hint="See the reference page of this format.", path=path
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
        yield ValidationError("does not match the pattern")


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


def _problem(error: ValidationError) -> str:
    """What is wrong, without repeating the value: it is from outside, and may be long."""
    rule, limit, value = str(error.validator), error.validator_value, error.instance
    if rule in _SAY:
        return _SAY[rule](limit, value)
    described = error.schema.get("description") if isinstance(error.schema, dict) else None
    return f"is not as it must be: {described.rstrip('.')}" if described else "is not as the format says"


def _words(values: Any) -> str:
    return ", ".join(json.dumps(value) for value in values)


_SAY: Final[dict[str, Callable[[Any, Any], str]]] = {
    "required": lambda limit, value: f"lacks {_words(name for name in limit if name not in value)}",
    "const": lambda limit, _: f"must be {json.dumps(limit)}",
    "enum": lambda limit, _: f"must be one of {_words(limit)}",
    "type": lambda limit, _: (
        "must be " + " or ".join(_KINDS[kind] for kind in ([limit] if isinstance(limit, str) else limit))
    ),
    "maxLength": lambda limit, value: f"has {len(value):,} characters; at most {limit:,} are allowed",
    "minLength": lambda _limit, _value: "must not be empty",
    "minimum": lambda limit, _: f"must be at least {limit}",
    "maximum": lambda limit, _: f"must be at most {limit}",
    "maxItems": lambda limit, value: f"has {len(value):,} items; at most {limit:,} are allowed",
    "minItems": lambda limit, _: f"must have at least {limit} item(s)",
    "maxProperties": lambda limit, value: f"has {len(value):,} entries; at most {limit:,} are allowed",
    "minProperties": lambda limit, _: f"must have at least {limit} entry",
    "uniqueItems": lambda _limit, _value: "names something twice",
}
