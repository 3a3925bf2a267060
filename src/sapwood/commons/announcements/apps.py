"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class AnnouncementsConfig(AppConfig):
    """Writing, importing and publishing announcements."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.commons.announcements"
    label = "announcements"

    @override
    def ready(self) -> None:
        """Make permissions, panels and jobs known."""
        for name in ("permissions", "panels", "tasks", "personal"):
            import_module(f"sapwood.commons.announcements.{name}")
