"""Who counts as the same person, whichever door they use."""

from sapwood.accounts.api import actor_for, user_behind
from sapwood.core.data import Actor, ActorKind


def identity(actor: Actor) -> str:
    """A stable key for the person, program or job behind an action; a token stands for its owner."""
    owner = user_behind(actor) if actor.kind is ActorKind.TOKEN else None
    person = actor if owner is None else actor_for(owner)
    return f"{person.kind.value}:{person.key}"
