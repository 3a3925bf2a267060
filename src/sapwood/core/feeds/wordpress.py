"""The addresses under which WordPress lists its posts."""

import datetime as dt
from urllib.parse import urlencode, urlsplit, urlunsplit

_FIELDS = "id,date_gmt,modified_gmt,guid,link,status,title,excerpt,content,_links,_embedded"
PAGE_SIZE = 50


def posts_url(site: str, *, modified_after: dt.datetime | None = None, pretty: bool = True) -> str:
    """Where a WordPress site lists its latest posts, edits first; `pretty` as its permalinks are.

    The date of the last change reveals edits that RSS hides.
    """
    parts = urlsplit(site)
    base = parts.path.rstrip("/")
    query = {
        "per_page": str(PAGE_SIZE),
        "orderby": "modified",
        "order": "desc",
        "_embed": "author,wp:term",
        "_fields": _FIELDS,
    }
    if modified_after is not None:
        query["modified_after"] = f"{modified_after.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}Z"
    if pretty:
        path = f"{base}/wp-json/wp/v2/posts"
    else:
        path, query = f"{base}/", {"rest_route": "/wp/v2/posts"} | query
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))
