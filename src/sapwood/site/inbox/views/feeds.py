"""Atom out: the announcements of one audience in one language (RFC 4287)."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from typing_extensions import override

from sapwood.core.clock import system_clock
from sapwood.core.errors import NotFoundError
from sapwood.formats.publication import pick_locale
from sapwood.site.inbox import api, content, rendering
from sapwood.site.inbox.data import Audience, OutletKind, Reader
from sapwood.site.inbox.views.announcements import reader_of

FEED_SIZE = 50


class StableAtom(Atom1Feed):
    """Atom whose date is that of its newest entry, so that nothing new gives the same bytes."""

    content_type = "application/atom+xml; charset=utf-8"

    @override
    def latest_post_date(self) -> dt.datetime:
        """The newest entry's date; of an empty feed, the epoch (Django would say now)."""
        dates = [item["updateddate"] for item in self.items if item.get("updateddate")]
        return max(dates, default=dt.datetime.fromtimestamp(0, tz=dt.UTC))


@require_GET
def atom(request: HttpRequest, audience: str, locale: str) -> HttpResponse:
    """The feed, for whoever may read it: public ones for everybody, others for signed-in people."""
    known = {code for code, _name in settings.LANGUAGES}
    if audience not in Audience.values or locale not in known:
        raise NotFoundError(_("There is no such feed"))
    mine = reader_of(request)
    reader = Reader(mine.audience, pick_locale(known, locale) or "en")
    wanted = Audience(audience)
    if wanted not in api.open_audiences(reader, OutletKind.FEED):
        raise NotFoundError(_("There is no such feed"))
    now = system_clock().now()
    found = api.announcements(reader, now=now, outlet=OutletKind.FEED, size=FEED_SIZE, only=wanted).items
    brand = content.brand_values()
    feed = StableAtom(
        title=f"{brand['site_name']}: {wanted.label}",
        link=settings.BASE_URL + reverse("inbox:announcements"),
        description="",
        language=reader.locale,
        feed_url=settings.BASE_URL + request.path,
        feed_guid=f"urn:sapwood:{wanted.value}:{reader.locale}",
        author_name=brand["site_name"],
    )
    for one in found:
        feed.add_item(**_entry(one, reader))
    response = HttpResponse(content_type=feed.content_type)
    feed.write(response, "utf-8")
    response["Cache-Control"] = "private, max-age=300"
    return response


def _entry(one: Any, reader: Reader) -> dict[str, Any]:
    reading = rendering.read_in(one.texts, one.links, one.brand, reader.locale)
    return {
        "title": reading.title,
        "link": settings.BASE_URL + reverse("inbox:announcement", args=[one.item]),
        "description": reading.body,
        "unique_id": f"urn:uuid:{one.publication}",
        "pubdate": one.starts_at,
        "updateddate": one.starts_at,
        "categories": (one.kind,),
        "author_name": one.brand["site_name"],
    }
