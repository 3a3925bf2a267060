"""What is as large as it may be, and what is one larger."""

import pytest
from tests.simulator import NOW, SimulatedCommons

from sapwood.channel import api
from sapwood.channel.client.walk import MAX_INDEX_BYTES
from sapwood.channel.errors import StagingError
from sapwood.channel.layout import MAX_PER_YEAR, DocumentPath, Index, Segment
from sapwood.channel.publisher.bundling import check_folder
from sapwood.channel.publisher.folder import Folder
from sapwood.channel.tests.sites import Site
from sapwood.channel.tests.support import announcement, uuid_of


@pytest.mark.parametrize(("size", "read"), [(MAX_INDEX_BYTES, True), (MAX_INDEX_BYTES + 1, False)])
def test_27_an_index_at_the_limit_is_read_and_a_larger_one_costs_its_own_channel_only(db, size, read):
    commons = SimulatedCommons()
    commons.add([announcement(1)], channel="community", commit=False)
    segments = ((Segment("community", NOW.year, 0), 1),)
    index = Index("community", NOW.year, NOW, segments)
    raw = index.to_bytes()
    raw = raw[:-1] + b" " * (size - len(raw)) + b"}"
    commons.roles["community"].targets[index.path] = commons.serve(index.path, raw)
    commons.commit("community", *commons.segments("community"))
    commons.publish(announcement(2, channel="security"), channel="security")
    result = Site(commons).pull()
    assert (result.new, set(result.errors)) == ((2, set()) if read else (1, {"community"}))
    if not read:
        assert f"{size:,}" in str(result.errors["community"]["message"])


def test_27_a_year_that_is_full_takes_no_more_and_the_last_one_is_read(commons):
    folder = Folder(commons.path)
    last_but_one = DocumentPath("community", NOW.year, MAX_PER_YEAR - 2, str(uuid_of(1)), 1)
    file = folder.staged_documents / str(last_but_one)
    file.parent.mkdir(parents=True)
    file.write_bytes(announcement(1))
    assert api.stage(announcement(2), channel="community", repo=commons.path, now=NOW).path.seq == MAX_PER_YEAR - 1
    with pytest.raises(StagingError):
        api.stage(announcement(3), channel="community", repo=commons.path, now=NOW)
    api.sign(repo=commons.path, now=NOW)
    api.publish(repo=commons.path, now=NOW)
    found = check_folder(folder, now=NOW)
    assert (found.problems, found.publications["community"]) == ((), 2)
