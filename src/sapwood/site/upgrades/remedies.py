"""What to do about a failed statement, in words: by the class of its error, whatever the application."""

import re
from typing import Final

from sapwood.formats.phrase import Phrase

HALF_DONE: Final = Phrase(
    "The database kept the statements before this one, and the migration is not recorded as applied: the schema now"
    " lies between two releases. Do not run it again and do not fake it: go back to the backup, and take a release"
    " of the package in which it works."
)
HELD_BACK: Final = Phrase(
    "It wanted something that a rehearsal holds back, so nobody knows how it ends in production. Point it at a"
    " stand-in by settings of that side, or judge it yourself."
)
OTHER: Final = Phrase(
    "Read the statement and the message; look whether the package has a newer release, or report it to its maintainers."
)
UNKNOWN_COLUMN: Final = Phrase(
    "The statement names a column or table that your database does not have. Compare the schema with the migrations"
    " that are recorded as applied (one may have been faked, or a fork may differ); else the migration is wrong for"
    " your database: take another release of the package."
)
EXISTS: Final = Phrase(
    "What it wants to make is there already, as after a migration that was half done or made by hand. Compare it with"
    " what the migration makes before you change anything."
)
DUPLICATE: Final = Phrase(
    "Rows that must become unique are not. Find the duplicates of this key, merge or remove them on the running site,"
    " then rehearse again."
)
TOO_LONG: Final = Phrase(
    "A value does not fit into its column. Look whether the column still has the type of the older release (a type"
    " that no migration converted), else shorten the values, then rehearse again."
)
BAD_VALUE: Final = Phrase(
    "A value cannot be converted into the new type (a zero date, a text where a number belongs, a number out of range)."
    " Correct these rows on the running site, then rehearse again."
)
EMPTY: Final = Phrase(
    "Rows have no value where one becomes mandatory. Fill them on the running site, then rehearse again."
)
ORPHANS: Final = Phrase(
    "Rows point at rows that are gone, or the types of the two columns differ. Remove or repair the orphans on the"
    " running site, then rehearse again."
)
LOCKED: Final = Phrase(
    "It waited for a lock that somebody holds. End that transaction, or wait for it, then rehearse again; in production"
    " stop the workers first."
)
FULL: Final = Phrase(
    "There was no room. A rewritten table needs its own size once more, on the data and temporary disks: free some"
    " space, then rehearse again."
)
DENIED: Final = Phrase("The database's user may not do this. Give it the right, then rehearse again.")
GONE: Final = Phrase(
    "The connection to the database broke. Look into the server's log, at its memory and its largest packet, then"
    " rehearse again."
)
KEY_TOO_LONG: Final = Phrase(
    "An index or a row would be larger than the server allows. Look at the table's character set and row format."
)
NOT_UNDERSTOOD: Final = Phrase(
    "Your database server does not understand the statement. Look which servers and versions the release supports."
)

# https://mariadb.com/kb/en/mariadb-error-code-reference/ and https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_CODE: Final[dict[Phrase, frozenset[int | str]]] = {
    UNKNOWN_COLUMN: frozenset({1054, 1072, 1091, 1146, 1176, 1051, "42703", "42P01", "42704"}),
    EXISTS: frozenset({1050, 1060, 1061, 1826, "42P07", "42701", "42710"}),
    DUPLICATE: frozenset({1062, 1586, "23505", "23P01"}),
    TOO_LONG: frozenset({1406, "22001"}),
    BAD_VALUE: frozenset(
        {1067, 1264, 1265, 1292, 1366, 3819, 4025, "22003", "22007", "22008", "22P02", "23514", "42804"}
    ),
    EMPTY: frozenset({1048, 1138, 1364, "23502"}),
    ORPHANS: frozenset({1005, 1215, 1216, 1217, 1451, 1452, 1832, 1833, "23503"}),
    LOCKED: frozenset({1205, 1213, "40P01", "55P03", "57014"}),
    FULL: frozenset({3, 28, 1021, 1114, "53100"}),
    DENIED: frozenset({1044, 1045, 1142, 1227, "42501"}),
    GONE: frozenset({1053, 1153, 1927, 2002, 2003, 2006, 2013, "08006", "57P01", "57P02"}),
    KEY_TOO_LONG: frozenset({1071, 1118, 1709, "54000"}),
    NOT_UNDERSTOOD: frozenset({1064, 1178, 1235, "0A000", "42601", "42883"}),
}  # fmt: skip
# SQLite has words and no numbers.
_BY_WORDS: Final = (
    (UNKNOWN_COLUMN, r"no such (column|table|index)|unknown column"),
    (EXISTS, r"already exists|duplicate column name"),
    (DUPLICATE, r"UNIQUE constraint failed|duplicate entry"),
    (EMPTY, r"NOT NULL constraint failed"),
    (ORPHANS, r"FOREIGN KEY constraint failed"),
    (TOO_LONG, r"data too long|value too long"),
    (LOCKED, r"database (table )?is locked|lock wait timeout"),
    (FULL, r"disk is full|no space left"),
    (BAD_VALUE, r"CHECK constraint failed|datatype mismatch"),
    (NOT_UNDERSTOOD, r"near .*: syntax error"),
)


def remedy(code: int | str | None, message: str, *, half_done: bool = False, held_back: bool = False) -> Phrase:
    """The next step after a failed statement."""
    if held_back:
        return HELD_BACK
    what = next((words for words, codes in _BY_CODE.items() if code in codes), None)
    if what is None:
        found = (words for words, pattern in _BY_WORDS if re.search(pattern, message, re.IGNORECASE))
        what = next(found, OTHER)
    return Phrase.joined(" ", (HALF_DONE, what)) if half_done else what
