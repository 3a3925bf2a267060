"""The example that `sapwood up` fills a fresh house with: one step per call, each safe to repeat, each prints JSON.

Run by `sapwood up` as `python -m sapwood.config.seed commons OWN-URL|site OWN-URL CHANNEL-URL`, with the role in the
environment. Each gives a one-time sign-in link of the first person of its role.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sapwood.config.cli import setup_django

PEOPLE = {
    "commons": [
        ("bob@commons.example", "Bob (release manager)", ["release_manager", "communicator"]),
        ("erin@commons.example", "Erin (second signer)", ["second_signer"]),
    ],
    "site": [("alice@riverside.example", "Alice (site administrator)", ["site_administrator"])],
}
PACKAGE = Path(__file__).resolve().parent.parent


def _people(role: str) -> list[Any]:
    from sapwood.accounts import api as accounts
    from sapwood.core.clock import system_clock
    from sapwood.core.data import Actor
    from sapwood.core.errors import NotFoundError

    now = system_clock().now()
    found = []
    for email, name, roles in PEOPLE[role]:
        try:
            found.append(accounts.person(email))
        except NotFoundError:
            found.append(accounts.create_person(email, name=name, roles=roles, actor=Actor.command(), now=now))
    return found


def commons(own_url: str) -> dict[str, Any]:
    """People, keys, the catalogue and the announcements: staged by one, approved by another, signed and published."""
    from sapwood.accounts import api as accounts
    from sapwood.channel import api as channel
    from sapwood.commons.announcements import api as announcements
    from sapwood.commons.releases import api as releases
    from sapwood.core.clock import system_clock

    bob, erin = (accounts.actor_for(user) for user in _people("commons"))
    now = system_clock().now()
    channel.init_repository(actor=bob, now=now)
    seed = PACKAGE / "commons" / "releases" / "openedx" / "catalogue.json"
    catalogue = releases.publish_catalogue(seed.read_bytes(), actor=bob, second=erin, now=now)
    folder = PACKAGE / "commons" / "announcements" / "openedx" / "seed"
    report = announcements.publish_folder(folder, actor=bob, second=erin, now=now)
    due = channel.signatures_due()
    if any(state.missing for state in due):
        channel.sign(actor=erin, now=now)
    published = channel.publish(actor=erin, now=now) if due else channel.renew(actor=erin, now=now)
    announcements.sync_with_channel(actor=bob, now=now)
    problems = [str(item) for item in report.problems]
    found = {"catalogue": catalogue.sha256, "problems": problems, "published": len(published.documents)}
    return {"link": _link("commons", own_url), **found}


def site(own_url: str, url: str) -> dict[str, Any]:
    """The site's administrator, its subscription to the commons beside it, a first pull, its facts."""
    from sapwood.accounts import api as accounts
    from sapwood.channel import api as channel
    from sapwood.core.clock import system_clock
    from sapwood.core.http import default_client
    from sapwood.core.paths import var_dir
    from sapwood.site.facts import api as facts
    from sapwood.site.inbox import api as inbox

    clock = system_clock()
    (alice,) = (accounts.actor_for(user) for user in _people("site"))
    subscription = next(iter(channel.subscriptions()), None)
    if subscription is None or subscription.url != url:
        # The root comes from the commons' own folder on this machine, not over the network that is to be verified.
        root = (var_dir() / "commons" / "channel" / "repository" / "metadata" / "1.root.json").read_bytes()
        if subscription is not None:
            channel.unsubscribe(subscription, actor=alice, now=clock.now())
        subscription = channel.subscribe(url, root=root, actor=alice, now=clock.now(), allow_private=True)
    pulled = channel.pull(subscription, http=default_client(), clock=clock)
    # Facts and catalogue first: the conditions of what arrives are judged by them.
    summary = facts.refresh(actor=alice, now=clock.now())
    imported = inbox.import_received(now=clock.now())
    found = {"pulled": pulled.new, "imported": imported.fresh, "summary": summary}
    return {"link": _link("site", own_url), **found}


def _link(role: str, url: str) -> str:
    from sapwood.accounts import api as accounts
    from sapwood.core.clock import system_clock
    from sapwood.core.data import Actor

    first = _people(role)[0]
    return accounts.one_time_link(first, base_url=url, now=system_clock().now(), actor=Actor.command())


if __name__ == "__main__":
    setup_django()
    step, *rest = sys.argv[1:]
    steps: dict[str, Callable[..., dict[str, Any]]] = {"commons": commons, "site": site}
    sys.stdout.write(json.dumps(steps[step](*rest)))
