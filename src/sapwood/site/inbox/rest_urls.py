"""The addresses of the inbox's API."""

from django.urls import path

from sapwood.site.inbox import rest

urlpatterns = [
    path("inbox", rest.Items.as_view(), name="api_inbox"),
    path("inbox/<int:item_id>", rest.OneItem.as_view(), name="api_inbox_item"),
    path("inbox/<int:item_id>/approve", rest.Approve.as_view(), name="api_inbox_approve"),
    path("inbox/<int:item_id>/second", rest.Second.as_view(), name="api_inbox_second"),
    path("inbox/<int:item_id>/reject", rest.Reject.as_view(), name="api_inbox_reject"),
    path("inbox/<int:item_id>/withdraw", rest.Withdraw.as_view(), name="api_inbox_withdraw"),
    path("inbox/<int:item_id>/snooze", rest.Snooze.as_view(), name="api_inbox_snooze"),
    path("deliveries", rest.Deliveries.as_view(), name="api_deliveries"),
    path("deliveries/<uuid:delivery>/repeat", rest.Repeat.as_view(), name="api_delivery_repeat"),
]
