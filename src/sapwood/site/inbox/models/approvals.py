"""Approvals: immutable, pinned to the hash of exactly what was approved, and signed by people."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.db import models
from typing_extensions import override

from sapwood.core.errors import ConflictError
from sapwood.site.inbox.data import Audience, OutletKind


class ImmutableError(ConflictError):
    """An approval can be withdrawn or replaced, but never changed."""

    code = "gate.immutable"


class ImmutableQuerySet(models.QuerySet[Any]):
    """Reads and inserts; nothing else."""

    @override
    def update(self, **kwargs: Any) -> int:
        raise ImmutableError("An approval cannot be changed", hint="Approve the item anew.")

    @override
    def delete(self) -> tuple[int, dict[str, int]]:
        raise ImmutableError("An approval cannot be deleted", hint="Withdraw it instead.")

    @override
    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        raise ImmutableError("An approval cannot be changed", hint="Approve the item anew.")


class Immutable(models.Model):
    """A row that is written once."""

    objects: ClassVar[Any] = ImmutableQuerySet.as_manager()

    class Meta:
        abstract = True

    @override
    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ImmutableError("An approval cannot be changed", hint="Approve the item anew.")
        super().save(*args, **kwargs)

    @override
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise ImmutableError("An approval cannot be deleted", hint="Withdraw it instead.")


class Approval(Immutable):
    """Exactly what may go out: `content` is canonical JSON, `digest` its SHA-256."""

    item = models.ForeignKey("inbox.Item", on_delete=models.PROTECT, related_name="approvals")
    revision = models.PositiveIntegerField()
    content = models.TextField()
    digest = models.CharField(max_length=64, db_index=True)
    audience = models.CharField(max_length=20, choices=Audience.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    people_needed = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"approval {self.pk} of item {self.item_id}"

    @property
    def subject(self) -> str:
        """How the audit log names it."""
        return f"approval:{self.pk}"


class Signature(Immutable):
    """One person stands behind one approval; `audit_seq` is the row of the audit chain that says so."""

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="signatures")
    kind = models.CharField(max_length=10)
    key = models.CharField(max_length=200)
    person = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    audit_seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "person"], name="inbox_signature_one_per_person")]

    def __str__(self) -> str:
        return f"signature on {self.approval_id}"


class Dispatch(models.Model):
    """One outlet of one approval: when it is due, whether its recipients are listed, and what holds it."""

    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="dispatches")
    outlet = models.CharField(max_length=10, choices=OutletKind.choices)
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    held = models.CharField(max_length=300, blank=True)
    held_code = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "outlet"], name="inbox_dispatch_once")]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(done_at__isnull=True), name="inbox_dispatch_due")]

    def __str__(self) -> str:
        return f"{self.outlet} of {self.approval_id}"
