"""The composition root as a Django app: it loads last and connects the modules."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class ConfigConfig(AppConfig):
    """Settings, URLs, the `sapwood` command."""

    name = "sapwood.config"
    label = "config"

    @override
    def ready(self) -> None:
        """Connect the modules."""
        import_module("sapwood.config.wiring").connect()
