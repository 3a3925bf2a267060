"""Who counts as the same person, whichever door they use."""

from sapwood.core.data import Actor


def identity(actor: Actor) -> str:
    """A stable key for the person, program or job behind an action."""
    return f"{actor.kind.value}:{actor.key}"
