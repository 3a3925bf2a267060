"""The audit log: a hash chain of changes, with people named by a random id that is kept elsewhere.

Each row's digest covers its content and the digest before it (RFC 8785 canonical JSON, SHA-256), so an edited or
removed row shows. A cut-off tail shows against the signed heads that `seal` writes outside the database.
"""

import base64
import datetime as dt
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from django.db import connection

from sapwood.core.data import JSON, Actor
from sapwood.core.errors import SapwoodError
from sapwood.core.files import write_atomically
from sapwood.core.keys import own_key
from sapwood.core.models import AuditHead, AuditName, AuditRow
from sapwood.formats.canonical import canonical_bytes, sha256_hex
from sapwood.formats.phrase import Phrase

GENESIS = "0" * 64
CHUNK = 2000
KEY_NAME = "seal.key"


class AuditError(SapwoodError):
    """The audit log cannot be written or sealed."""

    code = "audit.unusable"
    http_status = 500


@dataclass(frozen=True)
class AuditReport:
    """What `verify` found: `problems` is empty when the chain holds."""

    rows: int
    heads: int
    problems: list[str] = field(default_factory=list)


def record(
    *, actor: Actor, action: str, subject: str, at: dt.datetime, details: Mapping[str, JSON] | None = None
) -> AuditRow:
    """Append one change to the chain; must run inside the transaction that makes the change."""
    if not connection.in_atomic_block:
        raise AuditError("An audit row was written outside a transaction", hint="This is a defect: report it.")
    head = _locked_head()
    row = AuditRow(
        seq=head.seq + 1,
        at=at,
        actor_ref=_ref(actor),
        action=action,
        subject=subject,
        details=dict(details or {}),
        previous=head.digest or GENESIS,
    )
    row.digest = _digest(row)
    row.save(force_insert=True)
    head.seq, head.digest = row.seq, row.digest
    head.save(update_fields=["seq", "digest"])
    return row


def erase_name(*, kind: str, key: str, at: dt.datetime) -> bool:
    """Forget who a random id stood for; the chain stays valid. True when there was a name."""
    return bool(
        AuditName.objects.filter(kind=kind, key=key).update(
            key=f"erased-{secrets.token_hex(8)}", label="", erased_at=at
        )
    )


def names(refs: set[str]) -> dict[str, str]:
    """What to call the given ids on a screen; an erased or unknown one is left out."""
    rows = AuditName.objects.filter(ref__in=refs, erased_at=None)
    return {row.ref: row.label or row.key for row in rows}


def length() -> int:
    """How many rows the chain has, as its head says."""
    return AuditHead.objects.filter(pk=1).values_list("seq", flat=True).first() or 0


def verify(folder: Path, *, progress: Callable[[int, int], None] = lambda _done, _total: None) -> AuditReport:
    """Walk the whole chain and hold it against the signed heads in `folder`; `progress` hears how many rows were read.

    The chain may grow meanwhile: its end as it was before the walk must lie on it, and no row beyond its end as it is
    after the walk.
    """
    problems: list[str] = []
    heads = _read_heads(folder, problems)
    head, at_head = AuditHead.objects.filter(pk=1).first(), GENESIS
    previous, expected, rows = GENESIS, 1, 0
    for row in AuditRow.objects.order_by("seq").iterator(chunk_size=CHUNK):
        if rows % CHUNK == 0:
            progress(rows, max(rows, head.seq if head else 0))
        rows += 1
        if row.seq != expected:
            problems.append(Phrase("rows %(first)s to %(last)s are missing", first=expected, last=row.seq - 1))
        if row.previous != previous and row.seq == expected:
            problems.append(Phrase("row %(row)s does not follow row %(before)s", row=row.seq, before=row.seq - 1))
        if _digest(row) != row.digest:
            problems.append(Phrase("row %(row)s was edited", row=row.seq))
        if row.seq in heads and heads[row.seq] != row.digest:
            problems.append(Phrase("row %(row)s differs from its signed head", row=row.seq))
        previous, expected = row.digest, row.seq + 1
        at_head = row.digest if head and row.seq == head.seq else at_head
    last = expected - 1
    problems.extend(
        Phrase("rows after %(last)s were cut off: a signed head names row %(row)s", last=last, row=seq)
        for seq in heads
        if seq > last
    )
    now = length()
    if head is not None and (not head.seq <= last <= now or (head.seq and head.digest != at_head)):
        problems.append(Phrase("the chain ends at row %(last)s, but its head says %(head)s", last=last, head=head.seq))
    if head is None and rows and not now:
        problems.append(Phrase("the chain has rows but no head"))
    return AuditReport(rows=rows, heads=len(heads), problems=problems)


def seal(folder: Path, *, now: dt.datetime) -> dict[str, JSON] | None:
    """Sign the chain's end and append it to `heads.jsonl` in `folder`; None when there is nothing to sign."""
    head = AuditHead.objects.filter(pk=1).first()
    if head is None or head.seq == 0:
        return None
    body: dict[str, JSON] = {"seq": head.seq, "digest": head.digest, "at": now.isoformat()}
    signature = base64.b64encode(own_key(folder / KEY_NAME).sign(canonical_bytes(body))).decode("ascii")
    line = json.dumps({**body, "signature": signature}, separators=(",", ":"), sort_keys=True)
    write_atomically(folder / "heads.jsonl", _heads_text(folder) + line + "\n")
    return {**body, "signature": signature}


def _heads_text(folder: Path) -> str:
    path = folder / "heads.jsonl"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _locked_head() -> AuditHead:
    AuditHead.objects.get_or_create(pk=1)
    return AuditHead.objects.select_for_update().get(pk=1)


def _ref(actor: Actor) -> str:
    row, _fresh = AuditName.objects.get_or_create(
        kind=actor.kind.value, key=actor.key, defaults={"ref": secrets.token_hex(16), "label": actor.label}
    )
    return row.ref


def _digest(row: AuditRow) -> str:
    return sha256_hex(
        canonical_bytes(
            {
                "seq": row.seq,
                "at": row.at.astimezone(dt.UTC).isoformat(),
                "actor": row.actor_ref,
                "action": row.action,
                "subject": row.subject,
                "details": row.details,
                "previous": row.previous,
            }
        )
    )


def _read_heads(folder: Path, problems: list[str]) -> dict[int, str]:
    path = folder / "heads.jsonl"
    if not path.exists():
        return {}
    heads: dict[int, str] = {}
    public = own_key(folder / KEY_NAME).public_key()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            body = {name: entry[name] for name in ("seq", "digest", "at")}
            public.verify(base64.b64decode(entry["signature"]), canonical_bytes(body))
        except (ValueError, KeyError, TypeError, InvalidSignature):
            problems.append(Phrase("line %(line)s of %(file)s is not a valid signed head", line=number, file=path.name))
            continue
        heads[int(entry["seq"])] = str(entry["digest"])
    return heads


__all__ = ["AuditError", "AuditReport", "erase_name", "names", "record", "seal", "verify"]
