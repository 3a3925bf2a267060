"""What identity providers say about a person: read, compared, and kept no further than somebody asks for it."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from allauth.socialaccount.models import SocialAccount

from sapwood.accounts.models import ClaimRule, User

Claims: TypeAlias = Mapping[str, object]
# What an account itself needs; of the rest only what a rule names is stored.
NEEDED: Final = frozenset({"iss", "sub", "email", "email_verified", "name"})


class Follow(Protocol):
    """Bring what a module gives to a person in step with what the providers say now."""

    def __call__(self, user: User, claims: Sequence[Claims], *, now: dt.datetime) -> None:
        """`claims`: one document per provider by which this person signs in, the present one first."""
        ...


@dataclass(frozen=True)
class Follower:
    """A module that follows claims: which ones it names, whether they admit a newcomer, what then happens."""

    names: Callable[[], set[str]]
    admits: Callable[[Claims], bool]
    follow: Follow


_FOLLOWERS: Final[dict[str, Follower]] = {}


def register_claim_follower(name: str, follower: Follower) -> None:
    """Have a module hear what providers say at each sign-in; `follow` runs inside the transaction of the sign-in."""
    _FOLLOWERS[name] = follower


def followers() -> list[Follower]:
    """Everybody who follows claims."""
    return list(_FOLLOWERS.values())


def says(claims: Claims, name: str, value: str) -> bool:
    """Whether the claim `name` is `value`, or a list that holds it; `a.b` looks into the object `a`.

    JSON's true and false are written as JSON writes them.
    """
    found = look_up(claims, name)
    values = found if isinstance(found, list | tuple) else [found]
    return any(_word(one) == value for one in values)


def look_up(claims: Claims, name: str) -> object:
    """A claim by its name, which may hold dots itself, or by its path; None when there is none."""
    if name in claims:
        return claims[name]
    here: Any = claims
    for part in name.split("."):
        if not isinstance(here, Mapping):
            return None
        here = here.get(part)
    return here


def tidy(claims: Claims) -> dict[str, object]:
    """The same claims, with those that the library reads unchecked being of the kind that it takes them for."""
    found = dict(claims)
    for name in ("email", "name", "given_name", "family_name", "preferred_username"):
        if not isinstance(found.get(name), str):
            found.pop(name, None)
    # Some providers send it as a word, and the word "false" would count as true.
    found["email_verified"] = says(claims, "email_verified", "true")
    return found


def names_in_use() -> set[str]:
    """The claims that some rule asks for."""
    found = set(ClaimRule.objects.values_list("claim", flat=True))
    for follower in followers():
        found |= follower.names()
    return found


def kept(claims: Claims) -> dict[str, object]:
    """The part of what a provider says that is stored: what an account needs and what rules name."""
    wanted = NEEDED.union(*({name, name.partition(".")[0]} for name in names_in_use()))
    return {name: value for name, value in claims.items() if name in wanted}


def all_claims(user: User, fresh: SocialAccount) -> list[Claims]:
    """What every provider of this person said last, the one that speaks now first."""
    others = SocialAccount.objects.filter(user=user).exclude(provider=fresh.provider, uid=fresh.uid)
    return [fresh.extra_data, *others.values_list("extra_data", flat=True)]


def _word(value: object) -> str | None:
    if value is None or isinstance(value, Mapping | list | tuple):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
