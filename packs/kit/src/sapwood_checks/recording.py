"""One JSON line per event of a run, for whoever started it: what is printed is no result.

Events: `start` {checks}, `begun` {id}, `result` {id, verdict, seconds, detail, use_case, safety, owner, covers},
`broken` {where, detail} for a module that cannot be read, `held` {wanted} for a connection that was refused, `end`
{checks}.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_HELD: Final = 50
HELD_WORDS: Final = "a check reaches the site and nothing else"


class Lines:
    """JSON lines into a descriptor, each flushed, so that a killed run leaves whole ones."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
        self._lock = threading.RLock()
        # What a check starts must not write here: the descriptor that was handed over goes, ours is not inherited.
        if (given := re.fullmatch(r"/dev/fd/(\d+)", path)) and int(given[1]) != self._file.fileno():
            os.close(int(given[1]))

    def say(self, event: str, **values: Any) -> None:
        """One event."""
        with self._lock:
            self._file.write(json.dumps({"event": event, **values}) + "\n")
            self._file.flush()


def name_attempts(say: Callable[..., None], socket: str, more: Iterable[str] = ()) -> None:
    """Name each connection that a check tries beside the site's and `more` sockets or folders of them, and refuse it.

    This is a courtesy to the report and no barrier: that is the network namespace, where there is one.
    """
    wanted: set[str] = set()
    open_to = tuple(more)

    def hook(event: str, given: Any) -> None:
        if event not in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
            return
        place = given[0] if event == "socket.getaddrinfo" else given[1]
        if event == "socket.getaddrinfo" and str(place) in {"None", "localhost", "127.0.0.1", "::1"}:
            return
        ours = isinstance(place, str) and re.fullmatch(r"/proc/self/fd/\d+/" + re.escape(Path(socket).name), place)
        given_too = isinstance(place, str) and any(place == one or place.startswith(f"{one}/") for one in open_to)
        if event == "socket.connect" and (ours or given_too):
            return
        name = ":".join(str(part) for part in place[:2]) if isinstance(place, tuple) else str(place)
        if name not in wanted and len(wanted) < MAX_HELD:
            wanted.add(name)
            say("held", wanted=name[:200])
        raise ConnectionRefusedError(errno.ECONNREFUSED, HELD_WORDS)

    sys.addaudithook(hook)
