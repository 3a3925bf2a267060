"""Whom an organisation's consent was asked of, and who answered: given out and forgotten with everything else."""

from sapwood.accounts.api import register_personal_data
from sapwood.commons.announcements import api

register_personal_data(
    "announcements",
    exporter=api.export_consents,
    eraser=api.erase_consents,
    fields=tuple(f"announcements.CaseStudyConsent.{name}" for name in ("email", "answered_by", "comment")),
)
