"""The console's template tags: `{% load sapwood %}`. What they print is escaped unless it is marked safe."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from sapwood.console import diff, figures, icons, phrases, shell
from sapwood.core.clock import system_clock

register = template.Library()
LEVELS = ("good", "caution", "bad", "info", "unknown")


def _level(level: str) -> str:
    """An unknown level shows as unknown: better a question mark than a false green."""
    return level if level in LEVELS else "unknown"


@register.simple_tag
def icon(name: str) -> SafeString:
    """`{% icon "signed" %}`: one of the console's icons, silent to screen readers."""
    return icons.icon(name)


@register.simple_tag
def status(level: str, word: Any) -> SafeString:
    """`{% status "good" "fresh" %}`: icon, word and colour together."""
    shown = _level(level)
    return format_html('<span class="status is-{}">{}<bdi>{}</bdi></span>', shown, icons.icon(shown), word)


@register.simple_tag
def badge(word: Any, level: str = "") -> SafeString:
    """`{% badge "security" "bad" %}`: a short label; the word carries the meaning."""
    css_class = f"badge is-{_level(level)}" if level else "badge"
    return format_html('<span class="{}">{}</span>', css_class, word)


@register.simple_tag(takes_context=True)
def when(context: template.Context, value: date | datetime | None, missing: Any = "") -> SafeString:
    """`{% when item.received_at %}`: absolute, with the relative form beside it."""
    if value is None:
        return format_html('<span class="muted">{}</span>', missing or _("never"))
    now = context.get("now") or system_clock().now()
    if isinstance(value, datetime):
        aware = value if timezone.is_aware(value) else timezone.make_aware(value)
        absolute, beside, machine = figures.instant(aware), figures.relative(aware, now), aware.isoformat()
        title = aware.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S UTC")
    else:
        today = timezone.localtime(now).date()
        absolute, beside = figures.day(value), figures.relative_day(value, today)
        machine = title = value.isoformat()
    return format_html(
        '<span class="when"><time datetime="{}" title="{}">{}</time>'
        '<span class="muted"><span class="dot"> · </span><bdi>{}</bdi></span></span>',
        machine,
        title,
        absolute,
        beside,
    )


@register.simple_tag
def number(value: float | None, unit: Any = "", decimals: int | None = None) -> SafeString:
    """`{% number 1234.5 "GB" decimals=1 %}`: grouped, in tabular figures, bound to its unit."""
    if value is None:
        return format_html('<span class="num muted">{}</span>', _("unknown"))
    return format_html('<span class="num">{}</span>', figures.number(value, str(unit), decimals))


@register.simple_tag
def size(size_bytes: float | None) -> SafeString:
    """`{% size 2000000000 %}`: bytes as `2.0 GB`."""
    shown = _("unknown") if size_bytes is None else figures.size(size_bytes)
    return format_html('<span class="num">{}</span>', shown)


@register.simple_tag
def duration(duration_s: float | None, low: float | None = None, high: float | None = None) -> SafeString:
    """`{% duration 260 low=180 high=420 %}`: `4 min 20 s, between 3 min and 7 min`."""
    if duration_s is None:
        return format_html('<span class="num muted">{}</span>', _("unknown"))
    shown = format_html('<span class="num">{}</span>', figures.duration(duration_s))
    if low is None or high is None:
        return shown
    between = _("between %(low)s and %(high)s") % {
        "low": figures.duration(low),
        "high": figures.duration(high),
    }
    return format_html('{} <span class="num muted">{}</span>', shown, between)


@register.simple_tag
def code(value: Any, full: Any = "") -> SafeString:
    """`{% code digest|slice:":12" full=digest %}`: an identifier, left to right in every language."""
    shown = _breakable(str(value))
    if full:
        return format_html('<code class="code" dir="ltr" title="{}">{}</code>', full, shown)
    return format_html('<code class="code" dir="ltr">{}</code>', shown)


_SEPARATORS = re.compile(r"(?<=[/.:_@=&?,])(?=[^/.:_@=&?,])")
_LONG, _DIGEST = 20, 32


def _breakable(text: str) -> SafeString:
    """A long identifier may be broken after its separators, a digest after each 16 digits; a short one is one word."""
    words = _SEPARATORS.split(text) if len(text) > _LONG else [text]
    parts = (part for word in words for part in _sixteens(word))
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))


def _sixteens(word: str) -> list[str]:
    is_digest = len(word) > _DIGEST and word.isalnum()
    return [word[at : at + 16] for at in range(0, len(word), 16)] if is_digest else [word]


@register.simple_tag
def key(name: str) -> SafeString:
    """`{% key "a" %}`: the hint that a key does what the element before it does."""
    return format_html('<kbd class="key" aria-hidden="true" dir="ltr">{}</kbd>', name)


@register.inclusion_tag("console/components/empty_state.html")
def empty_state(title: Any, text: Any = "", url: str = "", action: Any = "") -> Mapping[str, Any]:
    """`{% empty_state title=… text=… url=… action=… %}`: what is empty, and what to do about it."""
    return {"title": title, "text": text, "url": url, "action": action}


@register.simple_block_tag
def card(
    content: str,
    title: Any = "",
    level: str = "",
    span: int = 1,
    heading: int = 2,
    slug: str = "",
) -> SafeString:
    """`{% card title="The channel" %}…{% endcard %}`: a bordered group with a heading."""
    context = {
        "title": title,
        "level": level,
        "span": span,
        "heading": heading,
        "slug": slug,
        "body": content,
    }
    return render_to_string("console/components/card.html", context)


@register.simple_block_tag
def callout(content: str, title: Any = "", level: str = "info", url: str = "", action: Any = "") -> SafeString:
    """`{% callout level="bad" title=what url=… action=next_step %}why it matters{% endcallout %}`."""
    context = {"title": title, "level": _level(level), "url": url, "action": action, "body": content}
    return render_to_string("console/components/callout.html", context)


@register.inclusion_tag("console/components/callout.html", name="callout_line")
def callout_line(title: Any, text: Any = "", level: str = "info", url: str = "", action: Any = "") -> Any:
    """The same in one line, for texts that come from Python."""
    return {"title": title, "text": text, "level": _level(level), "url": url, "action": action}


@register.simple_block_tag
def dialog(content: str, name: str = "", title: Any = "") -> SafeString:
    """`{% dialog name="reject" title=… %}…{% enddialog %}`: opened by `data-opens="reject"`."""
    context = {"name": name, "title": title, "body": content}
    return render_to_string("console/components/dialog.html", context)


@register.simple_tag
def difference(old: str, new: str, view: str = "split", old_title: Any = "", new_title: Any = "") -> SafeString:
    """`{% difference old new view="split" %}`: two texts side by side, or `view="unified"`."""
    context = {
        "rows": diff.compare(old, new),
        "view": view,
        "old_title": old_title or _("Before"),
        "new_title": new_title or _("After"),
    }
    return render_to_string("console/components/diff.html", context)


@register.simple_tag
def difference_three(
    base: str, ours: str, theirs: str, base_title: Any = "", ours_title: Any = "", theirs_title: Any = ""
) -> SafeString:
    """`{% difference_three base ours theirs %}`: what each side changed since they agreed."""
    context = {
        "parts": diff.compare_three(base, ours, theirs),
        "base_title": base_title or _("Was approved from"),
        "ours_title": ours_title or _("Yours"),
        "theirs_title": theirs_title or _("Theirs now"),
    }
    return render_to_string("console/components/diff_three.html", context)


@register.simple_tag
def rings(done: int, total: int, label: Any, failed: Any = None) -> SafeString:
    """`{% rings 3 7 "Copying the database" %}`: one ring per step, with the words beside."""
    context = shell.rings_of(done, total, label, failed=bool(failed))
    return render_to_string("console/components/rings.html", context)


@register.simple_tag
def meter(
    value: float,
    maximum: float,
    label: Any,
    unit: Any = "",
    level: str = "good",
    words: Any = "",
) -> SafeString:
    """`{% meter 3 5 "Live items" "items" level="caution" %}`: how much of a budget is used."""
    share = 0.0 if maximum <= 0 else max(0.0, min(1.0, value / maximum))
    of = _("%(value)s of %(maximum)s") % {
        "value": figures.number(value),
        "maximum": figures.number(maximum, str(unit)),
    }
    context = {
        "label": label,
        "value": value,
        "maximum": maximum,
        "width": f"{share * 100:.1f}",
        "level": _level(level),
        "words": words or of,
    }
    return render_to_string("console/components/meter.html", context)


@register.filter
def joined(parts: Sequence[Any]) -> SafeString:
    """Parts in one line with a middle dot between; each is escaped."""
    shown = [conditional_escape(part) for part in parts if part]
    return mark_safe(" · ".join(shown))  # noqa: S308 - every part was escaped above


@register.filter
def say(text: Any) -> str:
    """`{{ threat.why|say }}`: a sentence of the formats, or of an error, in the reader's language."""
    return phrases.say(text)


@register.filter
def noted(text: Any) -> str:
    """`{{ look.error.message|noted }}`: the same for what the database holds; older rows are marked as English."""
    return phrases.say_noted(text)


_MESSAGE_LEVELS = {"success": "good", "warning": "caution", "error": "bad", "info": "info", "debug": "info"}


@register.filter
def message_level(message: Any) -> str:
    """The status level of one of Django's messages."""
    return _MESSAGE_LEVELS.get(message.level_tag, "info")
