"""Django's view of this module."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Page shell, components, charts."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.console"
    label = "console"
