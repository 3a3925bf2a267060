"""A site that is subscribed to a simulated commons."""

from tests.simulator import URL

from sapwood.channel import api
from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor

CHANNELS = ("security", "community")


class Site:
    """A subscribed site with a clock of its own."""

    def __init__(self, commons, *, name="openedx", mirrors=(), channels=CHANNELS):
        self.commons = commons
        self.clock = FixedClock(commons.now)
        self.row = api.subscribe(
            URL,
            root=commons.first_root,
            actor=Actor.command(),
            now=commons.now,
            name=name,
            mirrors=mirrors,
            channels=channels,
        )

    def pull(self, http=None, *, bundle=None):
        self.clock = FixedClock(max(self.commons.now, self.clock.now()))
        return api.pull(self.row, http=None if bundle else http or self.commons, clock=self.clock, bundle=bundle)

    def states(self):
        return {health.name: health.state for health in api.channel_health(self.clock.now())}

    def revisions(self):
        return [(row.channel, row.uuid, row.revision) for row in api.received() if row.withdrawn_at is None]


def only_error(result):
    [error] = {entry["code"]: entry for entry in result.errors.values()}.values()
    return error
