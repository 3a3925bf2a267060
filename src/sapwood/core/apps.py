"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class CoreConfig(AppConfig):
    """Errors, clock, audit log, jobs, the HTTP client, settings."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.core"
    label = "core"

    @override
    def ready(self) -> None:
        """Make the recurring jobs known."""
        import_module("sapwood.core.tasks")
