"""Django's view of this module."""

from django.apps import AppConfig


class FactsConfig(AppConfig):
    """What a site is and what it is exposed to."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.site.facts"
    label = "facts"
