"""Addresses of announcements on the commons."""

from django.urls import path

from sapwood.accounts.api import public
from sapwood.commons.announcements.views import consent
from sapwood.commons.announcements.views import public as pages

app_name = "announcements"
urlpatterns = [
    path("announcements/", public(pages.listing), name="public"),
    path("announcements/feed.atom", public(pages.atom), name="atom"),
    path("announcements/feed.json", public(pages.json_feed), name="json_feed"),
    path("announcements/<slug:slug>/", public(pages.permalink), name="permalink"),
    path("consent/<str:token>/", public(consent.page), name="consent"),
]
