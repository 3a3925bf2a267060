"""Django's view of this module."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People who sign in, roles, tokens."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.accounts"
    label = "accounts"
