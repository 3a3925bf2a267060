"""Addresses of the commons."""

from sapwood.config.urls_shared import SHARED, handlers, mount

urlpatterns = [
    *mount("", "sapwood.commons.announcements.urls"),
    *mount("catalogue/", "sapwood.commons.releases.urls"),
    *mount("api/v1/", "sapwood.commons.announcements.rest_urls"),
    *mount("api/v1/", "sapwood.commons.releases.rest_urls"),
    *SHARED,
]
handler400, handler403, handler404, handler500 = handlers[400], handlers[403], handlers[404], handlers[500]
handler429 = handlers[429]
