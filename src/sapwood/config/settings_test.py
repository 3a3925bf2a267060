"""Settings of the tests: the same house, with a memory mailbox, plain static files and a fast password hash."""

import atexit
import os
import shutil
import tempfile

if "SAPWOOD_VAR" not in os.environ:
    os.environ["SAPWOOD_VAR"] = tempfile.mkdtemp(prefix="sapwood-test-")
    atexit.register(shutil.rmtree, os.environ["SAPWOOD_VAR"], ignore_errors=True)
os.environ.setdefault("SAPWOOD_SITE_NAME", "Riverside College")

from sapwood.config.settings import *  # noqa: F403
from sapwood.config.settings import MIDDLEWARE, STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
MIDDLEWARE = [name for name in MIDDLEWARE if "whitenoise" not in name]
