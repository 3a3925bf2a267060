"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class FactsConfig(AppConfig):
    """What a site is and what it is exposed to."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.site.facts"
    label = "facts"

    @override
    def ready(self) -> None:
        """Make the settings, permissions, panels and recurring jobs known."""
        for name in ("conf", "permissions", "panels", "tasks"):
            import_module(f"sapwood.site.facts.{name}")
