"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class ReleasesConfig(AppConfig):
    """The release catalogue of the project."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.commons.releases"
    label = "releases"

    @override
    def ready(self) -> None:
        """Make the permissions, panels and recurring jobs known."""
        for name in ("permissions", "panels", "tasks"):
            import_module(f"sapwood.commons.releases.{name}")
