"""Django's view of this module."""

from django.apps import AppConfig


class ChannelConfig(AppConfig):
    """Signed distribution of publications."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.channel"
    label = "channel"
