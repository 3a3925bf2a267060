"""The composition root as a Django app: it loads last and connects the modules."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Settings, URLs, the `sapwood` command."""

    name = "sapwood.config"
    label = "config"
