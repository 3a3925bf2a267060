"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class ChannelConfig(AppConfig):
    """Signed distribution of publications."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.channel"
    label = "channel"

    @override
    def ready(self) -> None:
        """Make this module's jobs known."""
        import_module("sapwood.channel.tasks")
