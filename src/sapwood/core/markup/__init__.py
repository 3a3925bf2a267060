"""Text and markup from strangers, made safe to show."""

from sapwood.core.markup.convert import html_to_markdown
from sapwood.core.markup.html import MarkupTooLargeError, clean_html, html_to_text, link_reports
from sapwood.core.markup.links import LinkReport, check_url
from sapwood.core.markup.markdown import placeholders, render_markdown
from sapwood.core.markup.text import clean_text, is_mixed, isolate, safe_characters

__all__ = [
    "LinkReport",
    "MarkupTooLargeError",
    "check_url",
    "clean_html",
    "clean_text",
    "html_to_markdown",
    "html_to_text",
    "is_mixed",
    "isolate",
    "link_reports",
    "placeholders",
    "render_markdown",
    "safe_characters",
]
