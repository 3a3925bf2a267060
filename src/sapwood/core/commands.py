"""What every command shares: one way to print, one way to fail, one meaning per exit code."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Exit(IntEnum):
    """What an exit code means, on every command."""

    GOOD = 0
    ERROR = 1
    USAGE = 2
    BAD_NEWS = 3
    UNKNOWN = 4


# What a terminal acts on instead of showing it: control characters, and overrides of the direction of writing.
_ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def harmless(text: str) -> str:
    """Text for a terminal, in which what would be acted on is shown as a replacement character."""
    return _ACTS.sub("\N{REPLACEMENT CHARACTER}", text)


def json_option(command: F) -> F:
    """Adds `--json` (passed as `as_json`)."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def emit(data: object, lines: Iterable[str], *, as_json: bool, exit_code: int = Exit.GOOD) -> None:
    """Print the result, as JSON or as lines, and leave with its exit code when that is not zero."""
    if as_json:
        text = json.dumps(data, ensure_ascii=False, indent=2, default=str)
        # Such characters stand inside strings only, where JSON may escape them.
        click.echo(_ACTS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
    else:
        for line in lines:
            click.echo(harmless(line))
    if exit_code:
        sys.stdout.flush()
        raise SystemExit(int(exit_code))
