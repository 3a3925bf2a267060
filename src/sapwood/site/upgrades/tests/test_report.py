"""The report of a rehearsal, from its JSON: what a tired administrator reads, and what strangers may not do to it."""

import copy
import re
from html.parser import HTMLParser

import pytest

from sapwood.formats.phrase import Phrase
from sapwood.site.upgrades.findings import findings
from sapwood.site.upgrades.masking import worth
from sapwood.site.upgrades.remedies import DUPLICATE, HALF_DONE, HELD_BACK, LOCKED, OTHER, TOO_LONG, remedy
from sapwood.site.upgrades.report import page_of
from sapwood.site.upgrades.sizes import named, spread, table_rows

FAILED = "ALTER TABLE shop_order MODIFY code uuid NOT NULL"
LOST = "4 of 4 rows are not found by their own value"
LONG = "DataError: (1406, \"Data too long for column 'code' at row 1\")"
PLACES = {"src", "href", "action", "data", "poster", "srcset", "background", "xlink:href", "cite", "formaction", "ping"}


def check(check_id, model, field="", detail="", verdict="fail", before="pass"):
    given = {"id": check_id, "verdict": verdict, "model": model, "field": field, "detail": detail}
    return given | {"before": before, "after_failure": False}


def migration(app, name, **more):
    times = {"seconds": 2.0, "sql_seconds": 0.5, "state_seconds": 1.5, "after_failure": False, "slowest": []}
    sizes = {"rows": None, "bytes_delta": None, "size_why": "it did not run"}
    return {
        "app": app,
        "name": name,
        "outcome": "done",
        "classes": ["expand"],
        "algorithms": [],
        **times,
        **sizes,
        **more,
    }


@pytest.fixture
def report():
    """A no-go with one cause in a migration and one in the rows of two models."""
    models = ("shop.Order", "shop.Product")
    wrong = [check("models.lookup", model, "code", LOST) for model in models]
    wrong += [check(f"models.{name}", model, "", LONG) for model in models for name in ("save", "insert")]
    message = "(1054, \"Unknown column 'code' in 'shop_order'\")"
    return {
        "subject": "campus",
        "started_at": "2026-11-22T02:00:00+00:00",
        "plan": "ab" * 32,
        "verdict": "no-go",
        "reasons": [
            f"migrate: shop.0003_code: {message}",
            *(f"{row['model']}.{row['field']}: {row['detail']}".replace(".:", ":") for row in wrong),
        ],
        "predicted_downtime_s": {"low": 40.0, "likely": 50.0, "high": 75.0},
        "predicted_rollback_s": {"low": 96.0, "likely": 120.0, "high": 180.0},
        "migrations": [
            migration("shop", "0002_price", rows=1200, bytes_delta=65536, algorithms=["COPY", "INSTANT", "COPY"]),
            migration("shop", "0003_code", outcome="failed"),
            migration("shop", "0004_last", outcome="skipped", seconds=None, sql_seconds=None, state_seconds=None),
        ],
        "early": [],
        "postponable": [],
        "steps": [
            {"step": "base_backup", "part": "open", "seconds": 5.0},
            {"step": "close", "part": "closed", "seconds": None},
            {"step": "final_backup", "part": "closed", "seconds": 5.0},
            {"step": "migrate", "part": "closed", "seconds": 40.0},
            {"step": "restore", "part": "back", "seconds": 120.0},
        ],
        "tables": table_rows("default", {"shop_order": (9, 4096)}, {"shop_order": (9, 12288)}),
        "checks": [
            *wrong,
            check("models.read", "shop.Cart", detail="was broken", before="fail"),
            check("models.insert", "shop.Cart", detail="there is no row to copy", verdict="unknown"),
            check("models.insert", "shop.Gift", detail="there is no row to copy", verdict="unknown"),
        ],
        "failures": [
            {
                "phase": "migrate", "app": "shop", "name": "0003_code", "statement": FAILED, "error_code": 1054,
                "remedy": "", "after_failure": False, "held_back": False, "half_done": True, "message": message,
                "blockers": [],
            }
        ],
        "untested": ["shop.Cart: there is no row to copy", "not held back: reading files"],
        "shadow_technique": "physical",
        "technique_why": "mariadb-backup copies the files of the whole server",
        "shadow": {"seconds": 5.0, "bytes": 2_000_000_000},
        "isolation": "namespaces",
        "isolation_detail": {"kind": "namespaces", "held": ["the network"], "not_held": [], "why": "", "secrets": {}},
        "problems": [],
        "waivers": [],
        "engines": {"default": "mysql 10.11.19-MariaDB"},
        "certificate": None,
        "next": "sapwood upgrade rehearse campus.toml --report report",
    }  # fmt: skip


def words(page):
    """The text of a page without its marks."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


class Addresses(HTMLParser):
    """Whatever makes a browser go somewhere or run something."""

    def __init__(self, page):
        super().__init__()
        self.found, self.scripts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.scripts += [tag] if tag in {"script", "iframe", "object", "embed", "link", "base", "img"} else []
        self.scripts += [name for name, _value in attrs if name.startswith("on")]
        self.found += [value for name, value in attrs if name in PLACES and not (value or "").startswith("#")]
        self.found += [value for _name, value in attrs if re.search(r"(?i)https?:|//|url\((?!#)", value or "")]


@pytest.mark.parametrize("language", ["en", "es-419", "ar"])
def test_the_page_asks_for_nothing_and_runs_nothing(report, language):
    page = page_of(report, language)
    assert (Addresses(page).found, Addresses(page).scripts) == ([], [])
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)


def test_hostile_words_in_every_field_stay_words(report):
    def poisoned(value, key=""):
        if isinstance(value, dict):
            return {name: poisoned(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [poisoned(one, key) for one in value]
        kept = {"verdict", "started_at", "part", "outcome", "before", "id", "phase"}
        evil = '"><script>x</script><img src=//evil onerror=x>\x1b\u202e</style>%(x)s{{ x }}'
        return f"{value}{evil}" if isinstance(value, str) and key not in kept else value

    page = page_of(poisoned(copy.deepcopy(report)), "en")
    assert (Addresses(page).found, Addresses(page).scripts) == ([], [])
    assert not {"\x1b", "\u202e"} & set(page)
    assert page.count("</style>") == 1
    assert "&lt;script&gt;x&lt;/script&gt;" in page


def test_the_verdict_stands_first_and_in_words(report):
    assert words(page_of(report, "en")).startswith("No-go: campus No-go Do not upgrade: it would fail")
    assert words(
        page_of({**report, "verdict": "go", "failures": [], "checks": [], "reasons": ["fine"]}, "en")
    ).startswith("Go: campus Go The upgrade worked on a copy of your data.")
    doubtful = {**report, "verdict": "unknown", "failures": [], "checks": [], "reasons": ["The copy ran on another"]}
    page = words(page_of(doubtful, "en"))
    assert page.startswith("Not known: campus Not known Do not count on it")
    assert "The copy ran on another" in page


def test_what_has_one_cause_is_one_finding_and_every_line_of_it_is_there(report):
    failed, lost = findings(report)
    assert failed.title == "The migration shop.0003_code fails and leaves the database half converted"
    assert (failed.statement, failed.remedy.startswith(HALF_DONE)) == (FAILED, True)
    assert lost.title == "Rows of 2 models are not found by their own value"
    assert len(lost.lines) == 6
    page = words(page_of(report, "en")).replace("&quot;", '"').replace("&#x27;", "'")
    assert all(row["model"] in page and row["detail"] in page for row in report["checks"] if row["verdict"] == "fail")
    assert "2 findings speak against it" in page


def test_an_error_about_another_column_is_a_finding_of_its_own(report):
    report["checks"].append(check("models.save", "shop.Order", "", "Data too long for column 'title'"))
    titles = [one.title for one in findings(report)]
    assert titles[1:] == [
        "Rows of 2 models are not found by their own value",
        "Rows of 1 model cannot be saved",
    ]


def test_a_reason_that_belongs_to_no_check_is_shown_too(report):
    report["problems"] = [{"code": "migrations.leaves", "message": "shop ends twice"}]
    report["reasons"] += ["migrations.leaves: shop ends twice", "something else"]
    *_others, problem, rest = findings(report)
    assert [line.what for line in problem.lines] == ["shop ends twice"]
    assert [line.what for line in rest.lines] == ["something else"]


def test_times_are_intervals_with_their_parts(report):
    page = words(page_of(report, "en")).replace("\xa0", " ")
    assert "50 s between 40 s and 1 min 15 s" in page
    assert "2 min between 1 min 36 s and 3 min" in page
    assert "Final backup, the point of return 5 s Migrations 40 s" in page
    assert "Maintenance on, workers stopped not measured" in page


def test_each_picture_has_its_table(report):
    page = page_of(report, "en")
    pictures = re.findall(r'<figure class="chart">.*?</figure>', page, re.DOTALL)
    assert len(pictures) == 2
    assert all('role="img"' in one and "<table" in one and "<desc>" in one for one in pictures)
    assert all(name in pictures[0] for name in ("The site is up", "The site is closed", "The way back, if needed"))


def test_costs_rows_and_growth_stand_in_each_migrations_row(report):
    page = words(page_of(report, "en")).replace("\xa0", " ")
    assert "COPY × 2, INSTANT 1,200 +65 kB" in page
    assert "not run: it needs one that failed" in page
    assert "shop_order 9 9 4.0 kB 12 kB +8.1 kB" in page


def test_what_failed_before_is_no_reason_and_what_was_not_tested_is_told(report):
    page = words(page_of(report, "en"))
    assert "no reason against it: shop.Cart : was broken" in page
    assert "there is no row to copy: shop.Cart , shop.Gift" in page
    assert "not held back: reading files" in page


def test_the_next_command_follows_from_the_verdict(report):
    assert "the button refuses" in words(page_of(report, "en"))
    go = {**report, "verdict": "go", "certificate": "/var/c.json", "next": "sapwood upgrade apply c.toml"}
    page = words(page_of(go, "en"))
    assert "for exactly this plan, for 7 days: /var/c.json sapwood upgrade apply c.toml" in page


@pytest.mark.parametrize(
    ("language", "direction", "word"), [("es-419", "ltr", "No actualizar"), ("ar", "rtl", "غير صالح")]
)
def test_the_page_speaks_the_language_asked_for(report, language, direction, word):
    page = page_of(report, language)
    assert f'<html lang="{language}" dir="{direction}">' in page
    assert word in page
    assert "<bdi>shop.0002_price</bdi>" in page
    assert "What to do" not in page


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (1406, "", TOO_LONG),
        ("22001", "", TOO_LONG),
        (1062, "", DUPLICATE),
        (None, "UNIQUE constraint failed: shop_order.code", DUPLICATE),
        (1205, "", LOCKED),
        (None, "database is locked", LOCKED),
        (None, "something odd", OTHER),
    ],
)
def test_a_failure_has_a_next_step(code, message, expected):
    assert remedy(code, message) == expected
    assert remedy(code, message, half_done=True) == f"{HALF_DONE} {expected}"
    assert remedy(code, message, held_back=True) == HELD_BACK


def test_growth_is_told_for_tables_that_one_migration_alone_changed():
    """A renamed table is the same one under two names; what two migrations changed is nobody's."""
    tables = table_rows(
        "default",
        {"old": (10, 100), "both": (5, 50), "parent": (7, 70)},
        {"new": (10, 160), "both": (5, 90), "parent": (7, 70)},
    )
    ran = [
        {"outcome": "done", "tables": named(["ALTER TABLE `old` RENAME TO `new`", "ALTER TABLE new ADD x int"])},
        {"outcome": "done", "tables": named(['ALTER TABLE "both" ADD CONSTRAINT f REFERENCES "parent" (id)'])},
        {"outcome": "done", "tables": named(["CREATE INDEX i ON both (x)"])},
        {"outcome": "done", "tables": set()},
        {"outcome": "skipped", "tables": set()},
    ]
    spread(ran, tables)
    assert [(row["tables"], row["rows"], row["bytes_delta"], row["size_why"]) for row in ran] == [
        (["new", "old"], 10, 60, ""),
        (["both"], 5, None, "others change its tables too"),
        (["both"], 5, None, "others change its tables too"),
        ([], None, None, "it names no table"),
        ([], None, None, "it did not run"),
    ]


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "In part"), ("es-419", "Lo que se enmascaró"), ("ar", "ما قُنّع")],
)
def test_what_was_masked_and_how_far_results_hold_is_said_in_every_language(report, language, said):
    column = {"database": "default", "table": "shop_order", "column": "email", "rule": "email", "rows": 1200}
    masking = {
        "seconds": 1.0,
        "columns": [column | {"why": Phrase("its name"), "unchanged": 0, "unique": True}],
        "left": [{"database": "default", "column": "shop_order.gender", "why": Phrase("its name")}],
        "not_found": ["shop_nobody.name"],
        "reads": [{"migration": "shop.0003_code", "columns": ["shop_order.email"]}],
        "checks": ["shop.Order.email"],
        "holds": [{"what": what, "how": how, "why": why} for what, how, why in (*worth.KEPT, worth.READS)],
    }
    text = words(page_of(report | {"masking": masking}, language))
    assert said.lower() in text.lower()
    for name in ("shop_order.email", "shop_order.gender", "shop_nobody.name", "shop.0003_code", "shop.Order.email"):
        assert name in text
    if language != "en":
        assert worth.READS[2] not in text
    assert "shop_order.email" not in words(page_of(report | {"masking": None}, language))


def test_a_failure_on_masked_values_says_that_it_may_do_well_with_real_ones(report):
    failure = report["failures"][0] | {"masked": True, "masked_reads": ["shop_order.email"], "half_done": False}
    marked = [row | {"masked": True} for row in report["checks"]]
    found = findings(report | {"verdict": "unknown", "failures": [failure], "checks": marked})
    assert found[0].title == "The migration shop.0003_code fails on masked values"
    assert "With the real values it may do well" in found[0].why
    assert not [one for one in found if one.title.startswith("Rows of")]


def pack_check(number, verdict="fail", detail="it answers 500", before="pass"):
    row = check(f"CAMPUS-{number:03}", "", "", detail, verdict, before)
    return row | {"pack": "campus-checks", "safety": "S0", "use_case": "catalogue", "seconds": 0.1}


def test_packs_have_their_row_their_finding_and_nothing_of_the_models(report):
    report["checks"] += [pack_check(1), pack_check(2, before="fail"), pack_check(3, "unknown", "there is no course")]
    report["reasons"] += ["campus-checks CAMPUS-001: it answers 500"]
    counts = {"pass": 7, "fail": 2, "error": 0, "skipped": 4, "unknown": 1}
    problem = "test_x.py cannot be read: <script>alert(1)</script>"
    run = {"id": "campus-checks", "version": "1.2", "counts": counts, "problem": problem, "seconds": 3.2, "held": []}
    report["packs"] = [run]
    [found] = [one for one in findings(report) if any(line.where == "campus-checks" for line in one.lines)]
    assert found.title == "1 check of a pack fails"
    assert [(line.what, line.check) for line in found.lines] == [("it answers 500", "CAMPUS-001")]
    page = page_of(report, "en")
    assert "<bdi>campus-checks 1.2</bdi>" in page
    assert "<strong>campus-checks CAMPUS-002</strong>" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "7 failed" in page  # of the models alone


def test_ten_thousand_failed_checks_of_a_pack_are_a_page_that_can_be_read(report):
    report["checks"] += [pack_check(number) for number in range(10_000)]
    [found] = [one for one in findings(report) if any(line.where == "campus-checks" for line in one.lines)]
    assert found.title == "10000 checks of packs fail"
    assert len(found.lines) == 200
    assert len(page_of(report, "en")) < 200_000
