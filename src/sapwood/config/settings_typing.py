"""Settings of the type checker, which must see the tables of both roles."""

import atexit
import os
import shutil
import tempfile

if "SAPWOOD_VAR" not in os.environ:
    os.environ["SAPWOOD_VAR"] = tempfile.mkdtemp(prefix="sapwood-typing-")
    atexit.register(shutil.rmtree, os.environ["SAPWOOD_VAR"], ignore_errors=True)

from sapwood.config.settings import *  # noqa: F403
from sapwood.config.settings import ROLE_APPS, SHARED_APPS

INSTALLED_APPS = [*SHARED_APPS, *ROLE_APPS["commons"], *ROLE_APPS["site"], "sapwood.config"]
