"""Addresses of the channel; `config` mounts them below `channel/`."""

from django.urls import path

from sapwood.channel import views

app_name = "channel"
urlpatterns = [
    path("", views.health, name="health"),
    path("pull", views.pull_now, name="pull_now"),
    path("withdrawals/<int:pk>", views.acknowledge, name="acknowledge"),
]
