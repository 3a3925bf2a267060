"""The console's few icons: 16 by 16, in the text's colour, silent to screen readers."""

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

_SHAPES = {
    "good": '<circle cx="8" cy="8" r="6.5"/><path d="m5 8.3 2.1 2.1L11 6.2"/>',
    "caution": '<path d="M8 2.2 14.6 13.6H1.4Z"/><path d="M8 6.4v3.4M8 11.6v.2"/>',
    "bad": '<path d="M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3Z"/><path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/>',
    "info": '<circle cx="8" cy="8" r="6.5"/><path d="M8 7.4v3.8M8 4.8V5"/>',
    "unknown": '<circle cx="8" cy="8" r="6.5" stroke-dasharray="2.6 1.5"/>'
    '<path d="M6.2 6.4C6.3 5.3 7 4.8 8 4.8s1.8.6 1.8 1.5c0 1.2-1.8 1.3-1.8 2.7M8 11v.2"/>',
    "menu": '<path d="M2 4h12M2 8h12M2 12h12"/>',
    "display": '<circle cx="8" cy="8" r="6.5"/><path d="M8 1.5v13A6.5 6.5 0 0 0 8 1.5Z" fill="currentColor"/>',
    "person": '<circle cx="8" cy="5.2" r="2.9"/><path d="M2.3 14.2c.5-3 2.8-4.6 5.7-4.6s5.2 1.6 5.7 4.6"/>',
    "key": '<rect x="1.5" y="4" width="13" height="8.5" rx="1.5"/>'
    '<path d="M4 6.8h.2M6.6 6.8h.2M9.2 6.8h.2M11.8 6.8h.2M5 10h6"/>',
    "signed": '<path d="M8 1.6 13.4 3.8v4c0 3.2-2.2 5.5-5.4 6.7C4.8 13.3 2.6 11 2.6 7.8v-4Z"/>'
    '<path d="m5.4 7.9 1.9 1.9L10.7 6"/>',
    "unsigned": '<path d="M8 1.6 13.4 3.8v4c0 3.2-2.2 5.5-5.4 6.7C4.8 13.3 2.6 11 2.6 7.8v-4Z" '
    'stroke-dasharray="2.4 1.6"/><path d="M8 5v3.4M8 10.6v.2"/>',
    "next": '<path d="m6 3.5 4.5 4.5L6 12.5"/>',
    "previous": '<path d="M10 3.5 5.5 8l4.5 4.5"/>',
}
NAMES = tuple(_SHAPES)
# Arrows point along the reading direction; the style sheet mirrors these.
_DIRECTED = frozenset({"next", "previous"})


def icon(name: str) -> SafeString:
    """One icon as inline SVG; an unknown name gives the question mark rather than a hole."""
    known = name if name in _SHAPES else "unknown"
    css_class = "icon icon-directed" if known in _DIRECTED else "icon"
    return format_html(
        '<svg class="{}" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor"'
        ' stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"'
        ' focusable="false">{}</svg>',
        css_class,
        mark_safe(_SHAPES[known]),  # noqa: S308 - the constant shapes above
    )
