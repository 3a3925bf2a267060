"""Addresses of announcements on the commons."""

from django.urls import path

from sapwood.accounts.api import public as everybody
from sapwood.commons.announcements.views import authoring, consent, public, sources

app_name = "announcements"
urlpatterns = [
    path("announcements/", everybody(public.listing), name="public"),
    path("announcements/feed.atom", everybody(public.atom), name="atom"),
    path("announcements/feed.json", everybody(public.json_feed), name="json_feed"),
    path("announcements/<slug:slug>/", everybody(public.permalink), name="permalink"),
    path("consent/<str:token>/", everybody(consent.page), name="consent"),
    path("sources/", sources.listing, name="sources"),
    path("sources/<int:pk>/remove/", sources.remove, name="remove_source"),
    path("sources/<int:pk>/pause/", sources.pause, name="pause_source"),
    path("sources/<int:pk>/read/", sources.read, name="read_source"),
    path("write/", authoring.listing, name="list"),
    path("write/new/", authoring.new, name="new"),
    path("write/<uuid:key>/", authoring.detail, name="detail"),
    path("write/<uuid:key>/edit/", authoring.edit, name="edit"),
    path("write/<uuid:key>/preview/", authoring.preview, name="preview"),
    path("write/<uuid:key>/translate/", authoring.translate, name="translate"),
    path("write/<uuid:key>/<slug:verb>/", authoring.act, name="act"),
]
