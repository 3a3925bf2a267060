"""Tables of announcements: what was written, who approved exactly what, where imports came from."""

import uuid
from typing import ClassVar

from django.db import models


class State(models.TextChoices):
    """States of a revision."""

    DRAFT = "DRAFT"
    IN_REVIEW = "IN_REVIEW"
    APPROVED = "APPROVED"
    STAGED = "STAGED"
    PUBLISHED = "PUBLISHED"
    RETRACTED = "RETRACTED"


# A revision in one of these may still change; from STAGED on its bytes are what sites receive.
OPEN_STATES = (State.DRAFT, State.IN_REVIEW, State.APPROVED)


class Channel(models.TextChoices):
    """Channels that announcements go to, each signed with keys of its own."""

    SECURITY = "security"
    RELEASES = "releases"
    CANDIDATES = "candidates"
    COMMUNITY = "community"
    SURVEYS = "surveys"


class Announcement(models.Model):
    """One message through all its revisions."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(max_length=80, unique=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.slug


class Revision(models.Model):
    """One text of an announcement: the document's bytes, and what lists need to know about them."""

    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT, db_index=True)
    raw = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    # Copied from the document, so that lists and budgets need no parsing.
    alert = models.BooleanField(default=True)
    title = models.CharField(max_length=300)
    kind = models.CharField(max_length=40, db_index=True)
    channel = models.CharField(max_length=20, choices=Channel.choices)
    severity = models.CharField(max_length=10)
    audience = models.CharField(max_length=20, db_index=True)
    locales = models.JSONField(default=list)
    publish_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    condition = models.JSONField(null=True, blank=True)
    # A case study describes an organisation, which must agree before anybody outside reads it.
    organisation = models.CharField(max_length=200, blank=True)
    # Everybody who had a hand in this text is an author, and none of them can be its second person: stable keys to
    # compare, and the audit log's ids to name them on a screen (so that erasing a person there is enough).
    author_keys = models.JSONField(default=list)
    author_refs = models.JSONField(default=list)
    updated_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    staged_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, db_index=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    retraction_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["announcement", "number"], name="announcements_revision_number"),
            models.UniqueConstraint(
                fields=["announcement"],
                condition=models.Q(state__in=["DRAFT", "IN_REVIEW", "APPROVED"]),
                name="announcements_one_open_revision",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "audience"], name="announcements_state_audience")]

    def __str__(self) -> str:
        return f"{self.title} ({self.number})"

    def permission_scopes(self) -> set[tuple[str, str]]:
        """Under which narrowed roles this falls."""
        return {("channel", self.channel)}


class Relation(models.TextChoices):
    """What one announcement does to another."""

    SUPERSEDES = "SUPERSEDES"
    CLOSES = "CLOSES"


class Reference(models.Model):
    """A revision replaces another announcement, or answers the feedback request that it was."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="references")
    relation = models.CharField(max_length=10, choices=Relation.choices)
    target = models.UUIDField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["revision", "relation", "target"], name="announcements_reference_once"),
        ]

    def __str__(self) -> str:
        return f"{self.relation.lower()} {self.target}"


class RevisionApproval(models.Model):
    """One person's word for exactly one text; it counts only while the revision still has that hash."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="approvals")
    person_key = models.CharField(max_length=200)
    person_ref = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64)
    approved_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["revision", "person_key", "sha256"], name="announcements_approval_once"),
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} by {self.person_ref}"


class Retraction(models.Model):
    """A published announcement is taken back: asked for, confirmed (in security by a second person), staged."""

    announcement = models.OneToOneField(Announcement, on_delete=models.PROTECT, related_name="retraction")
    reason = models.CharField(max_length=500)
    urgent = models.BooleanField(default=False)
    asked_key = models.CharField(max_length=200)
    asked_ref = models.CharField(max_length=32)
    asked_at = models.DateTimeField()
    channel = models.CharField(max_length=20, choices=Channel.choices)
    raw = models.BinaryField(default=b"")
    sha256 = models.CharField(max_length=64, blank=True)
    staged_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.announcement}: {self.reason}"


class Answer(models.TextChoices):
    """What an organisation said to the text about it."""

    WAITING = "WAITING"
    AGREED = "AGREED"
    REFUSED = "REFUSED"


class CaseStudyConsent(models.Model):
    """An organisation's word on exactly the text about it, asked for by a link that works once."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    announcement = models.ForeignKey(Announcement, on_delete=models.CASCADE, related_name="consents")
    organisation = models.CharField(max_length=200)
    email = models.EmailField()
    text_sha256 = models.CharField(max_length=64)
    raw = models.BinaryField()
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answer = models.CharField(max_length=10, choices=Answer.choices, default=Answer.WAITING)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.CharField(max_length=200, blank=True)
    comment = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.organisation}: {self.answer}"


class Budget(models.Model):
    """How many live announcements an audience should have at most."""

    audience = models.CharField(max_length=20, primary_key=True)
    live_items = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return f"{self.audience}: {self.live_items}"


class SourceKind(models.TextChoices):
    """How a source is read."""

    FEED = "FEED"
    WORDPRESS = "WORDPRESS"


class Source(models.Model):
    """A feed or blog whose items become drafts."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, unique=True)
    url = models.CharField(max_length=2000)
    kind = models.CharField(max_length=10, choices=SourceKind.choices, default=SourceKind.FEED)
    channel = models.CharField(max_length=20, choices=Channel.choices, default=Channel.COMMUNITY)
    audience = models.CharField(max_length=20, default="administrators")
    locale = models.CharField(max_length=35, default="en")
    trusted = models.BooleanField(default=False)
    paused = models.BooleanField(default=False)
    allow_private = models.BooleanField(default=False)
    # What the server gave us to ask with next time, and how the asking went.
    etag = models.CharField(max_length=1024, blank=True)
    last_modified = models.CharField(max_length=1024, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    modified_after = models.DateTimeField(null=True, blank=True)
    # Where the reading of a site's posts stopped, when it stopped before the end.
    walk = models.JSONField(default=dict)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    pause_until = models.DateTimeField(null=True, blank=True)
    read_until = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    moved_to = models.CharField(max_length=2048, blank=True)
    gone = models.BooleanField(default=False)
    last_good_at = models.DateTimeField(null=True, blank=True)
    last_error = models.JSONField(null=True, blank=True)
    report = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            # One feed may be trusted, and never with what must have a second person.
            models.UniqueConstraint(
                fields=["trusted"], condition=models.Q(trusted=True), name="announcements_one_trusted_source"
            ),
            models.CheckConstraint(
                condition=models.Q(trusted=False) | ~models.Q(channel="security"),
                name="announcements_trust_never_security",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ImportedEntry(models.Model):
    """An item of a source, and the announcement that it became."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="entries")
    guid = models.CharField(max_length=600)
    guid_sha256 = models.CharField(max_length=64)
    url = models.CharField(max_length=2048, blank=True)
    title = models.CharField(max_length=300)
    fingerprint = models.CharField(max_length=64, db_index=True)
    published_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()
    announcement = models.ForeignKey(
        Announcement, on_delete=models.SET_NULL, null=True, blank=True, related_name="imports"
    )
    # The text that the importer wrote last: where the draft differs from it, a person has been at work.
    written_sha256 = models.CharField(max_length=64, blank=True)
    # Its words, as the importer wrote them last, and as the source has them since somebody here had changed them.
    locale = models.CharField(max_length=35, blank=True)
    base = models.JSONField(default=dict)
    theirs = models.JSONField(default=dict)
    conflict = models.BooleanField(default=False)
    problems = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "guid_sha256"], name="announcements_entry_once_per_source"),
        ]

    def __str__(self) -> str:
        return self.guid
