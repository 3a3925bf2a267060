"""Delivery status notifications (RFC 3464), as mail servers send them back; anybody may send something like one.

Read with the old, plain header rules of the library: they take any bytes, where the newer ones can stumble.
"""

import re
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from typing import Any, Final

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_RECIPIENTS: Final = 20  # a mail of ours has one
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)", re.ASCII)
_RETURNED: Final = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"})


@dataclass(frozen=True)
class Notice:
    """What one notification says about one recipient of one mail."""

    message_id: str
    recipients: frozenset[str]
    action: str
    status: str

    @property
    def failed(self) -> bool:
        """The mail server gave up; otherwise it is late, or arrived."""
        return self.action == "failed" and self.status[:1] in {"4", "5"}

    @property
    def hard(self) -> bool:
        """It will never work (class 5 of RFC 3463); class 4 may work another day."""
        return self.failed and self.status.startswith("5")


def read_notices(raw: bytes) -> list[Notice]:
    """The notices in one mail; none when it is no notification, or one that cannot be read."""
    if len(raw) > MAX_BYTES:
        return []
    try:
        return _notices(BytesParser(policy=policy.compat32).parsebytes(raw))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return []  # hostile structure or encodings


def _notices(message: Message) -> list[Notice]:
    parts: Any = message.get_payload()
    if message.get_content_type() != "multipart/report" or not isinstance(parts, list):
        return []
    groups = next((one.get_payload() for one in parts if one.get_content_type() == "message/delivery-status"), None)
    returned = next((one for one in parts if one.get_content_type() in _RETURNED), None)
    message_id = _message_id(returned) if returned is not None else ""
    if not isinstance(groups, list) or not message_id:
        return []
    return [one for group in groups[1 : 1 + MAX_RECIPIENTS] if (one := _notice(group, message_id)) is not None]


def _notice(group: Message, message_id: str) -> Notice | None:
    status = _STATUS.match(_text(group, "Status"))
    recipients = {_address(_text(group, name)) for name in ("Final-Recipient", "Original-Recipient")} - {""}
    if status is None or not recipients:
        return None
    return Notice(message_id, frozenset(recipients), _text(group, "Action").lower(), status[0])


def _message_id(returned: Message) -> str:
    inside: Any = returned.get_payload()
    if isinstance(inside, list):
        return _text(inside[0], "Message-ID") if inside else ""
    raw = returned.get_payload(decode=True)
    headers = raw if isinstance(raw, bytes) else b""
    return _text(BytesHeaderParser(policy=policy.compat32).parsebytes(headers), "Message-ID")


def _address(field: str) -> str:
    """`rfc822; carol@riverside.example` without its type."""
    return field.partition(";")[2].strip().strip("<>").lower()


def _text(message: Message, name: str) -> str:
    return str(message.get(name, "")).strip()
