"""Errors that any module may raise; a module's own errors stand beside the action that raises them."""

from sapwood.formats.errors import SapwoodError


class NotFoundError(SapwoodError):
    """What was asked for does not exist, or not for this person."""

    code = "core.not_found"
    http_status = 404


class ConflictError(SapwoodError):
    """The world changed between looking and acting."""

    code = "core.conflict"
    http_status = 409


class ForbiddenError(SapwoodError):
    """This person, token or command may not do this."""

    code = "core.forbidden"
    http_status = 403


class UsageError(SapwoodError):
    """A command or request was called with words that do not fit."""

    code = "core.usage"
    exit_code = 2


class UnavailableError(SapwoodError):
    """Something that is needed does not answer at the moment."""

    code = "core.unavailable"
    http_status = 503


class SettingError(SapwoodError):
    """A setting holds a value that cannot be used."""

    code = "core.setting"
    exit_code = 2


__all__ = [
    "ConflictError",
    "ForbiddenError",
    "NotFoundError",
    "SapwoodError",
    "SettingError",
    "UnavailableError",
    "UsageError",
]
