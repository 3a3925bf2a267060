"""Distribution versions and advisories: what they name exists, and nothing comes before its cause."""

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise

from packaging.version import Version

from sapwood.formats.catalogue.advisories import Advisory
from sapwood.formats.catalogue.document import Catalogue
from sapwood.formats.catalogue.finding import Finding, error, note, warning
from sapwood.formats.catalogue.lines import DistributionVersion
from sapwood.formats.catalogue.order import ReleaseOrder, find_line, find_release, line_of, version_key
from sapwood.formats.phrase import Phrase

DAY = dt.timedelta(days=1)
WAIT = dt.timedelta(days=14)  # a changelog's heading is often written some days before the version is published
RATINGS = ("none", "low", "medium", "high", "critical")


def check_distributions(catalogue: Catalogue) -> Iterator[Finding]:
    """All rules about distribution versions."""
    for name, versions in catalogue.distributions.items():
        place = f"distributions.{name}"
        seen: set[str] = set()
        for entry in versions:
            where = f"{place}.{entry.version}"
            if entry.version in seen:
                yield error("distribution.duplicate", where, Phrase("%(name)s stands twice", name=entry.version))
            seen.add(entry.version)
            if version_key(entry.version) is None:
                yield error("distribution.version", where, Phrase("%(text)s is not a version", text=entry.version))
            yield from _ships(catalogue, entry, where)
            yield from _dates(catalogue, entry, where)
        yield from _ascending(catalogue, place, versions)
        yield from _majors(catalogue, place, versions)


def _ships(catalogue: Catalogue, entry: DistributionVersion, where: str) -> Iterator[Finding]:
    found = find_release(catalogue, entry.ships)
    if found is None:
        yield error(
            "distribution.ships_unknown", where, Phrase("it ships %(ships)s, which is not a release", ships=entry.ships)
        )
        return
    released = found[1].date or found[1].not_before
    if not released:
        return
    if entry.date and released - entry.date > DAY:
        yield error(
            "distribution.before_release",
            where,
            Phrase(
                "it is of %(date)s, %(ships)s is of %(released)s", date=entry.date, ships=entry.ships, released=released
            ),
        )
    elif entry.date and released - entry.date == DAY:
        yield note(
            "distribution.day_before_release", where, Phrase("it is one day older than %(ships)s", ships=entry.ships)
        )
    if entry.changelog_date and released - entry.changelog_date > DAY:
        text = Phrase(
            "its changelog says %(changelog_date)s, before %(ships)s was released on %(released)s",
            changelog_date=entry.changelog_date,
            ships=entry.ships,
            released=released,
        )
        yield warning("distribution.changelog_before_release", where, text)


def _dates(catalogue: Catalogue, entry: DistributionVersion, where: str) -> Iterator[Finding]:
    if entry.date and entry.tag_date and abs(entry.date - entry.tag_date) > DAY:
        yield warning(
            "distribution.tag_moved",
            where,
            Phrase("published on %(date)s, but its tag is of %(tag_date)s", date=entry.date, tag_date=entry.tag_date),
        )
    late = entry.date - entry.changelog_date if entry.date and entry.changelog_date else dt.timedelta()
    if late < -DAY or late > WAIT:
        text = Phrase(
            "published on %(date)s, but its changelog says %(changelog_date)s",
            date=entry.date,
            changelog_date=entry.changelog_date,
        )
        yield warning("distribution.changelog_differs", where, text)
    if entry.changelog_date and not entry.tag_date:
        yield warning("distribution.unpublished", where, Phrase("only a changelog vouches for it: there is no tag"))
    if entry.date and (entry.date > catalogue.as_of) != entry.after_as_of:
        yield error(
            "distribution.after_as_of",
            where,
            Phrase("of %(date)s; the catalogue is of %(as_of)s", date=entry.date, as_of=catalogue.as_of),
        )


def _ascending(catalogue: Catalogue, place: str, versions: tuple[DistributionVersion, ...]) -> Iterator[Finding]:
    order = ReleaseOrder.of(catalogue.lines)
    keyed = [(version_key(entry.version), entry) for entry in versions]
    kept = [(key, entry) for key, entry in keyed if key is not None]
    for (first, one), (second, other) in pairwise(kept):
        where = f"{place}.{other.version}"
        if second < first:
            yield error(
                "distribution.order",
                where,
                Phrase("%(other)s stands after %(one)s", other=other.version, one=one.version),
            )
        elif order.older(other.ships, one.ships):
            yield error(
                "distribution.goes_back",
                where,
                Phrase(
                    "%(other)s ships %(ships)s, %(one)s %(shipped)s",
                    other=other.version,
                    ships=other.ships,
                    one=one.version,
                    shipped=one.ships,
                ),
            )
        if second.major == first.major and one.date and other.date and other.date < one.date:
            yield error(
                "distribution.order",
                where,
                Phrase(
                    "%(other)s is of %(day)s, %(one)s of %(before)s",
                    other=other.version,
                    day=other.date,
                    one=one.version,
                    before=one.date,
                ),
            )
        if other.first_with_release == (
            other.ships in {entry.ships for _, entry in kept if entry is not other and _before(entry, other)}
        ):
            text = (
                Phrase("it is called the first version with %(ships)s", ships=other.ships)
                if other.first_with_release
                else Phrase("it is not called the first version with %(ships)s", ships=other.ships)
            )
            yield error("distribution.first", where, text)


def _before(one: DistributionVersion, other: DistributionVersion) -> bool:
    first, second = version_key(one.version), version_key(other.version)
    return first is not None and second is not None and first < second


def _majors(catalogue: Catalogue, place: str, versions: tuple[DistributionVersion, ...]) -> Iterator[Finding]:
    """One major per line: the line that most versions of a major ship is that major's line."""
    order = ReleaseOrder.of(catalogue.lines)
    counts: dict[int, dict[str, int]] = {}
    for entry in versions:
        key = version_key(entry.version)
        if key is not None:
            tally = counts.setdefault(key.major, {})
            line = line_of(entry.ships)
            tally[line] = tally.get(line, 0) + 1
    home = {major: max(tally, key=lambda line: tally[line]) for major, tally in counts.items()}
    for entry in versions:
        key = version_key(entry.version)
        if key is not None and line_of(entry.ships) != home[key.major]:
            where = f"{place}.{entry.version}"
            yield error(
                "distribution.major",
                where,
                Phrase(
                    "%(major)s belongs to %(home)s, it ships %(ships)s",
                    major=key.major,
                    home=home[key.major],
                    ships=entry.ships,
                ),
            )
    for first, second in pairwise(sorted(home)):
        one, other = order.line_index(home[first]), order.line_index(home[second])
        if one is not None and other is not None and other - one != second - first:
            yield error(
                "distribution.major",
                place,
                Phrase(
                    "%(first)s is %(one)s and %(second)s is %(other)s",
                    first=first,
                    one=home[first],
                    second=second,
                    other=home[second],
                ),
            )


def check_advisories(catalogue: Catalogue) -> Iterator[Finding]:
    """All rules about advisories."""
    seen: set[str] = set()
    for advisory in catalogue.advisories:
        where = f"advisories.{advisory.id}"
        if advisory.id in seen:
            yield error("id.duplicate", where, Phrase("the advisory %(advisory)s stands twice", advisory=advisory.id))
        seen.add(advisory.id)
        yield from _affected(catalogue, advisory, where)
        yield from _fix(catalogue, advisory, where)
        yield from _severity(advisory, where)
        yield from _disclosure(catalogue, advisory, where)


def _affected(catalogue: Catalogue, advisory: Advisory, where: str) -> Iterator[Finding]:
    for name in advisory.lines:
        if find_line(catalogue, name) is None:
            yield error(
                "advisory.unknown_line", where, Phrase("it names the line %(name)s, which does not exist", name=name)
            )
    for version in advisory.releases:
        found = find_release(catalogue, version)
        if found is None:
            yield error(
                "advisory.unknown_release",
                where,
                Phrase("it names %(version)s, which is not a release", version=version),
            )
        elif advisory.lines and found[0].name not in advisory.lines:
            yield error(
                "advisory.line_missing",
                where,
                Phrase("%(version)s is affected, its line %(found)s is not", version=version, found=found[0].name),
            )


def _fix(catalogue: Catalogue, advisory: Advisory, where: str) -> Iterator[Finding]:
    order = ReleaseOrder.of(catalogue.lines)
    for tag in advisory.fixed_in.tags:
        found = find_release(catalogue, tag)
        if found is None:
            yield error(
                "advisory.fix_unknown", where, Phrase("it is fixed in %(tag)s, which is not a release", tag=tag)
            )
            continue
        line, release = found
        if line.name not in advisory.lines and advisory.lines and release is not line.first:
            text = Phrase(
                "the fix came with %(tag)s, a later release of %(line)s, which is not called affected",
                tag=tag,
                line=line.name,
            )
            yield warning("advisory.range", where, text)
    fix = advisory.fixed_in.tag
    for version in advisory.releases:
        if fix and order.older(version, fix) is False:
            text = Phrase("%(version)s is affected and not older than the fixed %(fix)s", version=version, fix=fix)
            yield error("advisory.affected_not_older", where, text)
    for name, listed in advisory.fixed_in.distributions.items():
        yield from _fixed_distribution(catalogue, advisory, name, listed, where)


def _fixed_distribution(
    catalogue: Catalogue, advisory: Advisory, name: str, text: str, where: str
) -> Iterator[Finding]:
    entries = {entry.version: entry for entry in catalogue.distributions.get(name, ())}
    entry = entries.get(text)
    key: Version | None = version_key(text)
    if entry is None or key is None:
        yield error(
            "advisory.fix_unknown",
            where,
            Phrase("it is fixed in %(name)s %(text)s, which is not listed", name=name, text=text),
        )
        return
    if entry.date and advisory.disclosed and entry.date < advisory.disclosed - DAY and not advisory.fixed_in.branch:
        yield warning(
            "advisory.fix_early",
            where,
            Phrase(
                "%(name)s %(text)s is older than the first mention of %(disclosed)s",
                name=name,
                text=text,
                disclosed=advisory.disclosed,
            ),
        )


def _severity(advisory: Advisory, where: str) -> Iterator[Finding]:
    if advisory.severity is None:
        return
    source = str(advisory.severity.get("source") or "")
    if not advisory.cve or not source.startswith("cve#"):
        yield error("advisory.severity_source", where, Phrase("its severity does not come from a CVE record"))
    elif source.partition("#")[2] != advisory.cve:
        yield error(
            "advisory.severity_source",
            where,
            Phrase("its severity comes from %(source)s, its record is %(cve)s", source=source, cve=advisory.cve),
        )
    if advisory.rating not in RATINGS:
        yield error(
            "advisory.rating",
            where,
            Phrase("%(value)s is none of %(names)s", value=repr(advisory.rating), names=", ".join(RATINGS)),
        )


def _disclosure(catalogue: Catalogue, advisory: Advisory, where: str) -> Iterator[Finding]:
    if advisory.first_seen is None:
        yield error("advisory.first_seen", where, Phrase("it does not say since when the public knows"))
        return
    if advisory.published and advisory.published < advisory.first_seen:
        text = Phrase(
            "published on %(published)s, before its first mention of %(first_seen)s",
            published=advisory.published,
            first_seen=advisory.first_seen,
        )
        yield error("advisory.dates", where, text)
    if advisory.first_seen > catalogue.as_of:
        yield error(
            "advisory.after_as_of",
            where,
            Phrase(
                "first seen on %(first_seen)s, after %(as_of)s", first_seen=advisory.first_seen, as_of=catalogue.as_of
            ),
        )
