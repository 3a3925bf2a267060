"""Errors of announcements."""

from collections.abc import Sequence
from typing import ClassVar

from sapwood.commons.announcements.data import Problem
from sapwood.core.errors import ConflictError, ForbiddenError, NotFoundError, SapwoodError
from sapwood.formats.phrase import Phrase


class AnnouncementInvalidError(SapwoodError):
    """An announcement cannot be published as it is written."""

    code: ClassVar[str] = "announcements.invalid"
    http_status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0].words if self.problems else Phrase("The announcement is not valid.")
        rest = len(self.problems) - 1
        more = Phrase("There is 1 more.") if rest == 1 else Phrase("There are %(n)s more.", n=rest)
        super().__init__(first, hint=more if rest > 0 else "")


class AnnouncementNotFoundError(NotFoundError):
    """There is no such announcement."""

    code: ClassVar[str] = "announcements.not_found"


class WrongStateError(ConflictError):
    """The revision is in a state in which this cannot be done."""

    code: ClassVar[str] = "announcements.wrong_state"


class ChangedError(ConflictError):
    """The text changed since the person looked at it."""

    code: ClassVar[str] = "announcements.changed"


class SecondPersonError(ForbiddenError):
    """What goes to the security channel needs the word of somebody who did not write it."""

    code: ClassVar[str] = "announcements.second_person"


class ConsentMissingError(ConflictError):
    """A case study waits for the organisation that it describes."""

    code: ClassVar[str] = "announcements.consent_missing"


class ConsentLinkError(NotFoundError):
    """A link for reading a case study is unknown, used or too old."""

    code: ClassVar[str] = "announcements.consent_link"


class TrustError(ConflictError):
    """A source cannot be trusted in this way."""

    code: ClassVar[str] = "announcements.trust"


class TranslationFileError(SapwoodError):
    """A translation file cannot be read or does not belong here."""

    code: ClassVar[str] = "announcements.translation_file"


class NothingToRetractError(ConflictError):
    """An announcement that never left the house cannot be taken back."""

    code: ClassVar[str] = "announcements.nothing_to_retract"
