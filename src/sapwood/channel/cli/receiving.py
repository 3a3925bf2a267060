"""A site's verbs; `status` serves both sides."""

from pathlib import Path
from typing import Any

import click

from sapwood.channel import api
from sapwood.channel.cli.options import FILE
from sapwood.channel.data import ChannelHealth, ChannelState, PullResult
from sapwood.channel.layout import CHANNELS, DEFAULT_SUBSCRIPTION, instant_text
from sapwood.core import settings
from sapwood.core.clock import system_clock
from sapwood.core.commands import Exit, emit, json_option
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError
from sapwood.core.http import default_client, names_private_address


@click.command()
@click.argument("url")
@click.option("--root", type=FILE, help="The publisher's root metadata, received through another way.")
@click.option("--fingerprint", default="", help="Its SHA-256, received through another way.")
@click.option("--name", default="", help="What to call it here; otherwise made from the address.")
@click.option("--channel", "channels", multiple=True, type=click.Choice(CHANNELS), help="Only these; repeat.")
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Another address of the same; repeat.")
@click.option("--allow-private", is_flag=True, help="The address's name may lead to a private network.")
@click.option("--by-bundle", is_flag=True, help="Ask nothing over the network: bundles are brought by hand.")
@json_option
def subscribe(  # noqa: PLR0913 - one argument per option
    *,
    url: str,
    root: Path | None,
    fingerprint: str,
    name: str,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    allow_private: bool,
    by_bundle: bool,
    as_json: bool,
) -> None:
    """Trust a publisher whose root you know; nothing is trusted because it answered first."""
    subscription = api.subscribe(
        url,
        actor=Actor.command(),
        now=system_clock().now(),
        root=root.read_bytes() if root else None,
        fingerprint=fingerprint,
        http=default_client(),
        name=name,
        channels=channels or DEFAULT_SUBSCRIPTION,
        mirrors=mirrors,
        # Who types 127.0.0.1 at this machine's command line means it; a name may lead anywhere.
        allow_private=allow_private or all(names_private_address(address) for address in (url, *mirrors)),
        by_bundle=by_bundle,
    )
    chosen = list(channels or DEFAULT_SUBSCRIPTION)
    data = {
        "name": subscription.name,
        "url": subscription.url,
        "root_sha256": subscription.root_sha256,
        "channels": chosen,
    }
    lines = [f"{subscription.name}: {', '.join(chosen)} from {subscription.url}", "Next: sapwood channel pull."]
    emit(data, lines, as_json=as_json)


@click.command()
@click.argument("name")
@json_option
def unsubscribe(*, name: str, as_json: bool) -> None:
    """Stop pulling from a publisher; what was received and verified stays, and `subscribe` goes on from there."""
    subscription = api.subscription_named(name)
    api.unsubscribe(subscription, actor=Actor.command(), now=system_clock().now())
    emit({"name": subscription.name}, [f"{subscription.name}: ended; what was received stays"], as_json=as_json)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--bundle", type=FILE, help="Read this air-gap bundle instead of the network.")
@json_option
def pull(*, names: tuple[str, ...], bundle: Path | None, as_json: bool) -> None:
    """Fetch and verify what is new; 3 when what was offered does not verify or is too old, 4 without a subscription."""
    clock = system_clock()
    chosen = [api.subscription_named(name) for name in names] or _meant(by_bundle=bundle is not None)
    http = None if bundle else default_client()
    results = [api.pull(item, http=http, clock=clock, bundle=bundle) for item in chosen]
    lines = [line for result in results for line in _pull_lines(result)]
    codes = {error["code"] for result in results for error in result.errors.values()}
    bad = any(not result.good for result in results)
    exit_code = Exit.GOOD if results else Exit.UNKNOWN
    if bad:
        exit_code = Exit.ERROR if codes and codes <= _NO_VERDICT else Exit.BAD_NEWS
    data = {"pulls": [_pull_data(result) for result in results]}
    emit(data, lines or ["There is no subscription: sapwood channel subscribe."], as_json=as_json, exit_code=exit_code)


def _meant(*, by_bundle: bool) -> list[api.Subscription]:
    """Without a name: everybody who is read over the network, or the one publisher whom a bundle can be from."""
    active = list(api.subscriptions())
    found = [item for item in active if item.by_bundle is by_bundle] or active
    if by_bundle and len(found) > 1:
        names = ", ".join(item.name for item in found)
        raise UsageError("Several publishers are subscribed: whose bundle is it?", hint=f"Name one of {names}.")
    return found


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """How every subscribed channel is; 3 when one is dead, stale or rejected, 4 when none is known."""
    now = system_clock().now()
    if settings.ROLE.get() == "commons":
        _commons_status(as_json=as_json)
        return
    api.report_health(now=now)
    found = api.channel_health(now)
    worst = api.worst(health.state for health in found)
    exit_code = Exit.UNKNOWN if worst in {None, ChannelState.WAITING} else Exit.GOOD
    if worst is not None and worst.bad:
        exit_code = Exit.BAD_NEWS
    lines = [_health_line(health) for health in found]
    data = {"state": worst.value if worst else None, "channels": [_health_data(health) for health in found]}
    emit(data, lines or ["There is no subscription: sapwood channel subscribe."], as_json=as_json, exit_code=exit_code)


# Failures that say nothing about what the publisher signed.
_NO_VERDICT = {"channel.unreachable", "channel.captive_portal", "channel.clock"}


def _commons_status(*, as_json: bool) -> None:
    state = api.repository_status(now=system_clock().now())
    lines = [f"{role.role}: expires {role.expires_at:%Y-%m-%d} ({role.in_words})" for role in state.roles]
    lines += [
        f"{staged.role}: {staged.missing} more signatures from {', '.join(staged.awaited_from)}"
        if staged.missing
        else f"{staged.role}: signed, ready to publish"
        for staged in state.staged
    ]
    data = {
        "folder": state.folder,
        "root_sha256": state.root_sha256,
        "roles": [
            {"role": role.role, "expires_at": instant_text(role.expires_at), "state": role.state}
            for role in state.roles
        ],
        "staged": [
            {
                "role": staged.role,
                "missing": staged.missing,
                "signed_by": list(staged.signed_by),
                "awaited_from": list(staged.awaited_from),
            }
            for staged in state.staged
        ],
        "waiting": [str(path) for path in state.waiting],
    }
    emit(data, lines, as_json=as_json, exit_code=Exit.BAD_NEWS if state.bad else Exit.GOOD)


def _pull_data(result: PullResult) -> dict[str, Any]:
    return {
        "subscription": result.subscription,
        "source": result.source,
        "new": result.new,
        "refused": result.refused,
        "unverified": result.unverified,
        "withdrawn": result.withdrawn,
        "requests": result.requests,
        "bytes": result.received_bytes,
        "more": result.more,
        "errors": result.errors,
    }


def _pull_lines(result: PullResult) -> list[str]:
    lines = [f"{result.subscription}: {result.new} new, {result.requests} requests, {result.received_bytes:,} bytes"]
    if result.refused:
        lines.append(f"{result.subscription}: {result.refused} refused, {result.unverified} of them unverified")
    if result.withdrawn:
        lines.append(f"{result.subscription}: {result.withdrawn} withdrawn by the publisher; they stay here")
    for where, error in result.errors.items():
        place = result.subscription if where == "*" else f"{result.subscription}/{where}"
        lines.append(f"{place}: [{error['code']}] {error['message']}. {error['hint']}".rstrip())
    return lines


def _health_line(health: ChannelHealth) -> str:
    line = f"{health.subscription}/{health.name}: {health.in_words}; {health.publications} publications"
    if health.refused:
        line += f", {health.refused} refused"
    if health.error:
        line += f" [{health.error['code']}] {health.error['message']}"
    return line


def _health_data(health: ChannelHealth) -> dict[str, Any]:
    def when(instant: Any) -> str | None:
        return instant_text(instant) if instant else None

    return {
        "subscription": health.subscription,
        "channel": health.name,
        "url": health.url,
        "state": health.state.value,
        "last_attempt_at": when(health.last_attempt_at),
        "last_good_at": when(health.last_good_at),
        "expires_at": when(health.expires_at),
        "stale_since": when(health.stale_since),
        "next_pull_at": when(health.next_pull_at),
        "publications": health.publications,
        "withdrawn": health.withdrawn,
        "refused": health.refused,
        "signed_by": list(health.signed_by),
        "error": health.error,
    }
