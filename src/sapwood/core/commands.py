"""What every command shares: one way to print, one way to fail, one meaning per exit code."""

import json
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


def json_option(command: F) -> F:
    """Adds `--json` (passed as `as_json`)."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def emit(data: object, lines: Iterable[str], *, as_json: bool, exit_code: int = Exit.GOOD) -> None:
    """Print the result, as JSON or as lines, and leave with its exit code when that is not zero."""
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
    else:
        for line in lines:
            click.echo(line)
    if exit_code:
        sys.stdout.flush()
        raise SystemExit(int(exit_code))
