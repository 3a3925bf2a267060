"""Addresses of the announcements' endpoints."""

from django.urls import path

from sapwood.commons.announcements import rest

urlpatterns = [
    path("announcements", rest.AnnouncementsView.as_view(), name="api-announcements"),
    path("announcements/<uuid:key>", rest.AnnouncementView.as_view(), name="api-announcement"),
    path("announcements/<uuid:key>/submit", rest.SubmitView.as_view(), name="api-announcement-submit"),
    path("announcements/<uuid:key>/approve", rest.ApproveView.as_view(), name="api-announcement-approve"),
    path("announcements/<uuid:key>/stage", rest.StageView.as_view(), name="api-announcement-stage"),
    path("announcements/<uuid:key>/retract", rest.RetractView.as_view(), name="api-announcement-retract"),
]
