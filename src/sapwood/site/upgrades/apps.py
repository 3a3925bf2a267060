"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig


class UpgradesConfig(AppConfig):
    """Plans and rehearses the upgrade of what a site runs."""

    name = "sapwood.site.upgrades"
    label = "upgrades"

    def ready(self) -> None:
        """Make the settings, permissions, panels and jobs known."""
        for name in ("conf", "permissions", "panels", "tasks"):
            import_module(f"sapwood.site.upgrades.{name}")
