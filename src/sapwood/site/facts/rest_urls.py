"""Addresses of this module's endpoints."""

from django.urls import path

from sapwood.site.facts import rest

urlpatterns = [
    path("facts", rest.FactsView.as_view(), name="api-facts"),
    path("exposure", rest.ExposureView.as_view(), name="api-exposure"),
]
