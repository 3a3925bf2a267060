"""Settings of the type checker, which must see the tables of both roles."""

import os
import tempfile

os.environ.setdefault("SAPWOOD_VAR", tempfile.mkdtemp(prefix="sapwood-typing-"))

from sapwood.config.settings import *  # noqa: F403
from sapwood.config.settings import ROLE_APPS, SHARED_APPS

INSTALLED_APPS = [*SHARED_APPS, *ROLE_APPS["commons"], *ROLE_APPS["site"], "sapwood.config"]
