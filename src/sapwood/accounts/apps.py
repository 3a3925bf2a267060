"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class AccountsConfig(AppConfig):
    """People who sign in, roles, tokens."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.accounts"
    label = "accounts"

    @override
    def ready(self) -> None:
        """Make the permissions, menu entries and recurring jobs known."""
        for name in ("permissions", "panels", "tasks"):
            import_module(f"sapwood.accounts.{name}")
