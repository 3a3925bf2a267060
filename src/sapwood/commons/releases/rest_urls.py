"""Addresses of the catalogue's endpoints."""

from django.urls import path

from sapwood.commons.releases import rest

urlpatterns = [
    path("catalogue", rest.CatalogueView.as_view(), name="api-catalogue"),
    path("catalogue/findings", rest.FindingsView.as_view(), name="api-catalogue-findings"),
    path("catalogue/lines/<slug:name>", rest.LineView.as_view(), name="api-catalogue-line"),
    path("catalogue/path", rest.PathView.as_view(), name="api-catalogue-path"),
    path("catalogue/reports", rest.ReportsView.as_view(), name="api-catalogue-reports"),
    path("catalogue/reports/<uuid:uuid>", rest.ReportView.as_view(), name="api-catalogue-report"),
]
