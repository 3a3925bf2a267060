"""Addresses in items: none may tell somebody else which site or person follows it."""

import re
from typing import Final, Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from sapwood.core import settings as typed
from sapwood.core.errors import SapwoodError, UsageError

# What a hand-over link may carry: which item, in which language, for which audience. Never who or where.
ALLOWED: Final = frozenset({"item", "revision", "locale", "audience"})
_NAMING: Final = """account actor anonymous_id anonymous_user_id client client_id cohort contact course course_id
    course_key domain e-mail e_mail email enrollment first_name firstname full_name fullname host hostname
    id_number identity idnumber installation instance institution ip ip_address last_name lastname learner
    learner_id lms_url login mail member name org organisation organization person person_id phone platform
    referrer respondent school session session_id site site_id site_name site_url siteid sitename siteurl
    student student_id sub subdomain tenant token u uid uname university user user_email user_id user_name
    userid username uuid"""
IDENTIFYING: Final = frozenset(_NAMING.split())
_PLACEHOLDER: Final = re.compile(
    r"\{+\s*([^{}]*?)\s*\}+|%7B+([^%]*)%7D+|\[([A-Za-z_:. ]+)\]|<([A-Za-z_. ]+)>|\$([A-Za-z_]+)", re.IGNORECASE
)
_MAIL: Final = re.compile(r"[^\s@/?&=]+@[^\s@/?&=]+\.[^\s@/?&=]+")


class IdentifyingLinkError(SapwoodError):
    """A link would tell its receiver which site or person follows it."""

    code = "inbox.identifying_link"


class LinkTemplateError(UsageError):
    """A link template is not an https address with allowed placeholders."""

    code = "inbox.link_template"
    http_status = 400


def refuse_identifying(url: str) -> None:
    """Raise IdentifyingLinkError when an address of an item carries something that names a site or person."""
    if found := _PLACEHOLDER.search(url):
        raise IdentifyingLinkError(
            _("The link has a place to be filled in: %(place)s") % {"place": found[0]},
            hint=_("Links go out as they are; remove that part."),
        )
    if why := identifying_part(url):
        raise IdentifyingLinkError(why, hint=_("Use a link that is the same for everybody."))


def check_template(template: str) -> str:
    """The template of a hand-over link, if it identifies nobody. Raises IdentifyingLinkError, LinkTemplateError."""
    text = template.strip()
    bare = re.sub(r"\{(\w+)\}", lambda found: "x" if found[1] in ALLOWED else found[0], text)
    if found := _PLACEHOLDER.search(bare):
        raise IdentifyingLinkError(
            _("The placeholder %(name)s is not allowed") % {"name": found[0]},
            hint=_("Allowed are %(names)s: they identify nobody.")
            % {"names": ", ".join(f"{{{name}}}" for name in sorted(ALLOWED))},
        )
    parts = _parts(bare)
    if parts is None or parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise LinkTemplateError(
            _("The template is not an https address"), hint=_("Such as https://survey.example.edu/{item}")
        )
    if parts.netloc != (_parts(text) or parts).netloc:
        raise LinkTemplateError(_("The host of the template must be fixed"), hint=_("Put placeholders after the host."))
    if why := identifying_part(bare):
        raise IdentifyingLinkError(why, hint=_("Use a link that is the same for everybody."))
    return text


def fill(template: str, *, item: str, revision: int, locale: str, audience: str) -> str:
    """The link for one language and audience."""
    checked = check_template(template)
    values = {"item": item, "revision": str(revision), "locale": locale, "audience": audience}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], checked)


class HandsOver(Protocol):
    """What a hand-over link is filled from: a cleared item."""

    @property
    def hand_over(self) -> str:
        """The approved template."""
        ...

    @property
    def publication(self) -> UUID:
        """Which item."""
        ...

    @property
    def revision(self) -> int:
        """Which revision of it."""
        ...

    @property
    def audience(self) -> str:
        """For which audience."""
        ...


def hand_over(cleared: HandsOver, locale: str) -> str:
    """The link to the institution's own tool, for one language; empty when the item has none."""
    if not cleared.hand_over:
        return ""
    return fill(
        cleared.hand_over,
        item=str(cleared.publication),
        revision=cleared.revision,
        locale=locale,
        audience=str(cleared.audience),
    )


def identifying_part(url: str) -> str:
    """What in an address names a person or this site, as a sentence; empty when nothing does."""
    parts = _parts(url)
    if parts is None:
        return _("The link cannot be read")
    query = [*parse_qsl(parts.query, keep_blank_values=True), *parse_qsl(parts.fragment, keep_blank_values=True)]
    for name, _value in query:
        plain = re.sub(r"^.*[\[.:]|\]$", "", name).strip().lower()
        if plain in IDENTIFYING or plain.replace("-", "_") in IDENTIFYING:
            return _("The link carries “%(name)s”, which can name a person or a site") % {"name": name}
    tail = unquote(f"{parts.path}?{parts.query}#{parts.fragment}")
    if _MAIL.search(tail):
        return _("The link carries a mail address")
    host = (urlsplit(settings.BASE_URL).hostname or "").lower()
    if host and "." in host and host in tail.lower():
        return _("The link carries the address of this site")
    name = typed.SITE_NAME.get().strip().lower()
    if len(name) > 3 and name in tail.lower().replace("+", " ").replace("-", " "):  # noqa: PLR2004 - too short to tell
        return _("The link carries the name of this site")
    return ""


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None
