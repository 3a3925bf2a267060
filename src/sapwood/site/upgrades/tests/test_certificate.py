"""The certificate of a rehearsal: issued for a go, refused with its reason whenever it does not hold."""

import base64
import contextlib
import dataclasses
import datetime as dt
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.formats.canonical import MAX_BYTES, canonical_bytes
from sapwood.formats.certificate import Table, statement_bytes
from sapwood.site.identity import api as identity
from sapwood.site.upgrades import certificate
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.data import Verdict
from sapwood.site.upgrades.planning import Plan
from sapwood.site.upgrades.rehearsing import Rehearsal

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
PARTS = {name: letter * 64 for name, letter in zip(certificate.PARTS, "abcdef", strict=True)}
FACTS = {"databases": {"default": {"vendor": "mysql", "version": "10.11.19-MariaDB"}}}
PLAN = Plan("campus", FACTS, FACTS, (), (), PARTS)
MEGA = 1024 * 1024


def table(name="learners", rows=0, mega=None):
    return Table(database="default", name=name, rows=rows, size_bytes=None if mega is None else mega * MEGA)


TABLES = (table("learners", 20_000, 900), table("small", 10, 1), table("empty", 0, 0))


@pytest.fixture(autouse=True)
def var(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))


@pytest.fixture
def path(tmp_path):
    found = Rehearsal("campus", NOW, PLAN, Verdict.GO, tables=TABLES, backup_s=2.0, migrate_s=3.0, restore_s=4.0)
    written = certificate.issue(found, tmp_path / "report", now=NOW)
    assert written is not None
    return written


def check(path, *, plan=PLAN, sizes=TABLES, now=NOW):
    return certificate.check(path, plan, sizes, now=now)


def test_a_certificate_holds_for_a_week_and_says_what_was_rehearsed(path):
    found = check(path)
    assert (found.subject, found.plan, found.site_id) == ("campus", PLAN.digest, identity.site_id())
    assert found.engines == {"default": "mysql 10.11.19-MariaDB"}
    assert found.predicted_downtime_s.likely == 5.0
    assert check(path, now=NOW + dt.timedelta(days=7, seconds=-1)) == found


def test_it_is_an_in_toto_statement_about_the_plan_in_a_dsse_envelope(path):
    envelope = json.loads(path.read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "campus", "digest": {"sha256": PLAN.digest}}]


@pytest.mark.parametrize("verdict", [Verdict.NO_GO, Verdict.UNKNOWN])
def test_only_a_go_has_one_and_what_a_go_left_before_is_taken_away(path, verdict):
    assert certificate.issue(Rehearsal("campus", NOW, PLAN, verdict), path.parent, now=NOW) is None
    assert not path.exists()


@pytest.mark.slow
def test_every_changed_byte_is_refused(path):
    raw = path.read_bytes()
    for place in range(len(raw)):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << place % 8]) + raw[place + 1 :])
        with pytest.raises(certificate.CertificateError):
            check(path)


def test_one_that_was_edited_is_forged(path):
    envelope = json.loads(path.read_bytes())
    statement = base64.b64decode(envelope["payload"]).replace(b"2026-11-29", b"2027-11-29")
    path.write_bytes(canonical_bytes(envelope | {"payload": base64.b64encode(statement).decode()}))
    with pytest.raises(certificate.ForgedError, match="changed after it was signed"):
        check(path)


def test_one_of_another_site_is_refused_though_its_signature_is_good(path, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "another"))
    with pytest.raises(certificate.OtherSiteError, match="not signed by this site"):
        check(path)


def test_one_of_another_id_is_refused_though_the_key_is_ours(path, tmp_path):
    (tmp_path / "var" / "site" / "identity" / "site.id").unlink()
    with pytest.raises(certificate.OtherSiteError, match="of another site"):
        check(path)


def test_one_that_does_not_say_go_is_refused(path):
    path.write_bytes(identity.sign(statement_bytes(dataclasses.replace(check(path), verdict="unknown"))))
    with pytest.raises(certificate.NoGoError, match="says unknown"):
        check(path)


def test_one_for_another_deployment_is_refused(path):
    with pytest.raises(certificate.OtherSubjectError, match="for campus, not for harbour"):
        check(path, plan=dataclasses.replace(PLAN, subject="harbour"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["migrations"], "the migrations"),
        (["packages", "settings"], "the settings and the packages"),
        (["engine"], "the database engine"),
        (["schema"], "the schema of the database"),
        (["subject"], "the subject file"),
    ],
)
def test_one_for_another_plan_says_what_changed(path, changed, words):
    plan = dataclasses.replace(PLAN, parts={**PARTS, **dict.fromkeys(changed, "0" * 64)})
    with pytest.raises(certificate.OtherPlanError, match=f": {words}$"):
        check(path, plan=plan)


def test_one_of_a_writer_that_planned_otherwise_is_refused_too(path):
    with pytest.raises(certificate.OtherPlanError, match="what a plan consists of"):
        check(path, plan=dataclasses.replace(PLAN, parts={**PARTS, "toggles": "0" * 64}))


@pytest.mark.parametrize("late", [dt.timedelta(days=7), dt.timedelta(days=400)])
def test_one_that_is_over_is_refused(path, late):
    with pytest.raises(certificate.ExpiredError, match="2026-11-29 10:00 UTC"):
        check(path, now=NOW + late)


def test_one_of_the_future_is_refused(path):
    with pytest.raises(certificate.EarlyError) as caught:
        check(path, now=NOW - dt.timedelta(seconds=1))
    assert "clock" in caught.value.hint


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (table("learners", 24_001, 900), "learners grew from 20,000 to 24,001 rows"),
        (table("small", 1_011, 1), "small grew from 10 to 1,011 rows"),
        (table("unknown", 1_001, 1), "unknown grew from 0 to 1,001 rows"),
        (table("learners", 20_000, 1_100), "learners grew from 943,718,400 to 1,153,433,600 bytes"),
    ],
)
def test_one_that_a_table_outgrew_names_the_table(path, now, words):
    with pytest.raises(certificate.OutgrownError, match=words):
        check(path, sizes=[now])


@pytest.mark.parametrize(
    "now",
    [
        table("learners", 24_000, 1_080),
        table("learners", 0, None),
        table("small", 1_010, 65),
        table("empty", 1_000, None),
    ],
)
def test_growth_below_a_fifth_or_of_a_small_table_does_not_count(path, now):
    assert check(path, sizes=[now])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b"{" * 100_000, b'{"payload": 3}'])
def test_what_is_no_certificate_is_one_line(path, content):
    path.write_bytes(content)
    with pytest.raises(certificate.UnreadableError) as caught:
        check(path)
    assert "certificate.json" in caught.value.hint


def test_a_huge_file_is_not_read_to_its_end(path):
    with path.open("ab") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(certificate.TooLargeError):
        check(path)


@pytest.mark.parametrize("name", ["", "nothing.json"])
def test_a_folder_or_nothing_is_one_line(path, name):
    with pytest.raises(certificate.UnreadableError, match="cannot be read"):
        check(path.parent / name)


def test_another_document_that_this_site_signed_is_no_certificate(path):
    predicate = {"type": "sitefacts", "version": 1, "subject": "campus", "plan": "1" * 64}
    statement = json.loads(statement_bytes(check(path)))
    statement |= {"predicate": predicate, "predicateType": "urn:sapwood:format:sitefacts:1"}
    statement["subject"] = [{"name": "campus", "digest": {"sha256": "1" * 64}}]
    path.write_bytes(identity.sign(canonical_bytes(statement)))
    with pytest.raises(certificate.UnreadableError, match="no certificate"):
        check(path)


def test_every_way_to_be_refused_has_a_code_of_its_own_and_ends_with_3():
    kinds = certificate.CertificateError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds) == 10
    assert {kind.exit_code for kind in kinds} == {3}


def test_the_growth_that_counts_is_documented():
    page = (Path(__file__).parents[5] / "docs" / "how-to" / "rehearse-an-upgrade.md").read_text(encoding="utf-8")
    assert f"{certificate.GROWTH:.0%}".replace("%", " % more rows") in page
    assert f"{certificate.FLOOR_ROWS:,} more" in page
    assert f"{certificate.FLOOR_BYTES // MEGA} MB more" in page


def run(*arguments, code):
    result = CliRunner().invoke(upgrade, [*map(str, arguments), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_the_command_shows_one_that_is_over_and_ends_with_3(tmp_path):
    then = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    path = certificate.issue(Rehearsal("campus", then, PLAN, Verdict.GO), tmp_path, now=then)
    found = run("certificate", path, code=3)
    assert (found["holds"], found["refusal"]["code"]) == (False, "certificate.expired")
    assert found["certificate"]["subject"] == "campus"


# What makes a digest differ from one process to the next, if it is taken carelessly.
RESTLESS = """
from django.utils.translation import gettext_lazy
LANGUAGES = [("en", gettext_lazy("English"))]
HOSTS = {"a", "b", "c", "d", "e", "f", "g", "h"}
KEY = lambda request: None
MARK = object()
"""


@pytest.mark.slow
def test_a_rehearsal_that_passes_issues_one_that_holds_until_something_changes(campus, tmp_path):
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + RESTLESS)
    found = run("rehearse", campus.subject, "--report", tmp_path / "report", code=0)
    path = Path(found["certificate"])
    assert path == tmp_path / "report" / "certificate.json"
    assert json.loads((tmp_path / "report" / "rehearsal.json").read_text()) == found
    holds = run("certificate", path, "--subject", campus.subject, code=0)
    assert holds["certificate"]["plan"] == found["plan"]
    assert {"database": "default", "name": "shop_product", "rows": 100, "size_bytes": None} in [
        {"size_bytes": None} | row for row in holds["certificate"]["tables"]
    ]

    def refusal():
        return run("certificate", path, "--subject", campus.subject, code=3)["refusal"]["message"]

    with contextlib.closing(sqlite3.connect(campus.database)) as connection, connection:
        rows = [(f"more {number}",) for number in range(1_001)]
        connection.executemany("INSERT INTO shop_product (code) VALUES (?)", rows)
    assert refusal() == "The table shop_product grew from 100 to 1,101 rows since the rehearsal"
    with contextlib.closing(sqlite3.connect(campus.database)) as connection:
        connection.execute("CREATE INDEX i ON shop_product (title)")
    settings.write_text(settings.read_text() + "FEATURES = {'new': True}\n")
    campus.subject.write_text(campus.subject.read_text() + '[hooks]\nstop = ["true"]\n')
    changed = refusal().removeprefix("Since the rehearsal these changed: ").replace(" and ", ", ").split(", ")
    assert sorted(changed) == ["the schema of the database", "the settings", "the subject file"]
