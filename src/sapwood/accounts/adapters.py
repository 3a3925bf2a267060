"""Where allauth asks us: nobody signs up by themselves, sign-ins are noted, roles follow from mapped claims only."""

import base64
import secrets
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import qrcode
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.encoding import force_bytes
from qrcode.image.svg import SvgPathFillImage

from sapwood.accounts.actions import apply_claims
from sapwood.accounts.actions.roles import subject_of
from sapwood.accounts.guards import actor_for, signed_in_recently
from sapwood.accounts.language import remember_language
from sapwood.accounts.models import ClaimRule, User
from sapwood.accounts.sessions import note_session
from sapwood.core import audit, settings
from sapwood.core.clock import system_clock

Claims = Mapping[str, object]
NewcomerCheck = Callable[[Claims], bool]
_NEWCOMERS: list[NewcomerCheck] = []
TIMEOUT_S = 10


def admit_newcomers(check: NewcomerCheck) -> None:
    """Let people without an account come in by the identity provider when `check(claims)` says so (no role follows)."""
    if check not in _NEWCOMERS:
        _NEWCOMERS.append(check)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """E-mail and password."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - the shape of the hook
        """Never: an administrator makes accounts, or an identity provider vouches."""
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in, and remember that it happened."""
        now = system_clock().now()
        with transaction.atomic():
            super().login(request, user)
            request.session.save()
            note_session(user, request.session, agent=request.headers.get("User-Agent", ""), now=now)
            audit.record(actor=actor_for(user), action="accounts.sign_in", subject=subject_of(user), at=now)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Speak the person's language from the first page on."""
        response: HttpResponse = super().post_login(request, user, **kwargs)
        if user.language:
            remember_language(response, user.language)
        return response

    def set_password(self, user: User, password: str) -> None:
        """Change a password, audited."""
        with transaction.atomic():
            super().set_password(user, password)
            audit.record(
                actor=actor_for(user), action="accounts.password", subject=subject_of(user), at=system_clock().now()
            )

    def is_reauthentication_required(self, **kwargs: Any) -> bool:  # noqa: ARG002 - the shape of the hook
        """A fresh sign-in counts; who has no way to confirm must sign in again, instead of passing unasked."""
        request: HttpRequest = context.request
        if signed_in_recently(request, now=system_clock().now()):
            return False
        if not get_reauthentication_flows(request.user):
            query = urlencode({REDIRECT_FIELD_NAME: request.get_full_path() if request.method == "GET" else "/"})
            raise ImmediateHttpResponse(HttpResponseRedirect(f"{reverse('accounts:confirm')}?{query}"))
        return True


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """TOTP and passkeys; secrets lie encrypted, so that a copy of the database opens nothing."""

    def encrypt(self, text: str) -> str:
        """Under a key that follows from the secret key."""
        return _cipher().encrypt(text.encode("utf-8")).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        """The other way; what was written under a lost key reads as a random secret, which no code fits."""
        try:
            return _cipher().decrypt(encrypted_text.encode("ascii")).decode("utf-8")
        except InvalidToken:
            # Never an empty secret: anybody can compute the codes of that one.
            return base64.b32encode(secrets.token_bytes(20)).decode("ascii")

    def build_totp_svg(self, url: str) -> str:
        """With a ground of its own, so that it can be scanned in the dark theme too."""
        buffer = BytesIO()
        qrcode.make(url, image_factory=SvgPathFillImage).save(buffer)
        return buffer.getvalue().decode("utf-8")

    def get_totp_issuer(self) -> str:
        """What the authenticator app calls this installation."""
        return settings.SITE_NAME.get() or f"Sapwood {settings.ROLE.get()}"


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """OpenID Connect."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002 - the hook's shape
        """When an administrator mapped one of the claims to a role, or a module admits newcomers."""
        claims = claims_of(sociallogin)
        mapped = any(_matches(rule, claims) for rule in ClaimRule.objects.all())
        return mapped or any(check(claims) for check in _NEWCOMERS)

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:  # noqa: ARG002 - the hook's shape
        """Bring a known person's mapped roles in step before they are signed in."""
        if sociallogin.is_existing and isinstance(sociallogin.user, User):
            apply_claims(sociallogin.user, claims=claims_of(sociallogin), now=system_clock().now())

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        """Take over address and name."""
        user: User = super().populate_user(request, sociallogin, data)
        full = data.get("name") or " ".join(filter(None, (data.get("first_name"), data.get("last_name"))))
        user.name = str(full or "")[:150]
        return user

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """Make the account of a newcomer and give the mapped roles."""
        now = system_clock().now()
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            user.joined_at = now
            user.save(update_fields=["joined_at"])
            audit.record(actor=actor_for(user), action="accounts.create", subject=subject_of(user), at=now)
            apply_claims(user, claims=claims_of(sociallogin), now=now)
        return user

    def get_requests_session(self) -> Any:
        """The library's own HTTP session, held to our proxy and to a time limit."""
        session = super().get_requests_session()
        session.trust_env = False
        if proxy := settings.HTTP_PROXY.get():
            session.proxies = {"http": proxy, "https": proxy}
        plain = session.request

        def limited(*args: Any, **kwargs: Any) -> Any:
            kwargs.setdefault("timeout", TIMEOUT_S)
            return plain(*args, **kwargs)

        session.request = limited
        return session


def claims_of(sociallogin: Any) -> dict[str, object]:
    """What the identity provider says, from the id token and the user info."""
    data = sociallogin.account.extra_data or {}
    if "userinfo" in data or "id_token" in data:
        return {**(data.get("id_token") or {}), **(data.get("userinfo") or {})}
    return dict(data)


def _matches(rule: ClaimRule, claims: Claims) -> bool:
    found = claims.get(rule.claim)
    values = found if isinstance(found, list | tuple) else [found]
    return any(value is not None and str(value) == rule.value for value in values)


def _cipher() -> MultiFernet:
    keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sapwood.accounts.second-factor")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(key)))
