"""The files of old rehearsals that the console asked for: removed by number and by age.

What a rehearsal found stays in the database. Never removed is the newest of a deployment, one whose certificate still
holds, and one that an upgrade rests on.
"""

import datetime as dt
import shutil
from pathlib import Path

from sapwood.site.upgrades.conf import KEEP_REPORT_DAYS, KEEP_REPORTS
from sapwood.site.upgrades.models import JournalLine, RehearsalRecord


def prune(work: Path, *, now: dt.datetime) -> int:
    """Remove what is too old or one too many; how many folders."""
    removed, seen = 0, dict[str, int]()
    named = _named()
    oldest = now - dt.timedelta(days=KEEP_REPORT_DAYS.get())
    rows = RehearsalRecord.objects.exclude(folder="").select_related("request").order_by("-request__asked_at")
    for record in rows:
        place = record.request.place
        seen[place] = number = seen.get(place, 0) + 1
        if number == 1 or (number <= KEEP_REPORTS.get() and record.request.asked_at >= oldest):
            continue
        if (record.expires_at and record.expires_at > now) or record.certificate in named:
            continue
        folder = Path(record.folder)
        if folder.parent == work / "reports":  # only what was made here
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
            RehearsalRecord.objects.filter(pk=record.pk).update(folder="", certificate="")
    return removed


def _named() -> set[str]:
    """The certificates that upgrades rest on, by their journals."""
    begun = JournalLine.objects.filter(event="begun").values_list("details", flat=True)
    return {str(details["certificate"]) for details in begun if details.get("certificate")}
