"""Django's view of this module."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """The release catalogue of the commons."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.commons.releases"
    label = "releases"
