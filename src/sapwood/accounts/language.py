"""The language that a person chose, kept in the cookie that every page reads."""

from django.conf import settings as django_settings
from django.http import HttpResponse


def remember_language(response: HttpResponse, language: str) -> None:
    """Have the pages speak the person's language from the next one on."""
    name = django_settings.LANGUAGE_COOKIE_NAME
    if language:
        response.set_cookie(
            name,
            language,
            max_age=31_536_000,
            samesite="Lax",
            secure=django_settings.LANGUAGE_COOKIE_SECURE,
        )
    else:
        response.delete_cookie(name, samesite="Lax")
