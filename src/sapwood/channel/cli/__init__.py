"""`sapwood channel …`: the commons publishes, a site subscribes."""

import click

from sapwood.channel.cli import keys, publishing, receiving


@click.group()
def channel() -> None:
    """Publish signed documents, or subscribe to them."""


for command in (
    publishing.init,
    keys.keys,
    publishing.stage,
    publishing.sign,
    publishing.publish,
    publishing.retract,
    publishing.renew,
    publishing.rotate_root,
    publishing.bundle,
    publishing.verify,
    receiving.subscribe,
    receiving.unsubscribe,
    receiving.pull,
    receiving.status,
):
    channel.add_command(command)

__all__ = ["channel"]
