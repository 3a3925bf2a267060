"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class ChecksConfig(AppConfig):
    """Packs of checks, and what they find."""

    name = "sapwood.site.checks"
    label = "checks"

    @override
    def ready(self) -> None:
        """Make the settings known."""
        import_module("sapwood.site.checks.conf")
