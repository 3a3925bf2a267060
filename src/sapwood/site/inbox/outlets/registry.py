"""The mark of an outlet: it refuses, at run time, whatever the gate did not make."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from sapwood.site.inbox.data import OutletKind
from sapwood.site.inbox.gate import Addressee, Cleared, ForgedError

P = ParamSpec("P")
R = TypeVar("R")
OUTLETS: Final[dict[OutletKind, Callable[..., Any]]] = {}


def outlet(kind: OutletKind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register the one function that hands items to an outlet; its first argument comes from the gate."""

    def register(send: Callable[P, R]) -> Callable[P, R]:
        @wraps(send)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            first = args[0] if args else None
            given = first if isinstance(first, tuple) else (first,)
            if not given or not all(isinstance(one, Cleared | Addressee) for one in given):
                raise ForgedError(f"The outlet {kind.value} was called with something that the gate did not clear")
            return send(*args, **kwargs)

        OUTLETS[kind] = guarded
        return guarded

    return register
