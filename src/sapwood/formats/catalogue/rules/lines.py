"""Lines: names, letters, cuts, releases in order, tags, support windows."""

import datetime as dt
import re
from collections.abc import Iterator
from itertools import pairwise

from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.finding import Finding, error, note, warning
from sapwood.formats.catalogue.lines import Line, Release, Span
from sapwood.formats.phrase import Phrase

DAY = dt.timedelta(days=1)
STATUSES = ("supported", "unsupported", "planned")
CONFIDENCES = ("verified", "reported")


def check_lines(catalogue: Catalogue) -> Iterator[Finding]:
    """All rules about lines and their releases."""
    yield from _names(catalogue)
    yield from _tag_forms(catalogue)
    for line in catalogue.lines:
        yield from _status(line)
        yield from _cut(line)
        yield from _releases(line, catalogue.as_of)
        yield from _notes(line)
    yield from _support_windows(catalogue)
    yield from _notes_follow(catalogue)


def place(line: Line, release: Release | None = None) -> str:
    """Where in the document a line or release stands."""
    return f"lines.{line.name}.releases.{release.version}" if release else f"lines.{line.name}"


def _names(catalogue: Catalogue) -> Iterator[Finding]:
    seen: set[str] = set()
    versions: set[str] = set()
    for line in catalogue.lines:
        if line.name in seen:
            yield error("line.duplicate", place(line), Phrase("the line %(line)s stands twice", line=line.name))
        seen.add(line.name)
        if line.letter and not line.name.upper().startswith(line.letter.upper()):
            yield error(
                "line.letter",
                place(line),
                Phrase("%(line)s does not begin with its letter %(letter)s", line=line.name, letter=line.letter),
            )
        for release in line.releases:
            for name in {release.version, release.tag}:
                if name in versions:
                    yield error("release.duplicate", place(line, release), Phrase("%(name)s stands twice", name=name))
                versions.add(name)
    lettered = [line for line in catalogue.lines if line.letter]
    for before, after in pairwise(lettered):
        if ord(after.letter[0].upper()) != ord(before.letter[0].upper()) + 1:
            yield error(
                "line.letter_order",
                place(after),
                Phrase(
                    "the letter %(letter)s does not follow %(other)s (%(line)s)",
                    letter=after.letter,
                    other=before.letter,
                    line=before.name,
                ),
            )


def _tag_forms(catalogue: Catalogue) -> Iterator[Finding]:
    prefixes: list[str] = []
    for line in catalogue.lines:
        prefix = _prefix(line)
        if prefix is None:
            continue
        if prefix in prefixes and prefixes[-1] != prefix:
            yield error(
                "line.tag_form",
                place(line),
                Phrase(
                    "tags of %(line)s go back to %(prefix)s, which an earlier line ended", line=line.name, prefix=prefix
                ),
            )
        if not prefixes or prefixes[-1] != prefix:
            prefixes.append(prefix)
        for release in line.releases:
            yield from _tag(line, release, prefix)


def _prefix(line: Line) -> str | None:
    form = line.tag_form or (line.last.tag if line.last else None)
    return form.split("{")[0].split(line.name)[0] if form else None


def _tag(line: Line, release: Release, prefix: str) -> Iterator[Finding]:
    where = place(line, release)
    if release.tag != prefix + release.version:
        yield error(
            "release.tag_form",
            where,
            Phrase(
                "the tag %(tag)s is not %(prefix)s%(release)s", tag=release.tag, prefix=prefix, release=release.version
            ),
        )
    bare = release.version == line.name and release is line.first
    if bare or re.fullmatch(re.escape(line.name) + r"\.[1-9][0-9]*", release.version):
        return
    corrected = re.fullmatch(re.escape(line.name) + r"\.([1-9][0-9]*)[a-z]", release.version)
    twins = [item.version for item in line.releases]
    if corrected and f"{line.name}.{corrected[1]}" in twins:
        yield note(
            "release.number_exception",
            where,
            Phrase("%(release)s is not of the form %(line)s.N", release=release.version, line=line.name),
        )
    else:
        yield error(
            "release.number",
            where,
            Phrase("%(release)s is not of the form %(line)s.N", release=release.version, line=line.name),
        )


def _status(line: Line) -> Iterator[Finding]:
    where = place(line)
    if line.status not in STATUSES:
        yield error(
            "line.status",
            where,
            Phrase("the status %(value)s is none of %(names)s", value=repr(line.status), names=", ".join(STATUSES)),
        )
    if line.status == "planned" and line.releases:
        yield error("line.planned_released", where, Phrase("%(line)s is planned and yet has releases", line=line.name))
    if line.status != "planned" and not line.releases:
        yield error(
            "line.unreleased",
            where,
            Phrase("%(line)s is %(status)s without a release", line=line.name, status=line.status),
        )
    if line.confidence not in {"", *CONFIDENCES}:
        yield error(
            "confidence.unknown",
            where,
            Phrase(
                "the confidence %(value)s is none of %(names)s",
                value=repr(line.confidence),
                names=", ".join(CONFIDENCES),
            ),
        )


def _cut(line: Line) -> Iterator[Finding]:
    where = f"{place(line)}.cut"
    first = line.first.out_by if line.first else None
    if line.cut and first and line.cut > first:
        yield error(
            "line.cut_after_release",
            where,
            Phrase("cut on %(cut)s, after the first release of %(first)s", cut=line.cut, first=first),
        )
    if line.cut and line.cut_window:
        yield from _cut_window(line, line.cut, line.cut_window)
    if line.cut and line.cut_stated and abs(line.cut - line.cut_stated) > DAY:
        yield warning(
            "line.cut_disputed",
            where,
            Phrase(
                "the official table says %(cut_stated)s, the catalogue holds %(cut)s",
                cut_stated=line.cut_stated,
                cut=line.cut,
            ),
        )


def _cut_window(line: Line, cut: dt.date, window: Span) -> Iterator[Finding]:
    where = f"{place(line)}.cut"
    start, end = window.days()
    if start and end and start > end:
        yield error(
            "line.cut_window",
            where,
            Phrase("the window ends on %(end)s before it starts on %(start)s", end=end, start=start),
        )
        return
    off = max((start - cut) if start else dt.timedelta(), (cut - end) if end else dt.timedelta())
    if off > DAY:
        shape = error if line.cut_confidence == "verified" else warning
        yield shape(
            "line.cut_outside_window",
            where,
            Phrase(
                "%(cut)s lies %(days)s days outside the branch points %(start)s to %(end)s",
                cut=cut,
                days=off.days,
                start=start,
                end=end,
            ),
        )
    elif off == DAY:
        yield note(
            "line.cut_near_window",
            where,
            Phrase("%(cut)s is one day off the branch points %(start)s to %(end)s", cut=cut, start=start, end=end),
        )


def _releases(line: Line, as_of: dt.date) -> Iterator[Finding]:
    numbers = [_number(line, release) for release in line.releases]
    for before, after in pairwise(zip(line.releases, numbers, strict=True)):
        (one, first), (other, second) = before, after
        where = place(line, other)
        if one.date and other.date and other.date < one.date:
            yield error(
                "release.order",
                where,
                Phrase(
                    "%(other)s (%(day)s) is older than %(one)s (%(before)s)",
                    other=other.version,
                    day=other.date,
                    one=one.version,
                    before=one.date,
                ),
            )
        if first is not None and second is not None and second[0] - first[0] > 1:
            yield error(
                "release.gap",
                where,
                Phrase("between %(one)s and %(other)s a number is missing", one=one.version, other=other.version),
            )
        if first is not None and second is not None and second <= first:
            yield error(
                "release.order", where, Phrase("%(other)s stands after %(one)s", other=other.version, one=one.version)
            )
    if numbers and numbers[0] is not None and numbers[0][0] > 1:
        yield error(
            "release.gap", place(line, line.releases[0]), Phrase("the line does not begin with its first release")
        )
    for release in line.releases:
        yield from _release_date(line, release, as_of)


def _number(line: Line, release: Release) -> tuple[int, str] | None:
    if release.version == line.name:
        return 0, ""
    match = re.fullmatch(re.escape(line.name) + r"\.([0-9]+)([a-z]?)", release.version)
    return (int(match[1]), match[2]) if match else None


def _release_date(line: Line, release: Release, as_of: dt.date) -> Iterator[Finding]:
    where = place(line, release)
    if release.date and release.date > as_of:
        yield error(
            "release.after_as_of",
            where,
            Phrase("released on %(date)s, after the catalogue's day %(as_of)s", date=release.date, as_of=as_of),
        )
    if not release.listed:
        yield warning(
            "release.unlisted", where, Phrase("%(release)s is not in the official table", release=release.version)
        )
    early, late = release.not_before, release.not_after
    if early and late and early > late:
        yield error(
            "release.window",
            where,
            Phrase("not before %(early)s and not after %(late)s exclude each other", early=early, late=late),
        )
        return
    if release.date is None and not (early and late):
        yield warning(
            "release.undated", where, Phrase("%(release)s has neither a date nor a span", release=release.version)
        )
    if release.date and ((early and release.date < early) or (late and release.date > late)):
        yield error(
            "release.outside_window",
            where,
            Phrase("%(date)s lies outside %(early)s to %(late)s", date=release.date, early=early, late=late),
        )
    elif early and late and late - early > DAY:
        yield warning(
            "release.date_uncertain",
            where,
            Phrase(
                "%(release)s came out between %(early)s and %(late)s", release=release.version, early=early, late=late
            ),
        )


def _support_windows(catalogue: Catalogue) -> Iterator[Finding]:
    for line, after in pairwise(catalogue.lines):
        opens = after.first.out_by if after.first else None
        where = f"{place(line)}.supported_until"
        if opens is None and line.supported_until and line.releases:
            yield error(
                "support.gap",
                where,
                Phrase(
                    "support ends on %(supported_until)s, but %(after)s is not out",
                    supported_until=line.supported_until,
                    after=after.name,
                ),
            )
        elif opens and line.releases and line.supported_until is None:
            yield error(
                "support.overlap",
                where,
                Phrase(
                    "%(line)s has no end of support, but %(after)s came out on %(opens)s",
                    line=line.name,
                    after=after.name,
                    opens=opens,
                ),
            )
        elif opens and line.supported_until and line.supported_until < opens:
            yield error(
                "support.gap",
                where,
                Phrase(
                    "support ends on %(supported_until)s, %(after)s came out on %(opens)s",
                    supported_until=line.supported_until,
                    after=after.name,
                    opens=opens,
                ),
            )
        elif opens and line.supported_until and line.supported_until > opens:
            yield error(
                "support.overlap",
                where,
                Phrase(
                    "support ends on %(supported_until)s, %(after)s came out on %(opens)s",
                    supported_until=line.supported_until,
                    after=after.name,
                    opens=opens,
                ),
            )
    yield from _support_status(catalogue)


def _support_status(catalogue: Catalogue) -> Iterator[Finding]:
    supported = [line for line in catalogue.lines if line.status == "supported"]
    if len(supported) > 1:
        names = ", ".join(line.name for line in supported)
        yield error(
            "support.several", "lines", Phrase("more than one line is called supported: %(names)s", names=names)
        )
    released = [line for line in catalogue.lines if line.releases]
    for line in released:
        ended = line.supported_until is not None and line.supported_until <= catalogue.as_of
        if ended and line.status == "supported":
            yield error(
                "support.status",
                place(line),
                Phrase(
                    "called supported, but support ended on %(supported_until)s", supported_until=line.supported_until
                ),
            )
        if not ended and line.status == "unsupported":
            yield error("support.status", place(line), Phrase("called unsupported, but its support has not ended"))
    if released and not supported:
        yield error("support.none", "lines", Phrase("no line is called supported"))


def _notes(line: Line) -> Iterator[Finding]:
    if line.notes_url and not line.notes_url.startswith("https://"):
        yield error("notes.url", f"{place(line)}.notes_url", Phrase("the address of the notes is not an https address"))
    if not line.notes_span:
        return
    start, end = line.notes_span.days()
    where = f"{place(line)}.notes_span"
    first = line.first.out_by if line.first else None
    if start and end and start > end:
        yield error(
            "notes.reversed", where, Phrase("the notes start on %(start)s and end on %(end)s", start=start, end=end)
        )
    if end and line.cut and abs(end - line.cut) > DAY:
        yield warning(
            "notes.end_differs",
            where,
            Phrase("the notes end on %(end)s, the line was cut on %(cut)s", end=end, cut=line.cut),
        )
    if end and not line.cut and line.planned == end.isoformat():
        yield warning(
            "notes.end_is_release", where, Phrase("the notes end on the day of the planned release, %(end)s", end=end)
        )
    if end and first and end >= first:
        yield warning(
            "notes.end_differs",
            where,
            Phrase("the notes end on %(end)s, not before the first release of %(first)s", end=end, first=first),
        )


def _notes_follow(catalogue: Catalogue) -> Iterator[Finding]:
    for before, line in pairwise(catalogue.lines):
        start = line.notes_span.days()[0] if line.notes_span else None
        if start is None:
            continue
        ends = (before.notes_span.days()[1] if before.notes_span else None) or before.cut
        if ends and abs(start - ends) > DAY:
            yield warning(
                "notes.start_differs",
                f"{place(line)}.notes_span",
                Phrase(
                    "the notes start on %(start)s, those of %(before)s end on %(ends)s",
                    start=start,
                    before=before.name,
                    ends=ends,
                ),
            )
