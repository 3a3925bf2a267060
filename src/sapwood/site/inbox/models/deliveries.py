"""Deliveries: one row per approval, outlet and recipient, so that nothing can go out twice."""

import uuid

from django.db import models
from django.db.models import Q

from sapwood.site.inbox.data import Audience, DeliveryState, OutletKind
from sapwood.site.inbox.models.approvals import Approval
from sapwood.site.inbox.models.people import Person


class Mailing(models.Model):
    """One mail: its Message-ID is fixed before it is handed to the mail server."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    person = models.ForeignKey(Person, null=True, on_delete=models.SET_NULL, related_name="mailings")
    message_id = models.CharField(max_length=200, unique=True)
    digest = models.BooleanField(default=False)
    started_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.message_id


class Delivery(models.Model):
    """One approved item on its way to one recipient; `target` is empty for page and feed."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="deliveries")
    outlet = models.CharField(max_length=10, choices=OutletKind.choices)
    target = models.CharField(max_length=64, blank=True)
    person = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    digest = models.BooleanField(default=False)
    mailing = models.ForeignKey(Mailing, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "outlet", "target"], name="inbox_delivery_once"),
            models.CheckConstraint(
                condition=Q(outlet__in=["page", "feed"], target="")
                | (Q(outlet__in=["mail", "webhook"]) & ~Q(target="")),
                name="inbox_delivery_target_fits_outlet",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="inbox_delivery_due"),
            models.Index(fields=["state", "-id"], name="inbox_delivery_state"),
        ]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.outlet} {self.state}"

    @property
    def subject(self) -> str:
        """How the audit log names it."""
        return f"delivery:{self.uuid}"


class OutletConfig(models.Model):
    """How an outlet is set for one audience; a webhook is one row per receiver."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    outlet = models.CharField(max_length=10, choices=OutletKind.choices)
    audience = models.CharField(max_length=20, choices=Audience.choices)
    name = models.CharField(max_length=60, blank=True)
    public = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    url = models.URLField(max_length=1000, blank=True)
    allow_private = models.BooleanField(default=False)
    generation = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["outlet", "audience", "name"], name="inbox_outletconfig_once"),
            models.CheckConstraint(
                condition=~Q(outlet="webhook") | (~Q(url="") & ~Q(name="")), name="inbox_outletconfig_webhook_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outlet} {self.audience} {self.name}".strip()


class WebhookDeadLetter(models.Model):
    """A webhook delivery that nobody took; a person may send it again, with the same key."""

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="dead_letter")
    attempts = models.PositiveSmallIntegerField()
    last_error = models.CharField(max_length=300)
    at = models.DateTimeField()
    sent_again_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.last_error


class Brand(models.Model):
    """The institution's name and colours; their values are part of what is approved."""

    name = models.CharField(max_length=120, blank=True)
    accent = models.CharField(max_length=7, default="#1f6f54")
    contact = models.EmailField(blank=True)
    sign_off = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return self.name


class FeedbackAnswer(models.Model):
    """What an administrator answered to a feedback request; the way back is the outbox's."""

    item = models.ForeignKey("inbox.Item", on_delete=models.CASCADE, related_name="answers")
    text = models.TextField()
    revision = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"answer to {self.item_id}"


class HandOver(models.Model):
    """A feedback request goes to the institution's own tool: a link that identifies nobody."""

    item = models.OneToOneField("inbox.Item", on_delete=models.CASCADE, related_name="hand_over")
    template = models.CharField(max_length=1000)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.template
