"""Addresses of announcements on the commons."""

from django.urls import path

from sapwood.commons.announcements.views import consent, public

app_name = "announcements"
urlpatterns = [
    path("announcements/", public.listing, name="public"),
    path("announcements/feed.atom", public.atom, name="atom"),
    path("announcements/feed.json", public.json_feed, name="json_feed"),
    path("announcements/<slug:slug>/", public.permalink, name="permalink"),
    path("consent/<str:token>/", consent.page, name="consent"),
]
