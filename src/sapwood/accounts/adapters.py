"""Where allauth asks us: nobody signs up by themselves, sign-ins are noted, roles follow from mapped claims only."""

import base64
import logging
import secrets
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
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings as django_settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathFillImage

from sapwood.accounts.actions import apply_claims
from sapwood.accounts.actions.roles import subject_of
from sapwood.accounts.claims import all_claims, followers, says
from sapwood.accounts.conf import OIDC_ISSUER, PLATFORM_URL
from sapwood.accounts.guards import actor_for, signed_in_recently
from sapwood.accounts.language import remember_language
from sapwood.accounts.models import ClaimRule, User
from sapwood.accounts.notes import note_failure, note_sign_out
from sapwood.accounts.provider_http import ProviderSession
from sapwood.accounts.sessions import note_session
from sapwood.core import audit, settings
from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError

logger = logging.getLogger(__name__)


class ProviderRefusedError(SapwoodError):
    """A sign-in by an identity provider failed: begun elsewhere, too old, or not vouched for."""

    code = "accounts.provider_refused"
    http_status = 401


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

    def logout(self, request: HttpRequest) -> None:
        """Sign out, and remember that it happened."""
        if isinstance(request.user, User):
            note_sign_out(request.user)
        super().logout(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Hold the limits of attempts; who runs into them is noted."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            note_failure(request, reason="too_many_attempts", user=self._meant(credentials))
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Note that a password was wrong, or that nobody has this address; never what was typed."""
        note_failure(request, reason="password", user=self._meant(credentials))

    @staticmethod
    def _meant(credentials: dict[str, Any]) -> User | None:
        return User.objects.filter(email__iexact=str(credentials.get("email", "")).strip()).first()

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
    """Identity providers: OpenID Connect, and the platform."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:  # noqa: ARG002 - the hook's shape
        """When an administrator mapped one of the claims, to a role or to what a module makes of it."""
        claims = sociallogin.account.extra_data
        mapped = any(says(claims, rule.claim, rule.value) for rule in ClaimRule.objects.all())
        return mapped or any(follower.admits(claims) for follower in followers())

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:  # noqa: ARG002 - the hook's shape
        """Bring what a known person has by their claims in step before they are signed in."""
        if sociallogin.is_existing and isinstance(sociallogin.user, User):
            with transaction.atomic():
                follow_claims(sociallogin.user, sociallogin.account)

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> User:
        """Take over address and name."""
        user: User = super().populate_user(request, sociallogin, data)
        full = data.get("name") or " ".join(filter(None, (data.get("first_name"), data.get("last_name"))))
        user.name = str(full or "")[:150]
        return user

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """Make the account of a newcomer and give what their claims are mapped to."""
        now = system_clock().now()
        with transaction.atomic():
            user: User = super().save_user(request, sociallogin, form)
            user.joined_at = now
            user.save(update_fields=["joined_at"])
            audit.record(actor=actor_for(user), action="accounts.create", subject=subject_of(user), at=now)
            follow_claims(user, sociallogin.account)
        return user

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002 - the hook's shape
    ) -> None:
        """Write the failure down and say it in one line; who pressed “cancel” over there is told just that."""
        if error == AuthError.CANCELLED:
            return
        note_failure(request, reason="provider")
        logger.warning("a sign-in by %s failed: %s", provider, exception or "no such attempt was begun here")
        raise ProviderRefusedError(
            _("Signing in by %(name)s did not work") % {"name": provider},
            hint=_("Begin again on the sign-in page. If it happens again, tell an administrator."),
        )

    def get_requests_session(self) -> ProviderSession:
        """The library's HTTP session: ours, so that proxy, limits and checks of addresses hold here too."""
        return ProviderSession(tuple(filter(None, (OIDC_ISSUER.get(), PLATFORM_URL.get()))))


def follow_claims(user: User, account: SocialAccount) -> None:
    """Give and take roles, and what modules make of claims, by what this person's providers say now."""
    claims, now = all_claims(user, account), system_clock().now()
    apply_claims(user, claims=claims, now=now)
    for follower in followers():
        follower.follow(user, claims, now=now)


def _cipher() -> MultiFernet:
    keys = [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sapwood.accounts.second-factor")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(key)))
