"""Items: what arrived, each revision of it as received bytes, and the texts that this site made of it."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from sapwood.site.inbox.data import Audience, Decision, RuleEffect, Upstream, Verdict
from sapwood.site.inbox.words import KINDS, SEVERITIES


class ItemQuerySet(models.QuerySet["Item"]):
    """The lists that people ask for."""

    def raised(self) -> "ItemQuerySet":
        """Items that wait for somebody here."""
        return self.filter(raised_at__isnull=False)

    def live(self) -> "ItemQuerySet":
        """Items that the source still stands by."""
        return self.filter(upstream__in=[Upstream.CURRENT, Upstream.REVISED])


class Item(models.Model):
    """One publication at this site. Decision, upstream and deliveries are three separate things."""

    channel = models.CharField(max_length=100)
    publication = models.UUIDField()
    signed = models.BooleanField(default=True)
    readable = models.BooleanField(default=True)
    note = models.CharField(max_length=500, blank=True)

    decision = models.CharField(max_length=10, choices=Decision.choices, default=Decision.NEW)
    upstream = models.CharField(max_length=10, choices=Upstream.choices, default=Upstream.CURRENT)

    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=20, default="none")
    severity_rank = models.PositiveSmallIntegerField(default=0)
    audience = models.CharField(max_length=20, choices=Audience.choices, default=Audience.ADMINISTRATORS)
    title = models.CharField(max_length=300)
    locales = models.JSONField(default=list)
    publish_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    survey_closes_at = models.DateTimeField(null=True, blank=True)

    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.YES)
    verdict_reasons = models.JSONField(default=list)
    had_condition = models.BooleanField(default=False)

    revision = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    raised_at = models.DateTimeField(null=True, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    retraction = models.CharField(max_length=500, blank=True)
    superseded_by = models.UUIDField(null=True, blank=True)
    acknowledged_revision = models.PositiveIntegerField(default=0)
    approval = models.ForeignKey("inbox.Approval", null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    objects: ClassVar[ItemQuerySet] = ItemQuerySet.as_manager()  # type: ignore[assignment]  # as_manager is typed as Manager

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "publication"], name="inbox_item_once_per_channel"),
            models.CheckConstraint(
                condition=~Q(decision="approved") | Q(approval__isnull=False), name="inbox_item_approved_has_approval"
            ),
            models.CheckConstraint(
                condition=~Q(decision="snoozed") | Q(snoozed_until__isnull=False), name="inbox_item_snoozed_has_end"
            ),
        ]
        indexes = [
            models.Index(
                fields=["-severity_rank", "-id"], condition=Q(raised_at__isnull=False), name="inbox_item_raised"
            ),
            models.Index(fields=["decision", "-id"], name="inbox_item_decision"),
            models.Index(fields=["publication"], name="inbox_item_publication"),
        ]

    def __str__(self) -> str:
        return self.title

    def permission_scopes(self) -> set[tuple[str, str]]:
        """A reviewer whose role is narrowed to a channel reaches the items of that channel."""
        return {("channel", self.channel)}

    @property
    def subject(self) -> str:
        """How the audit log names it."""
        return f"item:{self.channel}:{self.publication}"

    @property
    def kind_words(self) -> Any:
        """The kind as people read it; an unknown one stands as it came."""
        return KINDS.get(self.kind, self.kind)

    @property
    def severity_words(self) -> Any:
        """The severity as people read it."""
        return SEVERITIES.get(self.severity, self.severity)


class Revision(models.Model):
    """One revision as received bytes: never changed, never parsed before its hash is checked."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    raw = models.BinaryField()
    received_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    verified_by = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "number"], name="inbox_revision_once")]

    def __str__(self) -> str:
        return f"{self.item_id} revision {self.number}"


class LocalText(models.Model):
    """What this site made of one language: an edit or a translation; never overwritten from upstream."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="local_texts")
    locale = models.CharField(max_length=20)
    title = models.CharField(max_length=300)
    summary = models.TextField(blank=True)
    body = models.TextField(blank=True)
    question = models.TextField(blank=True)
    seeks = models.TextField(blank=True)
    base_revision = models.PositiveIntegerField()
    base_locale = models.CharField(max_length=20)
    translated = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "locale"], name="inbox_localtext_once_per_locale")]

    def __str__(self) -> str:
        return f"{self.item_id} {self.locale}"

    def permission_scopes(self) -> set[tuple[str, str]]:
        """A translator whose role is narrowed to a language reaches its texts."""
        return {("locale", self.locale)}


class Binding(models.Model):
    """One item closes a request ("you asked, we did"), or supersedes an older item."""

    class Kind(models.TextChoices):
        """What one item does to another."""

        CLOSES = "closes"
        SUPERSEDES = "supersedes"

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="bindings")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    request = models.UUIDField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "kind", "request"], name="inbox_binding_once")]

    def __str__(self) -> str:
        return f"{self.item_id} {self.kind} {self.request}"


class Cursor(models.Model):
    """How far a source was read; moved in the transaction that writes the items."""

    source = models.CharField(max_length=100, unique=True)
    position = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.source} {self.position}"


class ChannelPolicy(models.Model):
    """How far this site trusts a channel. Every channel starts at administrators only."""

    channel = models.CharField(max_length=100, unique=True)
    # Empty in rows that an older release writes: the column came with the second migration.
    subscription = models.CharField(max_length=100, blank=True, null=True)  # noqa: DJ001 - as said above
    stage = models.CharField(max_length=20, choices=Audience.choices, default=Audience.ADMINISTRATORS)
    two_people = models.BooleanField(default=True)
    open_to_opt_in = models.BooleanField(default=False)
    quiet_before = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.channel}: {self.stage}"

    @property
    def subject(self) -> str:
        """How the audit log names it."""
        return f"channel:{self.channel}"


class Rule(models.Model):
    """A standing order that files or mutes what arrives. It cannot approve: there is no such effect."""

    channel = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    below_severity = models.CharField(max_length=20, default="high")
    effect = models.CharField(max_length=10, choices=RuleEffect.choices)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(effect__in=RuleEffect.values), name="inbox_rule_never_approves"),
            models.UniqueConstraint(fields=["channel", "kind", "effect"], name="inbox_rule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.channel or 'any channel'} {self.kind or 'any kind'}"

    @property
    def kind_words(self) -> Any:
        """The kind as people read it; empty for a rule about a channel."""
        return KINDS.get(self.kind, self.kind)

    @property
    def severity_words(self) -> Any:
        """The severity as people read it."""
        return SEVERITIES.get(self.below_severity, self.below_severity)


class Retraction(models.Model):
    """What a channel took back; kept, because it may arrive before what it retracts."""

    channel = models.CharField(max_length=100)
    publication = models.UUIDField()
    revision = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "publication"], name="inbox_retraction_once")]

    def __str__(self) -> str:
        return f"{self.channel} {self.publication}"


class MassWithdrawal(models.Model):
    """The source took back much at once: a person decides whether to follow."""

    channel = models.CharField(max_length=100)
    retractions = models.JSONField(default=list)
    live_before = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    followed = models.BooleanField(null=True)

    def __str__(self) -> str:
        return f"{self.channel}: {len(self.retractions)} withdrawn"


class FeedSubscription(models.Model):
    """A plain feed that this site reads: unsigned, and behind the same gate."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.SlugField(max_length=60, unique=True)
    url = models.URLField(max_length=1000, unique=True)
    state = models.JSONField(default=dict)
    next_at = models.DateTimeField()
    last_good_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.name

    @property
    def channel(self) -> str:
        """The name under which its items stand in the inbox."""
        return f"feed-{self.name}"


class FeedSeen(models.Model):
    """What this site remembers of one entry of a feed, so that a moved or edited one is recognised."""

    feed = models.ForeignKey(FeedSubscription, on_delete=models.CASCADE, related_name="seen")
    publication = models.UUIDField()
    guid = models.CharField(max_length=2000)
    url = models.CharField(max_length=2100, blank=True)
    title = models.CharField(max_length=500, blank=True)
    fingerprint = models.CharField(max_length=128)
    published_at = models.DateTimeField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=1)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "publication"], name="inbox_feedseen_once")]

    def __str__(self) -> str:
        return self.title
