"""Settings of the migration linter: the role's own, and the linter."""

from sapwood.config.settings import *  # noqa: F403
from sapwood.config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]
