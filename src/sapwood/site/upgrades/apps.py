"""Django's view of this module."""

from django.apps import AppConfig


class UpgradesConfig(AppConfig):
    """Plans and rehearses the upgrade of what a site runs."""

    name = "sapwood.site.upgrades"
    label = "upgrades"
