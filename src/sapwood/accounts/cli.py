"""`sapwood accounts`: people, roles, links and tokens from the operating account's shell."""

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path

import click
from django.utils.translation import gettext as _

from sapwood.accounts import actions
from sapwood.accounts.data import Scope
from sapwood.accounts.models import ApiToken, ClaimRule, RoleGrant, User
from sapwood.accounts.queries import person
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import JSON, Actor
from sapwood.core.errors import NotFoundError, UsageError
from sapwood.core.files import write_atomically


@click.group()
def accounts() -> None:
    """People who sign in, what they may do, and their keys."""


@accounts.command()
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="A role on everything, such as site-administrator; repeatable.")
@click.option("--name", default="", help="What to call the person.")
@click.option("--link/--no-link", "with_link", default=False, help="Also print a one-time sign-in link.")
@json_option
def create(*, email: str, roles: Sequence[str], name: str, with_link: bool, as_json: bool) -> None:
    """Make an account; its owner comes in by a one-time link."""
    now = system_clock().now()
    user = actions.create_person(email, actor=Actor.command(), now=now, name=name, roles=roles)
    data: dict[str, JSON] = {**_shown(user)}
    lines = [f"{user.email} has an account: {_roles_line(user)}"]
    if with_link:
        data["link"] = actions.one_time_link(user, base_url=_base_url(), now=now, actor=Actor.command())
        lines.append(f"Sign in once within an hour: {data['link']}")
    emit(data, lines, as_json=as_json)


@accounts.command()
@click.argument("email")
@click.option("--role", required=True, help="Their first role, such as auditor.")
@click.option("--scope", default="", help="Narrow the role: channel:NAME or locale:CODE.")
@click.option("--name", default="", help="What to call the person.")
@json_option
def invite(*, email: str, role: str, scope: str, name: str, as_json: bool) -> None:
    """Make an account and mail its owner a link that signs them in once within three days; exit 1 if no mail left."""
    now = system_clock().now()
    _say(
        actions.invite(email, role=role, scope=_scope(scope), name=name, actor=Actor.command(), now=now),
        as_json=as_json,
    )


@accounts.command()
@click.argument("email")
@click.option("--hours", type=click.IntRange(1, 168), default=1, show_default=True, help="How long it works.")
@click.option("--mail", "by_mail", is_flag=True, help="Mail it instead of printing it; it then works for three days.")
@json_option
def link(*, email: str, hours: int, by_mail: bool, as_json: bool) -> None:
    """Print, or mail, a link that signs the person in once."""
    now, ttl = system_clock().now(), dt.timedelta(hours=hours)
    if by_mail:
        _say(actions.send_link(person(email), actor=Actor.command(), now=now), as_json=as_json)
        return
    url = actions.one_time_link(person(email), base_url=_base_url(), now=now, ttl=ttl, actor=Actor.command())
    emit({"email": email, "link": url, "expires_at": (now + ttl).isoformat()}, [url], as_json=as_json)


@accounts.command(name="list")
@json_option
def list_people(*, as_json: bool) -> None:
    """Who has an account, and with which roles."""
    people = User.objects.order_by("email").prefetch_related("grants")
    data = [_shown(user) for user in people]
    lines = [f"{user.email}{'' if user.is_active else ' (switched off)'}: {_roles_line(user)}" for user in people]
    nobody = ["Nobody has an account yet. Make one: sapwood accounts create EMAIL --role ROLE"]
    emit(data, lines or nobody, as_json=as_json)


@accounts.command()
@click.argument("email")
@click.argument("role")
@click.option("--scope", default="", help="Narrow the role: channel:NAME or locale:CODE.")
@click.option("--days", type=click.IntRange(1, 3660), default=None, help="End the role after so many days.")
@json_option
def grant(*, email: str, role: str, scope: str, days: int | None, as_json: bool) -> None:
    """Give somebody a role."""
    now, user = system_clock().now(), person(email)
    expires_at = now + dt.timedelta(days=days) if days else None
    actions.grant_role(user, role=role, actor=Actor.command(), now=now, scope=_scope(scope), expires_at=expires_at)
    emit(_shown(user), [f"{user.email}: {_roles_line(user)}"], as_json=as_json)


@accounts.command()
@click.argument("email")
@click.argument("role")
@click.option("--scope", default="", help="The scope of the grant: channel:NAME or locale:CODE.")
@json_option
def revoke(*, email: str, role: str, scope: str, as_json: bool) -> None:
    """Take a role away; the last administrator keeps theirs."""
    user = person(email)
    actions.revoke_role(user, role=role, actor=Actor.command(), now=system_clock().now(), scope=_scope(scope))
    emit(_shown(user), [f"{user.email}: {_roles_line(user)}"], as_json=as_json)


@accounts.command(name="switch")
@click.argument("email")
@click.argument("state", type=click.Choice(["on", "off"]))
@json_option
def switch(*, email: str, state: str, as_json: bool) -> None:
    """Switch an account off (sessions, links and tokens end at once) or on again."""
    user = person(email)
    actions.set_active(user, active=state == "on", actor=Actor.command(), now=system_clock().now())
    emit(_shown(user), [f"{user.email} is switched {state}"], as_json=as_json)


@accounts.command(name="reset-factor")
@click.argument("email")
@json_option
def reset_factor(*, email: str, as_json: bool) -> None:
    """Remove every second factor of somebody who lost theirs, and end their sessions."""
    user = person(email)
    removed = actions.reset_second_factor(user, actor=Actor.command(), now=system_clock().now())
    line = f"{user.email}: {removed} second factors removed"
    emit({"email": user.email, "removed": removed}, [line], as_json=as_json)


@accounts.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(*, email: str, yes: bool, as_json: bool) -> None:
    """Forget a person, with an account or without; the audit log keeps ids that name nobody, and stays valid."""
    if not yes:
        if as_json:
            raise UsageError("Erasing cannot be undone", hint="Add --yes when you are sure.")
        click.confirm(f"Forget {email} for good?", abort=True)
    user, actor, now = User.objects.filter(email__iexact=email.strip()).first(), Actor.command(), system_clock().now()
    if user is None:
        actions.erase_address(email, actor=actor, now=now)
    else:
        actions.erase_person(user, actor=actor, now=now)
    emit({"erased": True}, [f"{email} is forgotten"], as_json=as_json)


@accounts.command()
@click.argument("email")
@click.option("--to", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write to a file instead.")
@json_option
def export(*, email: str, path: Path | None, as_json: bool) -> None:
    """Everything that is kept about a person, with an account or without, as JSON."""
    user, actor, now = User.objects.filter(email__iexact=email.strip()).first(), Actor.command(), system_clock().now()
    if user is None:
        document = actions.export_address(email, actor=actor, now=now)
    else:
        document = actions.export_person(user, actor=actor, now=now)
    if path is None:
        emit(document, [], as_json=True)
        return
    write_atomically(path, _json_text(document))
    emit({"written": str(path)}, [f"written to {path}"], as_json=as_json)


@accounts.group()
def claims() -> None:
    """Which claims of an identity provider give which roles."""


@claims.command(name="list")
@json_option
def claims_list(*, as_json: bool) -> None:
    """The rules."""
    rows = ClaimRule.objects.order_by("claim", "value", "role")
    data = [{"claim": row.claim, "value": row.value, "role": row.role} for row in rows]
    lines = [f"{row.claim} = {row.value}: {row.role}" for row in rows]
    emit(data, lines or ["No claim gives a role."], as_json=as_json)


@claims.command(name="add")
@click.argument("claim")
@click.argument("value")
@click.argument("role")
@json_option
def claims_add(*, claim: str, value: str, role: str, as_json: bool) -> None:
    """Whose provider says CLAIM = VALUE holds ROLE from their next sign-in on."""
    row = actions.add_claim_rule(claim, value=value, role=role, actor=Actor.command(), now=system_clock().now())
    data = {"claim": row.claim, "value": row.value, "role": row.role}
    emit(data, [f"{row.claim} = {row.value} gives the role {row.role}"], as_json=as_json)


@claims.command(name="remove")
@click.argument("claim")
@click.argument("value")
@click.argument("role")
@json_option
def claims_remove(*, claim: str, value: str, role: str, as_json: bool) -> None:
    """End such a rule; roles that it gave end at their holder's next sign-in."""
    wanted = {"claim": claim, "value": value, "role": role.replace("-", "_")}
    row = ClaimRule.objects.filter(**wanted).first()
    if row is None:
        raise NotFoundError(_("There is no such rule"), hint=_("See 'sapwood accounts claims list'."))
    actions.remove_claim_rule(row, actor=Actor.command(), now=system_clock().now())
    emit({"removed": wanted}, [f"{claim} = {value} gives no role any more"], as_json=as_json)


@accounts.group()
def token() -> None:
    """API tokens."""


@token.command(name="create")
@click.argument("email")
@click.option("--name", required=True, help="What the token is for.")
@click.option("--permission", "scopes", multiple=True, required=True, help="A permission code; repeatable.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it works.")
@json_option
def token_create(*, email: str, name: str, scopes: Sequence[str], days: int, as_json: bool) -> None:
    """Make a token and print it; it cannot be read again."""
    ttl, now = dt.timedelta(days=days), system_clock().now()
    made = actions.create_token(person(email), name=name, scopes=scopes, actor=Actor.command(), now=now, ttl=ttl)
    emit({**_token_shown(made.row), "token": made.secret}, [made.secret], as_json=as_json)


@token.command(name="list")
@click.argument("email", required=False)
@json_option
def token_list(*, email: str | None, as_json: bool) -> None:
    """Tokens, of one person or of all."""
    rows = ApiToken.objects.select_related("user").order_by("user__email", "created_at")
    if email:
        rows = rows.filter(user=person(email))
    data = [_token_shown(row) for row in rows]
    lines = [f"{item['uuid']}  {item['email']}  {item['name']}  {item['state']}" for item in data]
    emit(data, lines or ["There are no tokens"], as_json=as_json)


@token.command(name="revoke")
@click.argument("uuid", type=click.UUID)
@json_option
def token_revoke(*, uuid: str, as_json: bool) -> None:
    """End a token at once."""
    row = ApiToken.objects.select_related("user").filter(uuid=uuid).first()
    if row is None:
        raise NotFoundError(f"There is no token {uuid}", hint="See 'sapwood accounts token list'.")
    actions.revoke_token(row, actor=Actor.command(), now=system_clock().now())
    emit(_token_shown(row), [f"{row.name} of {row.user.email} is revoked"], as_json=as_json)


def _say(made: actions.Invitation, *, as_json: bool) -> None:
    """What became of an invitation; where no mail left, its link, and exit 1."""
    data: dict[str, JSON] = {**_shown(made.user), "mailed": made.mailed, "expires_at": made.expires_at.isoformat()}
    if made.mailed:
        emit(data, [f"a sign-in link is on its way to {made.user.email}"], as_json=as_json)
        return
    if as_json:
        emit({**data, "link": made.url, "error": made.error.as_dict()}, [], as_json=True, exit_code=Exit.ERROR)
    click.echo(made.url)
    raise made.error


def _json_text(document: dict[str, JSON]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"


def _base_url() -> str:
    return settings.BASE_URL.get()


def _scope(typed: str) -> Scope | None:
    if not typed:
        return None
    kind, _colon, key = typed.partition(":")
    return kind, key


def _shown(user: User) -> dict[str, JSON]:
    return {
        "uuid": str(user.uuid),
        "email": user.email,
        "name": user.name,
        "active": user.is_active,
        "roles": [_grant_shown(row) for row in user.grants.all()],
    }


def _grant_shown(row: RoleGrant) -> dict[str, JSON]:
    return {
        "role": row.role,
        "scope": f"{row.scope_kind}:{row.scope_key}" if row.scope_kind else None,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "from_claim": row.from_claim,
    }


def _roles_line(user: User) -> str:
    return ", ".join(str(row) for row in user.grants.all()) or "no role"


def _token_shown(row: ApiToken) -> dict[str, JSON]:
    now = system_clock().now()
    live = row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
    return {
        "uuid": str(row.uuid),
        "email": row.user.email,
        "name": row.name,
        "permissions": row.scopes,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
        "state": "revoked" if row.revoked_at else "live" if live else "expired",
    }
