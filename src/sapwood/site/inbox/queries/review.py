"""Everything that the review page, `inbox show` and the API say about one item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sapwood.formats.errors import FormatError
from sapwood.site.inbox import content, rendering
from sapwood.site.inbox.data import Audience, Decision, Text, Upstream
from sapwood.site.inbox.models import Approval, ChannelPolicy, Dispatch, Item, Revision, Signature
from sapwood.site.inbox.queries import items


@dataclass(frozen=True)
class ThreeWay:
    """One language in three forms: what the approval started from, what was approved, what the source says now."""

    locale: str
    base: str
    ours: str
    theirs: str


@dataclass(frozen=True)
class Language:
    """One language on the review page: the source's text, this site's text, and how it reads."""

    locale: str
    origin: str
    original: Text | None
    local: Text | None
    base_revision: int | None
    behind: bool
    translated: bool
    reading: rendering.Reading
    version: int = 0

    @property
    def final(self) -> Text:
        """What would go out."""
        return self.local or self.original or Text("")

    @property
    def changed_lines(self) -> int:
        """How many lines this site changed."""
        if self.local is None or self.original is None:
            return 0
        before, after = self.original.as_lines().splitlines(), self.local.as_lines().splitlines()
        return sum(1 for line in after if line not in before) or abs(len(after) - len(before))


@dataclass(frozen=True)
class Review:
    """One item, ready for somebody to decide about it."""

    item: Item
    revision: Revision | None
    seen: str
    languages: Sequence[Language]
    links: Sequence[rendering.ShownLink]
    brand: Mapping[str, str]
    stage: Audience
    two_people: bool
    problem: str = ""
    removed_links: Sequence[str] = ()
    approval: Approval | None = None
    signatures: Sequence[Signature] = ()
    dispatches: Sequence[Dispatch] = ()
    three_way: Sequence[ThreeWay] = ()
    requests: Sequence[Item] = ()
    answers: Sequence[Item] = ()
    event: Mapping[str, Any] | None = None
    hand_over: str = ""
    approved_texts: Mapping[str, Text] = field(default_factory=dict)

    @property
    def audiences(self) -> list[tuple[Audience, bool]]:
        """Every audience, and whether the channel is open to it."""
        return [(audience, audience.reach <= self.stage.reach) for audience in Audience]

    @property
    def waits_for_second(self) -> bool:
        """Whether one person approved it and another one has to."""
        return self.approval is not None and self.item.decision == Decision.IN_REVIEW


def review(item_id: int) -> Review:
    """One item with everything that a decision needs. Raises NotFoundError."""
    row = items.item(item_id)
    policy = ChannelPolicy.objects.filter(channel=row.channel).first()
    requests, answers = items.bound_to(row)
    revision = row.revisions.filter(number=row.revision).first()
    common: dict[str, Any] = {
        "item": row,
        "revision": revision,
        "stage": Audience(policy.stage) if policy else Audience.ADMINISTRATORS,
        "two_people": policy.two_people if policy else True,
        "approval": row.approval,
        "signatures": list(row.approval.signatures.order_by("id")) if row.approval else [],
        "dispatches": list(row.approval.dispatches.order_by("id")) if row.approval else [],
        "requests": requests,
        "answers": answers,
    }
    try:
        draft = content.draft(row, revision=revision)
    except FormatError as error:
        return Review(seen="", languages=[], links=[], brand=content.brand_values(), problem=error.message, **common)
    return Review(
        seen=draft.seen,
        languages=[_language(draft, locale) for locale in sorted(draft.texts, key=lambda name: (name != "en", name))],
        links=rendering.shown(draft.doc.links, ""),
        brand=draft.brand,
        removed_links=draft.removed_links(),
        three_way=three_way(row, draft),
        event=draft.doc.event,
        hand_over=draft.hand_over,
        approved_texts=approved_texts(row.approval) if row.approval else {},
        **common,
    )


def approved_texts(row: Approval) -> dict[str, Text]:
    """The texts that an approval pins, for showing what was approved."""
    return {locale: Text.of(parts) for locale, parts in content.read_pinned(row)["texts"].items()}


def three_way(row: Item, draft: content.Draft) -> list[ThreeWay]:
    """What was approved against what the source says now; empty while nothing was approved or nothing changed."""
    if row.approval is None or row.approval.revision == row.revision:
        return []
    base_row = row.revisions.filter(number=row.approval.revision).first()
    if base_row is None:
        return []
    base = content.draft(row, revision=base_row).doc.texts
    ours = approved_texts(row.approval)
    found = []
    for locale in sorted({*ours, *draft.doc.texts}):
        three = ThreeWay(
            locale,
            base[locale].as_lines() if locale in base else "",
            ours[locale].as_lines() if locale in ours else "",
            draft.doc.texts[locale].as_lines() if locale in draft.doc.texts else "",
        )
        if three.base != three.theirs:
            found.append(three)
    return found


def _language(draft: content.Draft, locale: str) -> Language:
    row = draft.local.get(locale)
    return Language(
        locale=locale,
        origin=draft.doc.origins.get(locale, ""),
        original=draft.doc.texts.get(locale),
        local=draft.texts[locale] if row else None,
        base_revision=row.base_revision if row else None,
        behind=row is not None and row.base_revision < draft.revision.number,
        translated=bool(row and row.translated),
        version=row.version if row else 0,
        reading=rendering.read_in({locale: draft.texts[locale]}, draft.doc.links, draft.brand, locale),
    )


def needs_answer(row: Item) -> bool:
    """Whether something happened upstream to what was approved, and nobody answered yet."""
    changed = row.upstream in {Upstream.REVISED, Upstream.RETRACTED, Upstream.SUPERSEDED}
    return row.decision == Decision.APPROVED and changed and row.raised_at is not None
