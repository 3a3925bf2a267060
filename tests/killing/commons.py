"""Kills a commons' commands at each write: `python -m tests.killing.commons`, started by a test.

After each death the repository verifies, the audit chain holds, and no text has left the house half; whoever repeats
the command, and the worker's next round, bring it to where an undisturbed run ends.
"""

import datetime as dt
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import time_machine

from tests.killing import ON_A_FULL_DISK, Ground, chain_holds, differences, drive, on_a_full_disk, sapwood, set_up
from tests.killing.world import World

NEXT_DAY = dt.timedelta(days=2)
FEED = """\
<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><id>urn:blog</id>
<updated>2026-11-20T08:00:00Z</updated>{entries}</feed>"""
ENTRY = """\
<entry><id>urn:entry:{0}</id><title>Entry {0}</title><updated>2026-11-20T08:00:00Z</updated>
<link href="https://blog.example.org/{0}"/><content type="html">&lt;p&gt;Text {0}.&lt;/p&gt;</content></entry>"""
FILE = """\
---
uuid: 00000000-0000-4000-8000-00000000000{0}
title: News {0}
summary: In short.
kind: news
---
At length.
"""


# --- run in children ------------------------------------------------------------------------------------------------


def house() -> None:
    """Bob and Erin, and a channel with keys."""
    from sapwood.accounts.api import create_person
    from sapwood.channel import api as channel
    from sapwood.core.data import Actor

    for name, role in (("bob", "release_manager"), ("erin", "second_signer")):
        create_person(f"{name}@commons.example", roles=[role], actor=Actor.command(), now=now())
    channel.init_repository(now=now())


def look() -> dict[str, Any]:
    """What counts of the state of a commons; not the ids and instants, which differ between attempts."""
    from sapwood.channel import api as channel
    from sapwood.channel.layout import CHANNELS
    from sapwood.commons.announcements.models import ImportedEntry, Revision
    from sapwood.commons.releases.models import CatalogueRevision
    from sapwood.core.models import AuditRow

    revisions = Revision.objects.select_related("announcement").order_by("announcement__slug", "number")
    entries = ImportedEntry.objects.order_by("guid")
    return {
        "revisions": [[row.announcement.slug, row.number, row.state, row.approvals.count()] for row in revisions],
        "entries": [[row.guid, row.announcement_id is not None] for row in entries],
        "catalogues": sorted(CatalogueRevision.objects.values_list("number", "state")),
        "waiting": sorted([path.uuid, path.revision] for path in channel.waiting(set(CHANNELS))),
        "put_up": put_up(),
        "audit": sorted(set(AuditRow.objects.values_list("action", flat=True))),
        "chain": chain_holds(),
    }


def put_up() -> list[Any]:
    """What is put before the signers: each role with its documents, each index with its counts."""
    from sapwood.channel.actions.publishing import folder_at
    from sapwood.channel.layout import DocumentPath, Index
    from sapwood.channel.publisher.signing import check_staged
    from sapwood.core.errors import SapwoodError

    folder, found = folder_at(None), []
    for role in folder.staged_roles():
        try:
            check_staged(folder, role, published=folder.published())
        except SapwoodError as error:
            found.append([role, error.message])
            continue
        for path in folder.staged(role).signed.targets:
            if document := DocumentPath.parse(path):
                found.append([role, document.uuid, document.revision])
            else:
                index = Index.from_bytes(folder.staged_target(path), path=path)
                found.append([role, path, *([segment.role, number] for segment, number in index.segments)])
    return sorted(found)


def files() -> list[str]:
    """Every file of the channel, by what it holds; what is published verifies."""
    from sapwood.channel.actions.publishing import folder_at
    from sapwood.channel.publisher.bundling import check_folder

    assert check_folder(folder_at(None), now=now()).problems == ()
    found = [path for path in folder_at(None).path.rglob("*") if path.is_file() and path.suffix != ".pem"]
    return sorted(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in found)


def now() -> dt.datetime:
    from sapwood.core.clock import system_clock

    return system_clock().now()


def again(command: Callable[[], object]) -> None:
    """The command once more, and what the worker does in its next round."""
    from sapwood.commons.announcements.actions.outcome import sync_with_channel
    from sapwood.commons.releases.actions import hand_over_waiting
    from sapwood.core.data import Actor

    command()
    sync_with_channel(actor=Actor.system("announcements.sync"), now=now())
    hand_over_waiting(actor=Actor.system("releases.hand_over"), now=now())


def imported(later: dt.timedelta = dt.timedelta()) -> int:
    """The next reading of the blog, when its server may be asked again."""
    with time_machine.travel(now() + NEXT_DAY + later):
        return sapwood("announce", "import", "blog")


def imported_later() -> int:
    """The same, once a reader who died no longer keeps others out."""
    return imported(dt.timedelta(hours=1))


def signed_and_published() -> None:
    with time_machine.travel(now() + NEXT_DAY + dt.timedelta(hours=1)):
        for verb in ("sign", "publish", "verify"):
            assert sapwood("channel", verb) == 0


def catalogue_published() -> None:
    """As `sapwood up` does it: proposed by one person, approved by another, put before the signers."""
    from sapwood.accounts.api import actor_for, person
    from sapwood.commons.releases import api
    from sapwood.formats.tests.catalogue_cases import small_data

    bob, erin = (actor_for(person(f"{name}@commons.example")) for name in ("bob", "erin"))
    api.publish_catalogue(json.dumps(small_data()).encode(), actor=bob, second=erin, now=now())


# --- the driver -----------------------------------------------------------------------------------------------------


class Commons:
    """A commons with a blog beside it; each door is a way in."""

    def __init__(self, var: Path) -> None:
        self.world = World(var.with_name("world"))
        self.ground = Ground(var / "commons")
        self.files = var.with_name("files")
        self.files.mkdir()
        set_up(self.ground)
        self.ground.run(house).good()

    def folder(self) -> str:
        """`announce publish FOLDER`: two announcements."""
        self._write_news()
        return self._resumed("announce publish", lambda: sapwood("announce", "publish", str(self.files)), waiting=2)

    def feed(self) -> str:
        """`announce import` of the trusted blog: two new entries go straight to the signers."""
        self._blog_is_read()
        return self._resumed("announce import", imported, waiting=2, later=imported_later)

    def catalogue(self) -> str:
        """A catalogue, from the proposal to the signers."""
        return self._resumed("catalogue", catalogue_published, waiting=1)

    def full_disk(self) -> str:
        """Importing and publishing on a disk that is full, or soon is: one line, and nothing is lost."""
        self._blog_is_read()
        self._write_news()
        said = ""
        published = lambda: sapwood("announce", "publish", str(self.files))  # noqa: E731
        for command, later in ((imported, imported_later), (published, published)):
            with self.ground.kept():
                before = self.ground.see(look)
                self.ground.run(lambda: again(later)).good()  # noqa: B023
                whole = self.ground.see(look)
                for free in count(40_000, 60_000):
                    self.ground.restore()
                    ran = self.ground.run(lambda: on_a_full_disk(free, lambda: sys.exit(command())))  # noqa: B023
                    if ran.code == 0:
                        break
                    assert ran.code == 1, (free, ran)
                    assert re.fullmatch(ON_A_FULL_DISK, ran.err), (free, ran)
                    between = self.ground.see(look)
                    self.ground.run(lambda: again(later)).good()  # noqa: B023
                    after = self.ground.see(look)
                    assert after == whole, f"{free} bytes free\n{differences(whole, after)}"
                    said += f"{free}: {len(between['revisions']) - len(before['revisions'])} of 2 were in\n"
                assert free > 100_000
        return said

    def _resumed(
        self,
        name: str,
        command: Callable[[], object],
        *,
        waiting: int,
        later: Callable[[], object] | None = None,
    ) -> str:
        with self.ground.kept():
            self.ground.run(lambda: again(later or command)).good()
            whole = self.ground.see(look)
            assert len(whole["waiting"]) == waiting, whole

            def judge(found: dict[str, Any], where: str) -> None:
                assert found == whole, f"{where}: resumed, it is not as it should be\n{differences(whole, found)}"

            act = lambda fuse: self.ground.run(lambda: sys.exit(command()), fuse=fuse)  # noqa: E731
            states = self.ground.resumed(name, act, look, files, lambda: again(later or command), judge)
            # What waits can be signed and published, as often as it was staged.
            self.ground.run(signed_and_published).good()
            return f"{name}: {len(states)} different states at death"

    def _write_news(self) -> None:
        for number in (1, 2):
            (self.files / f"news-{number}.md").write_text(FILE.format(number))

    def _blog_is_read(self) -> None:
        """Its backlog was read; two entries have come since."""
        self._blog(1)
        source = ("announce", "sources", "add", "blog", f"http://127.0.0.1:{self.world.http_port}/blog")
        self.ground.command(*source, "--trusted", "--allow-private").good()
        self.ground.command("announce", "import", "blog").good()
        self._blog(3)

    def _blog(self, entries: int) -> None:
        text = FEED.format(entries="".join(ENTRY.format(number) for number in range(entries)))
        (self.world.pages / "blog").write_text(text)


def main() -> None:
    commons = Commons(Path(os.environ["SAPWOOD_VAR"]))
    try:
        doors = (commons.folder, commons.feed, commons.catalogue, commons.full_disk)
        with commons.ground.kept():
            drive({door.__name__: door for door in doors}, commons.ground)
    finally:
        commons.world.stop()


if __name__ == "__main__":
    main()
