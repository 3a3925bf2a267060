"""The WSGI door of a role."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")
application = get_wsgi_application()
