"""Settings of the demonstration campus, the same file for the release that runs and for the one that is wanted.

An app is installed where its package is: the two releases differ in their packages only.
"""

import importlib.util
import json
import os
from pathlib import Path

_HERE = Path(__file__).resolve().parent.parent
_CANDIDATES = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django.contrib.admin",
    "django.contrib.messages",
    "waffle",
    "config_models",
    "celery_utils",
    "simple_history",
    "rest_framework",
    "edxval",
    "completion",
    "submissions",
    "organizations",
    "milestones",
    "edx_when",
    "edx_proctoring",
    "edx_name_affirmation",
    "openassessment",
    "openassessment.assessment",
    "openassessment.workflow",
    "openassessment.staffgrader",
    "openassessment.xblock",
    "openassessment.fileupload",
    "openedx_learning.core.publishing",
    "openedx_learning.core.contents",
    "openedx_learning.core.components",
    "openedx_tagging.core.tagging",
    "openedx_tagging",
    "openedx_catalog",
    "openedx_content",
    "openedx_content.backcompat.backup_restore",
    "openedx_content.backcompat.components",
    "openedx_content.backcompat.sections",
    "openedx_content.backcompat.units",
    "openedx_content.backcompat.subsections",
    "openedx_content.backcompat.publishing",
    "openedx_content.backcompat.collections",
    "openedx_content.backcompat.contents",
]


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of the package that holds it
        return False


if _installed("pymysql"):
    import pymysql

    # The driver in pure Python: the demonstration needs no compiler and no client library.
    pymysql.install_as_MySQLdb()

INSTALLED_APPS = [name for name in _CANDIDATES if _installed(name)]
if "openedx_tagging.core.tagging" in INSTALLED_APPS:
    INSTALLED_APPS.remove("openedx_tagging")  # the folder around the app of the earlier release

DATABASES = {
    "default": json.loads(os.environ.get("CAMPUS_DATABASE", "null"))
    or {"ENGINE": "django.db.backends.sqlite3", "NAME": str(_HERE / "campus.sqlite3")}
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "a demonstration has no secrets"  # noqa: S105 - as it says
USE_TZ = True
MEDIA_ROOT = str(_HERE / "media")

# What the packages read while they are imported.
ENV_ROOT = str(_HERE)
FEATURES = {}
LMS_ROOT_URL = "https://campus.example"
PLATFORM_NAME = "Campus"
PROCTORING_BACKENDS = {"DEFAULT": "null", "null": {}}
PROCTORING_SETTINGS = {}
SITE_NAME = "campus.example"
