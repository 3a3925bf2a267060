"""Django's view of this module."""

from django.apps import AppConfig


class InboxConfig(AppConfig):
    """The gate: items, decisions, deliveries."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.site.inbox"
    label = "inbox"
