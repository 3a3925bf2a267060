"""Addresses of a site."""

from sapwood.config.urls_shared import SHARED, handlers, mount

urlpatterns = [
    *mount("", "sapwood.site.inbox.urls"),
    *mount("release/", "sapwood.site.facts.urls"),
    *mount("upgrade/", "sapwood.site.upgrades.urls"),
    *mount("api/v1/", "sapwood.site.inbox.rest_urls"),
    *mount("api/v1/", "sapwood.site.facts.rest_urls"),
    *SHARED,
]
handler400, handler403, handler404, handler500 = handlers[400], handlers[403], handlers[404], handlers[500]
handler429 = handlers[429]
