"""People whom approved items may reach: only what delivery needs."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from sapwood.site.inbox.data import SEVERITIES, Audience, Source

THRESHOLDS = [*[(word, word) for word in SEVERITIES], ("never", "never")]


class Person(models.Model):
    """One address on the list. No name is kept: a mail needs none."""

    uuid = models.UUIDField(default=uuid4, unique=True, editable=False)
    email = models.EmailField()
    audience = models.CharField(max_length=20, choices=Audience.choices)
    locale = models.CharField(max_length=20, default="en")
    source = models.CharField(max_length=12, choices=Source.choices)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)
    threshold = models.CharField(max_length=10, choices=THRESHOLDS, default="high")
    digest = models.BooleanField(default=True)
    forum_invited_at = models.DateTimeField(null=True, blank=True)
    forum_accepted_at = models.DateTimeField(null=True, blank=True)
    added_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True, blank=True)
    secret = models.UUIDField(default=uuid4, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="inbox_person_email_any_case")]
        indexes = [
            models.Index(
                fields=["audience", "id"],
                condition=Q(confirmed_at__isnull=False, unsubscribed_at__isnull=True),
                name="inbox_person_reachable",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def subject(self) -> str:
        """How the audit log names them: never by address."""
        return f"person:{self.uuid}"


class StreamOptIn(models.Model):
    """A person asked for one stream that an administrator opened."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="streams")
    channel = models.CharField(max_length=100)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["person", "channel"], name="inbox_optin_once")]

    def __str__(self) -> str:
        return f"{self.person_id} {self.channel}"


class AudienceRule(models.Model):
    """Whose identity provider says `claim` = `value` belongs to `audience`; only an administrator writes such rules."""

    claim = models.CharField(max_length=200)
    value = models.CharField(max_length=200)
    audience = models.CharField(max_length=20, choices=Audience.choices)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["claim", "value", "audience"], name="inbox_audiencerule_once"),
            models.CheckConstraint(condition=~Q(audience="administrators"), name="inbox_audiencerule_never_staff"),
        ]

    def __str__(self) -> str:
        return f"{self.claim}={self.value}: {self.audience}"


class ClaimedAudience(models.Model):
    """The audience that an account has by what its identity provider said at the last sign-in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    audience = models.CharField(max_length=20, choices=Audience.choices)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user_id} {self.audience}"


class Bounce(models.Model):
    """An address that mail servers refuse for good, as a keyed hash: erasing a person forgets the address."""

    address_key = models.CharField(max_length=64, unique=True)
    reason = models.CharField(max_length=300)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.reason
