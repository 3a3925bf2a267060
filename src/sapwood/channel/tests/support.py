"""What the channel's tests share: a published folder served without a network, and documents to publish."""

import atexit
import datetime as dt
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from uuid import UUID, uuid5

from sapwood.channel import api
from sapwood.core.clock import FixedClock
from sapwood.core.http import Request, Response, TooLargeError
from sapwood.formats.announcement import Announcement, Kind
from sapwood.formats.documents import document_bytes
from sapwood.formats.publication import LocaleText

NOW = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
URL = "https://commons.example.org/channel"
FAMILY = UUID("5a9b0d3e-0000-4000-8000-000000000000")


def uuid_of(number: int) -> UUID:
    return uuid5(FAMILY, str(number))


def announcement(number: int = 1, *, channel: str = "community", revision: int = 1, title: str = "News") -> bytes:
    text = LocaleText(title=f"{title} {number}", summary="In short", body="At length")
    return document_bytes(
        Announcement(uuid=uuid_of(number), revision=revision, channel=channel, kind=Kind.NEWS, texts={"en": text})
    )


class FolderHttp:
    """An HttpClient whose other side is a folder, as a static server shows it."""

    def __init__(self, folder: Path, url: str = URL) -> None:
        self.folder = folder
        self.url = url
        self.asked: list[str] = []

    def fetch(self, request: Request) -> Response:
        self.asked.append(request.url)
        assert request.url.startswith(self.url + "/"), request.url
        path = self.folder / request.url.removeprefix(self.url + "/")
        if not path.is_file():
            return Response(404, {"content-type": "text/plain"}, b"not here", request.url)
        body = path.read_bytes()
        if len(body) > request.max_bytes:
            raise TooLargeError("too large")
        return Response(200, {"content-type": "application/json"}, body, request.url)

    @contextmanager
    def stream(self, request: Request):
        raise NotImplementedError


class Commons:
    """A real repository in a folder, made once per run and copied for each test."""

    template: Path | None = None

    def __init__(self, path: Path, *, now: dt.datetime = NOW) -> None:
        self.path = path
        self.clock = FixedClock(now)
        self.http = FolderHttp(path / "repository")
        if path.exists() or now != NOW:
            api.init_repository(path, now=now)
            return
        if Commons.template is None:
            Commons.template = Path(mkdtemp(prefix="sapwood-commons-"))
            atexit.register(shutil.rmtree, Commons.template)
            api.init_repository(Commons.template / "channel", now=NOW)
        shutil.copytree(Commons.template / "channel", path)

    @property
    def root(self) -> bytes:
        return (self.path / "repository" / "metadata" / "1.root.json").read_bytes()

    def publish(self, *documents: bytes, channel: str = "community") -> None:
        for raw in documents:
            api.stage(raw, channel=channel, repo=self.path, now=self.clock.now())
        api.sign(repo=self.path, now=self.clock.now())
        api.publish(repo=self.path, now=self.clock.now())
