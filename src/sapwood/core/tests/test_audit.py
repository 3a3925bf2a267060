"""The audit chain: what was done cannot be edited, removed or cut off unseen."""

import datetime as dt

import pytest
from django.db import transaction

from sapwood.core import audit
from sapwood.core.data import Actor, ActorKind
from sapwood.core.models import AuditHead, AuditName, AuditRow

NOW = dt.datetime(2026, 11, 22, 10, 0, tzinfo=dt.UTC)
ALICE = Actor(ActorKind.PERSON, "0f6c", "Alice")

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def chain(tmp_path):
    with transaction.atomic():
        for number in range(5):
            audit.record(actor=ALICE, action="item.approved", subject=f"item:{number}", at=NOW, details={"n": number})
    audit.seal(tmp_path, now=NOW)
    return tmp_path


def problems(folder) -> list[str]:
    return audit.verify(folder).problems


def test_an_untouched_chain_holds(chain):
    report = audit.verify(chain)
    assert (report.rows, report.heads, report.problems) == (5, 1, [])


def test_a_chain_that_grows_while_it_is_walked_holds(chain, monkeypatch):
    monkeypatch.setattr(audit, "CHUNK", 2)
    told = []

    def grow(done, total):
        told.append((done, total))
        with transaction.atomic():
            audit.record(actor=ALICE, action="x", subject="y", at=NOW)

    assert audit.verify(chain, progress=grow).problems == []
    assert told[:3] == [(0, 5), (2, 5), (4, 5)]
    assert problems(chain) == []


def test_a_row_behind_the_head_shows(chain):
    AuditHead.objects.update(seq=4, digest=AuditRow.objects.get(seq=4).digest)
    assert problems(chain) == ["the chain ends at row 5, but its head says 4"]


def test_a_head_that_names_another_end_shows(chain):
    AuditHead.objects.update(digest="f" * 64)
    assert problems(chain) == ["the chain ends at row 5, but its head says 5"]
    AuditHead.objects.all().delete()
    assert problems(chain) == ["the chain has rows but no head"]


def test_an_edited_row_shows(chain):
    AuditRow.objects.filter(seq=3).update(details={"n": 99})
    assert problems(chain) == ["row 3 was edited"]


def test_an_edited_actor_shows(chain):
    AuditRow.objects.filter(seq=2).update(actor_ref="somebody else")
    assert "row 2 was edited" in problems(chain)


def test_a_removed_row_shows(chain):
    AuditRow.objects.filter(seq=3).delete()
    assert problems(chain) == ["rows 3 to 3 are missing"]


def test_a_cut_off_tail_shows_even_when_the_head_in_the_database_was_moved_back(chain):
    AuditRow.objects.filter(seq__gt=3).delete()
    AuditHead.objects.update(seq=3, digest=AuditRow.objects.get(seq=3).digest)
    assert problems(chain) == ["rows after 3 were cut off: a signed head names row 5"]


def test_a_rewritten_chain_shows_against_the_signed_head(chain):
    AuditRow.objects.all().delete()
    AuditHead.objects.all().delete()
    with transaction.atomic():
        for number in range(5):
            audit.record(actor=ALICE, action="item.rejected", subject=f"item:{number}", at=NOW)
    assert problems(chain) == ["row 5 differs from its signed head"]


def test_a_forged_head_shows(chain):
    path = chain / "heads.jsonl"
    path.write_text(path.read_text().replace('"seq":5', '"seq":4'))
    assert problems(chain) == ["line 1 of heads.jsonl is not a valid signed head"]


def test_erasing_a_person_leaves_the_chain_valid_and_the_person_unnamed(chain):
    ref = AuditRow.objects.get(seq=1).actor_ref
    assert audit.names({ref}) == {ref: "Alice"}
    assert audit.erase_name(kind="person", key="0f6c", at=NOW)
    assert audit.names({ref}) == {}
    assert not AuditName.objects.filter(key="0f6c").exists()
    assert problems(chain) == []


@pytest.mark.django_db(transaction=True)
def test_a_row_outside_a_transaction_is_refused():
    with pytest.raises(audit.AuditError):
        audit.record(actor=ALICE, action="x", subject="y", at=NOW)


def test_a_change_that_is_rolled_back_leaves_no_row_and_no_gap(chain):
    class Boom(Exception):
        pass

    with pytest.raises(Boom), transaction.atomic():
        audit.record(actor=ALICE, action="x", subject="y", at=NOW)
        raise Boom
    with transaction.atomic():
        row = audit.record(actor=ALICE, action="x", subject="y", at=NOW)
    assert row.seq == 6
    assert problems(chain) == []


def test_the_seal_key_is_readable_by_its_owner_only(chain):
    assert (chain / "seal.key").stat().st_mode & 0o777 == 0o600
