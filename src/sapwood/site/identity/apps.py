"""Django's view of this module."""

from django.apps import AppConfig


class IdentityConfig(AppConfig):
    """Who a site is: its id and its key."""

    name = "sapwood.site.identity"
    label = "identity"
