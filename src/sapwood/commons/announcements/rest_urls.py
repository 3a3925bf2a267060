"""Addresses of the announcements' endpoints."""

from django.urls import path

from sapwood.commons.announcements import rest

urlpatterns = [
    path("announcements", rest.AnnouncementsView.as_view()),
    path("announcements/<uuid:key>", rest.AnnouncementView.as_view()),
    path("announcements/<uuid:key>/submit", rest.SubmitView.as_view()),
    path("announcements/<uuid:key>/approve", rest.ApproveView.as_view()),
    path("announcements/<uuid:key>/stage", rest.StageView.as_view()),
    path("announcements/<uuid:key>/retract", rest.RetractView.as_view()),
]
