"""A disk that is full or fails, whoever notices it first: the database, or whatever writes a file."""

import errno

from django.db import DatabaseError

from sapwood.core.errors import UnavailableError
from sapwood.formats.phrase import Phrase

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskError(UnavailableError):
    """The disk that holds the state is full or fails, so nothing was changed."""

    code = "core.disk"
    http_status = 507


def as_disk_error(error: BaseException) -> DiskError | None:
    """What an exception says about the disk; None when it speaks of something else."""
    if isinstance(error, DatabaseError):
        # https://sqlite.org/rescode.html; other databases have disks of their own.
        name = getattr(error.__cause__, "sqlite_errorname", "")
        told = name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR")
    else:
        told = isinstance(error, OSError) and error.errno in _FULL
    if not told:
        return None
    what = error.strerror if isinstance(error, OSError) else error
    # A phrase, because the disk may be full before there is a Django that could translate.
    return DiskError(
        Phrase("The disk does not take what is written: %(what)s", what=str(what)),
        hint=Phrase("Make room on it, then do it again."),
    )
