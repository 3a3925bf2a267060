"""Django's view of this module."""

from django.apps import AppConfig


class AnnouncementsConfig(AppConfig):
    """Writing, importing and publishing announcements."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.commons.announcements"
    label = "announcements"
