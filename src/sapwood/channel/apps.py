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
        """Make the permissions, jobs and panels known."""
        for name in ("permissions", "tasks", "panels"):
            import_module(f"sapwood.channel.{name}")
