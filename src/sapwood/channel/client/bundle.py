"""The air-gap bundle: one zip file with everything that a pull would ask for, verified in the same way.

The file is only a carrier. Its names are those of the served folder, so a bundle proves nothing that its signed
content does not prove.
"""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tuf.api.exceptions import DownloadError, DownloadHTTPError, DownloadLengthMismatchError
from tuf.ngclient import FetcherInterface
from typing_extensions import override

from sapwood.channel.errors import BundleError
from sapwood.core.files import write_atomically

BUNDLE_URL = "bundle:///"
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 65_536


class BundleFetcher(FetcherInterface):
    """Reads a bundle as if it were the network; nothing is unpacked to disk."""

    def __init__(self, bundle: zipfile.ZipFile) -> None:
        self._bundle = bundle

    @override
    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with self._bundle.open(url.removeprefix(BUNDLE_URL)) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except KeyError as error:
            raise DownloadHTTPError(f"The bundle has no {url.removeprefix(BUNDLE_URL)}", 404) from error
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
            raise DownloadError(f"The bundle is damaged: {error}") from error

    @override
    @contextmanager
    def download_file(self, url: str, max_length: int) -> Iterator[IO[bytes]]:
        """One member, at most `max_length` bytes of it whatever the zip claims."""
        with TemporaryFile() as file:
            received = 0
            for chunk in self._fetch(url):
                received += len(chunk)
                if received > max_length:
                    raise DownloadLengthMismatchError(f"The bundle's {url} is longer than {max_length} bytes")
                file.write(chunk)
            file.seek(0)
            yield file


@contextmanager
def open_bundle(path: Path) -> Iterator[BundleFetcher]:
    """A bundle to pull from; raises BundleError when the file is none."""
    try:
        with zipfile.ZipFile(path) as bundle:
            yield BundleFetcher(bundle)
    except (zipfile.BadZipFile, OSError) as error:
        raise BundleError(f"{path} is not a bundle: {error}", hint="Copy it again; it may be cut off.") from error


def write_bundle(path: Path, files: Sequence[tuple[str, bytes]]) -> int:
    """Write a bundle; the same files give the same bytes. Returns its size."""
    with TemporaryFile() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, raw in sorted(files):
                member = zipfile.ZipInfo(name, date_time=_FIXED_DATE)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = 0o644 << 16
                bundle.writestr(member, raw)
        buffer.seek(0)
        content = buffer.read()
    write_atomically(path, content, mode=0o644)
    return len(content)
