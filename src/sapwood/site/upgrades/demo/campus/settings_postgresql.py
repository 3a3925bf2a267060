"""The campus on PostgreSQL: without what the release that runs cannot install there."""

from campus.settings import *  # noqa: F403
from campus.settings import INSTALLED_APPS

# A migration of edx_when turns a number into an interval, which PostgreSQL refuses; edx_proctoring imports it.
INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in {"edx_when", "edx_proctoring"}]
