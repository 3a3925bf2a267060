"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig


class UpgradesConfig(AppConfig):
    """Plans and rehearses the upgrade of what a site runs."""

    name = "sapwood.site.upgrades"
    label = "upgrades"

    def ready(self) -> None:
        """Make the jobs known."""
        import_module("sapwood.site.upgrades.tasks")
