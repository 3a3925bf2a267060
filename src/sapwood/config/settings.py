"""Django's settings, put together from Sapwood's typed ones: the role decides apps, URLs, database and cookies."""

import logging
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from csp.constants import NONE, SELF

from sapwood.accounts.conf import *  # noqa: F403 - the sign-in settings, whole
from sapwood.core import settings as typed
from sapwood.core.errors import SettingError
from sapwood.core.files import kept
from sapwood.core.paths import role_dir

ROLE = typed.ROLE.get()
PACKAGE = Path(__file__).resolve().parent.parent
BASE_URL = typed.BASE_URL.get().rstrip("/")
SECURE = BASE_URL.startswith("https://")
DEBUG = typed.DEBUG.get()


def _secret_key() -> str:
    if key := typed.SECRET_KEY.get():
        return key
    return kept(role_dir() / "secret.key", lambda: secrets.token_urlsafe(64)).decode("utf-8")


def _database() -> Any:
    url = typed.DATABASE_URL.get()
    if url:
        try:
            return dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
        except ValueError:  # not shown: it may hold a password
            raise SettingError(
                "DATABASE_URL cannot be read",
                hint="Write postgresql://USER:PASSWORD@HOST/NAME, or nothing for SQLite.",
            ) from None
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(role_dir() / "db.sqlite3"),
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }


def _bracketed(host: str) -> str:
    """A host as it stands in a request: urlsplit takes the brackets of an IPv6 address away."""
    return f"[{host}]" if ":" in host else host


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = [*typed.HOSTS.get(), *([_bracketed(host)] if (host := urlsplit(BASE_URL).hostname) else [])]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "sapwood.console.views.csrf_failure"

SHARED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "sapwood.accounts",  # before allauth, whose templates it replaces
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "csp",
    "django_htmx",
    "django_tasks",
    "django_tasks_db",
    "rest_framework",
    "drf_spectacular",
    "sapwood.core",
    "sapwood.console",
    "sapwood.channel",
]
ROLE_APPS = {
    "commons": ["sapwood.commons.announcements", "sapwood.commons.releases"],
    "site": [
        "sapwood.site.identity",
        "sapwood.site.facts",
        "sapwood.site.checks",
        "sapwood.site.upgrades",
        "sapwood.site.inbox",
    ],
}
INSTALLED_APPS = [*SHARED_APPS, *ROLE_APPS[ROLE], "sapwood.config"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sapwood.accounts.middleware.SignInMiddleware",  # what is not marked public asks for a sign-in
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "sapwood.console.middleware.ErrorMiddleware",
]

ROOT_URLCONF = f"sapwood.config.urls_{ROLE}"
WSGI_APPLICATION = "sapwood.config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sapwood.console.context.shell",
            ],
        },
    }
]

DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "long"]}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:home"

# Cookies know no ports: two roles on one host need names of their own.
SESSION_COOKIE_NAME = f"sapwood_{ROLE}_session"
CSRF_COOKIE_NAME = f"sapwood_{ROLE}_csrf"
LANGUAGE_COOKIE_NAME = f"sapwood_{ROLE}_language"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_SSL_REDIRECT = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if typed.TRUST_PROXY.get() else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

LANGUAGE_CODE = typed.LANGUAGE.get()
LANGUAGES = [("en", "English"), ("es-419", "Español (Latinoamérica)"), ("ar", "العربية")]
LOCALE_PATHS = [str(PACKAGE / "locale")]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATIC_ROOT = str(role_dir() / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = str(role_dir() / "media")
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sapwood.accounts.rest.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["sapwood.config.rest.BoundedJSONParser"],
    "EXCEPTION_HANDLER": "sapwood.config.rest.exception_handler",
    "DEFAULT_PAGINATION_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": f"Sapwood {ROLE} API",
    "DESCRIPTION": "Read and decide what the console shows. Errors are {code, message, hint}.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "sapwood.config.rest.add_errors",
    ],
}
if ROLE == "site":
    SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"] = {
        "AudienceEnum": "sapwood.site.inbox.data.Audience",
        "OutletEnum": "sapwood.site.inbox.data.OutletKind",
    }


def _mail() -> dict[str, Any]:
    url = urlsplit(typed.MAIL_URL.get())
    if url.scheme in {"smtp", "smtps"}:
        return {
            "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "EMAIL_HOST": url.hostname or "localhost",
            "EMAIL_PORT": url.port or (465 if url.scheme == "smtps" else 25),
            "EMAIL_HOST_USER": unquote(url.username or ""),
            "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
            "EMAIL_USE_SSL": url.scheme == "smtps",
            "EMAIL_USE_TLS": url.scheme == "smtp" and bool(url.password),
            "EMAIL_TIMEOUT": 20,
        }
    if url.scheme not in {"", "file"}:
        raise SettingError("SAPWOOD_MAIL_URL has an unknown scheme", hint=typed.MAIL_URL.help)
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "EMAIL_FILE_PATH": url.path or str(role_dir() / "mail"),
    }


globals().update(_mail())
DEFAULT_FROM_EMAIL = SERVER_EMAIL = typed.MAIL_FROM.get()

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": logging.WARNING},
    "loggers": {"sapwood": {"level": "INFO"}, "django_tasks_db": {"level": "WARNING"}},
}
