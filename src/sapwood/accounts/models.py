"""People who sign in to this installation, what they are here for, and the keys they hold."""

import secrets
import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from sapwood.accounts.data import Role, ScopeKind


def new_salt() -> str:
    """What a person's sessions are bound to, beside their password."""
    return secrets.token_hex(8)


class UserAccess(BaseUserManager["User"]):
    """Finds and makes people by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, *, name: str = "") -> "User":
        """A person with this address; without a password they sign in by link or by OpenID Connect."""
        user = self.model(email=email.strip().lower(), name=name)
        user.set_password(password) if password else user.set_unusable_password()
        user.save()
        return user

    @override
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person with an account here. What they may do stands in their roles, not in flags."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    is_active = models.BooleanField(default=True)
    joined_at = models.DateTimeField(null=True, blank=True)
    session_salt = models.CharField(max_length=16, default=new_salt, editable=False)

    objects: ClassVar[UserAccess] = UserAccess()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        material = f"{self.password}:{self.session_salt}"
        return salted_hmac("sapwood.accounts.session", material, secret=secret, algorithm="sha256").hexdigest()


class RoleGrant(models.Model):
    """A person holds a role, on everything or narrowed to one channel or locale."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in Role])
    scope_kind = models.CharField(max_length=20, blank=True, choices=[(kind.value, kind.label) for kind in ScopeKind])
    scope_key = models.CharField(max_length=100, blank=True)
    granted_by = models.CharField(max_length=200)
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    from_claim = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role", "scope_kind", "scope_key"], name="accounts_grant_once"),
            models.CheckConstraint(
                condition=models.Q(scope_kind="", scope_key="") | ~models.Q(scope_kind="") & ~models.Q(scope_key=""),
                name="accounts_grant_scope_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.scope_kind}:{self.scope_key}" if self.scope_kind else self.role


class SignInLink(models.Model):
    """A link that signs one person in once; only the hash of its secret is kept."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_in_links")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.uuid)


class ApiToken(models.Model):
    """A key for programs: at most what its owner may do, only the hash of its secret is kept."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("what it is for"), max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class ClaimRule(models.Model):
    """People whose identity provider says `claim` = `value` hold `role`; only an administrator writes such rules."""

    claim = models.CharField(max_length=200)
    value = models.CharField(max_length=200)
    role = models.CharField(max_length=30, choices=[(role.value, role.label) for role in Role])
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["claim", "value", "role"], name="accounts_claimrule_once")]

    def __str__(self) -> str:
        return f"{self.claim}={self.value}: {self.role}"


class SessionNote(models.Model):
    """Where and when a session was opened, so that its owner can tell it apart and end it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="session_notes")
    session_key = models.CharField(max_length=40, unique=True)
    agent = models.CharField(max_length=200, blank=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.agent


class CacheRow(models.Model):
    """Django's database cache: counts of sign-in attempts must outlive a process and be shared by all."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "accounts_cache"

    def __str__(self) -> str:
        return self.cache_key
