"""The campus on PostgreSQL: without what the release that runs cannot install there."""

from .settings import *  # noqa: F403
from .settings import INSTALLED_APPS

# A migration of edx_when turns a number into an interval, which PostgreSQL refuses; edx_proctoring imports it.
INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in {"edx_when", "edx_proctoring"}]
