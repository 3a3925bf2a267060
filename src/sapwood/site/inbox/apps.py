"""Django's view of this module."""

from importlib import import_module

from django.apps import AppConfig
from typing_extensions import override


class InboxConfig(AppConfig):
    """The gate: items, decisions, deliveries."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "sapwood.site.inbox"
    label = "inbox"

    @override
    def ready(self) -> None:
        """Make the permissions, jobs, panels and keepers of personal data known."""
        import_module("sapwood.site.inbox.staff")
        import_module("sapwood.site.inbox.tasks")
        import_module("sapwood.site.inbox.panels")
        import_module("sapwood.site.inbox.personal")
        import_module("sapwood.site.inbox.newcomers")
