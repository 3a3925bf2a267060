"""The addresses of the inbox."""

from django.urls import path

from sapwood.accounts.api import public
from sapwood.site.inbox.views import announcements, review

app_name = "inbox"
urlpatterns = [
    path("inbox/", review.item_list, name="list"),
    path("inbox/<int:item_id>/", review.review, name="review"),
    path("inbox/<int:item_id>/approve", review.approve, name="approve"),
    path("inbox/<int:item_id>/second", review.second, name="second"),
    path("inbox/<int:item_id>/reject", review.reject, name="reject"),
    path("inbox/<int:item_id>/archive", review.archive, name="archive"),
    path("inbox/<int:item_id>/snooze", review.snooze, name="snooze"),
    path("inbox/<int:item_id>/start", review.start, name="start"),
    path("inbox/<int:item_id>/withdraw", review.withdraw, name="withdraw"),
    path("inbox/<int:item_id>/keep", review.keep, name="keep"),
    path("inbox/<int:item_id>/text/<str:locale>", review.text, name="text"),
    path("inbox/withdrawals/<int:withdrawal_id>", review.mass_withdrawal, name="mass_withdrawal"),
    path("announcements/", public(announcements.index), name="announcements"),
    path("announcements/<int:item_id>/", public(announcements.one), name="announcement"),
]
