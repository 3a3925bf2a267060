"""Addresses of this module's pages."""

from django.urls import path

from sapwood.site.facts import views

app_name = "facts"
urlpatterns = [
    path("", views.release, name="release"),
    path("look", views.look, name="look"),
]
