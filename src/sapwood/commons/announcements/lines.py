"""The order of the project's release lines, which another module knows; `config` says which."""

from collections.abc import Callable

from sapwood.formats.versions import LineOrder

LineSource = Callable[[], LineOrder]
_sources: list[LineSource] = []


def set_line_order(source: LineSource) -> None:
    """Have conditions on releases judged with this order."""
    _sources[:] = [source]


def line_order() -> LineOrder:
    """The order at present; without one, releases of two lines are not comparable."""
    return _sources[0]() if _sources else LineOrder()
