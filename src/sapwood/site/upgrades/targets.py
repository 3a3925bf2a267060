"""The target that a new release means: the template of the subject file, with the release's name put in.

Nothing but a name goes in, and only one that is made of what names are made of: the rest is the operator's word.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.data import Side, Subject
from sapwood.site.upgrades.subject import SubjectError

VERSION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|[.+](?![.])){0,99}\Z")
MAX_TAG: Final = 200


class NoTemplateError(SubjectError):
    """The subject file does not say what a new release means."""

    code = "upgrades.no_template"


def for_release(subject: Subject, version: str, tag: str = "") -> Subject:
    """The subject whose target is this release. Raises NoTemplateError, SubjectError."""
    template = subject.automatic
    if template is None:
        raise NoTemplateError(
            Phrase("The subject file does not say what a new release means"),
            hint=Phrase("Add [automatic] with requirements, python or tutor."),
        )
    parts = [version, *(tag.split("/") if tag else [])]
    if len(tag) > MAX_TAG or not all(VERSION.match(part) for part in parts):
        raise SubjectError(
            Phrase("A release with this name cannot be put into a template"), hint=Phrase("Upgrade by hand.")
        )
    target = dataclasses.replace(
        template,
        python=Path(_filled(str(template.python), version, tag)) if template.python else None,
        tutor=Path(_filled(str(template.tutor), version, tag)) if template.tutor else None,
        requirements=tuple(_filled(text, version, tag) for text in template.requirements),
    )
    return dataclasses.replace(subject, target=target, release=version)


def digest_of(subject: Subject) -> str:
    """What tells one target from another: a changed template is another target."""
    side = subject.target
    words = [str(side.python), str(side.tutor), *side.requirements, side.exclude_newer, side.settings]
    return sha256_hex(canonical_bytes(words))[:16]


def kept(subject: Subject) -> Mapping[str, Any] | None:
    """For the journal of an upgrade to a release, so that it goes on to just this target; None for the file's own."""
    if not subject.release:
        return None
    side = subject.target
    return {
        "release": subject.release,
        "python": str(side.python or ""),
        "tutor": str(side.tutor or ""),
        "settings": side.settings,
        "requirements": list(side.requirements),
        "exclude_newer": side.exclude_newer,
        "resolved": side.resolved,
    }


def recalled(subject: Subject, found: Mapping[str, Any] | None) -> Subject:
    """The subject with the target that an upgrade began with."""
    if not found:
        return subject
    side = Side(
        python=Path(found["python"]) if found["python"] else None,
        tutor=Path(found["tutor"]) if found["tutor"] else None,
        settings=found["settings"],
        requirements=tuple(found["requirements"]),
        exclude_newer=found["exclude_newer"],
        resolved=found["resolved"],
    )
    return dataclasses.replace(subject, target=side, release=found["release"])


def _filled(text: str, version: str, tag: str) -> str:
    return text.replace("{version}", version).replace("{tag}", tag or version)
