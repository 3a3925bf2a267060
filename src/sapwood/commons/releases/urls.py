"""Addresses of the catalogue's pages."""

from django.urls import path

from sapwood.commons.releases.views import desk, public

app_name = "releases"
urlpatterns = [
    path("", public.overview, name="overview"),
    path("catalogue.json", public.document, name="document"),
    path("lines/<slug:name>/", public.line, name="line"),
    path("edges/<slug:start>/<slug:end>/", public.edge, name="edge"),
    path("revisions/", desk.revisions, name="revisions"),
    path("revisions/new", desk.propose, name="propose"),
    path("revisions/<int:pk>/", desk.revision, name="revision"),
    path("revisions/<int:pk>/approve", desk.approve, name="approve"),
    path("revisions/<int:pk>/refuse", desk.refuse, name="refuse"),
]
