"""From the commons' folder to a site's database."""

import datetime as dt

from sapwood.channel import api
from sapwood.channel.data import ChannelState
from sapwood.channel.tests.support import announcement, uuid_of


def test_a_published_announcement_reaches_the_site_as_the_bytes_that_were_signed(commons, site):
    raw = announcement(1)
    commons.publish(raw)
    result = api.pull(site, http=commons.http, clock=commons.clock)
    assert result.errors == {}
    assert (result.new, result.refused) == (1, 0)
    [received] = api.received()
    assert received.raw == raw
    assert (received.channel, received.uuid, received.revision) == ("community", str(uuid_of(1)), 1)
    assert received.published_at == commons.clock.now()
    assert received.signed_by == ("demo (community 1)", "demo (community 2)")
    assert {health.state for health in api.channel_health(commons.clock.now())} == {ChannelState.FRESH}


def test_a_pull_with_nothing_new_asks_at_most_three_times_and_for_less_than_a_kilobyte(commons, site):
    commons.publish(announcement(1))
    api.pull(site, http=commons.http, clock=commons.clock)
    commons.clock.advance(dt.timedelta(hours=1))
    result = api.pull(site, http=commons.http, clock=commons.clock)
    assert result.new == 0
    assert result.requests <= 3
    assert result.received_bytes <= 1000


def test_publications_arrive_once_and_in_the_order_of_publishing(commons, site):
    commons.publish(announcement(3), announcement(1))
    api.pull(site, http=commons.http, clock=commons.clock)
    commons.publish(announcement(2), announcement(1, revision=2))
    api.pull(site, http=commons.http, clock=commons.clock)
    assert [(row.uuid, row.revision) for row in api.received()] == [
        (str(uuid_of(number)), revision) for number, revision in [(3, 1), (1, 1), (2, 1), (1, 2)]
    ]
    later = api.received(after_id=api.received()[1].id)
    assert [row.revision for row in later] == [1, 2]
