"""Addresses of the catalogue's pages."""

from django.urls import path

from sapwood.accounts.api import public as everybody
from sapwood.commons.releases.views import desk, public

app_name = "releases"
urlpatterns = [
    path("", everybody(public.overview), name="overview"),
    path("catalogue.json", everybody(public.document), name="document"),
    path("lines/<slug:name>/", everybody(public.line), name="line"),
    path("edges/<slug:start>/<slug:end>/", everybody(public.edge), name="edge"),
    path("reports/<uuid:uuid>/", everybody(public.report), name="report"),
    path("reports/<uuid:uuid>.json", everybody(public.report_document), name="report_document"),
    path("revisions/", desk.revisions, name="revisions"),
    path("revisions/new", desk.propose, name="propose"),
    path("revisions/<int:pk>/", desk.revision, name="revision"),
    path("revisions/<int:pk>/approve", desk.approve, name="approve"),
    path("revisions/<int:pk>/refuse", desk.refuse, name="refuse"),
]
