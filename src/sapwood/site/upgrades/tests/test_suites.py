"""Packs of checks in a rehearsal and after the switch: what they see, and what their verdicts do."""

import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from sapwood.core.clock import system_clock
from sapwood.core.errors import SapwoodError
from sapwood.site.checks.tests.packs import Packs
from sapwood.site.upgrades import applying
from sapwood.site.upgrades import journal as journals
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.subject import read_subject
from sapwood.site.upgrades.tests.test_applying import Site
from sapwood.site.upgrades.tests.test_rehearsal import ADD, PRICE, rehearse, run  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

WEB = """
ROOT_URLCONF = "campus_urls"
STATIC_URL = "/static/"
INSTALLED_APPS += ["django.contrib.staticfiles"]
SECURE_SSL_REDIRECT = False
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
"""
URLS = """
from django.http import HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import path
from shop.models import Product

def products(request):
    new = hasattr(Product, "price")
    row = Product.objects.order_by("pk").values("title", *(["price"] if new else []))[0]
    given = {"count": Product.objects.count(), "first": row, "address": request.build_absolute_uri("/")}
    return JsonResponse({**given, "style": static("shop.css")})

def add(request):
    Product.objects.create(code="made by a check")
    return HttpResponse(status=201)

urlpatterns = [path("products/", products), path("add/", add)]
"""
GOOD = """
@pytest.mark.check(id="CAMPUS-001", use_case="catalogue")
def test_products(site):
    answer = site.get("/products/")
    assert answer.status == 200
    assert answer.json()["count"] in (20, 100)
    assert site.get(answer.json()["style"]).text == "shop {}"
"""


@pytest.fixture
def packs(tmp_path, monkeypatch):
    made = Packs(tmp_path / "environment")
    monkeypatch.setenv("SAPWOOD_PACKS", str(made.folder))
    return made


def with_web(campus, *names, base_url=""):
    """Make the campus a site that answers, and name packs in its subject file."""
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + WEB)
    (campus.folder / "campus_urls.py").write_text(URLS)
    for side in ("old", "new"):
        folder = campus.folder / f"code-{side}" / "shop" / "static"
        folder.mkdir()
        (folder / "shop.css").write_text("shop {}")
    text, hooks, rest = campus.subject.read_text().partition("[hooks]")
    checks = f"[checks]\npacks = {json.dumps(names)}\n" + (f"base_url = {base_url!r}\n" if base_url else "")
    campus.subject.write_text(text + checks + hooks + rest)


@pytest.fixture
def served(campus):
    campus.models("new", more=PRICE)
    campus.migration("new", "0002_price", ADD)
    return lambda *names, **more: with_web(campus, *names, **more)


def rows(found):
    return {row["id"]: (row["verdict"], row["before"]) for row in found["checks"] if row.get("pack")}


def test_packs_see_the_new_release_on_the_migrated_copy(served, packs, rehearse, tmp_path):  # noqa: F811
    new = """
        @pytest.mark.check(id="CAMPUS-002", safety="S1")
        def test_new(site):
            assert site.get("/products/").json()["first"]["price"] is None
        @pytest.mark.check(id="CAMPUS-003", safety="S3", needs=["database"])
        def test_database(site, shadow):
            import sqlite3
            assert site.post("/add/").status == 201
            with sqlite3.connect(shadow.database_url.removeprefix("sqlite:///")) as connection:
                [(count,)] = connection.execute("SELECT count(*) FROM shop_product")
            assert count == 101
        @pytest.mark.check(id="CAMPUS-004", safety="S4")
        def test_mail(site): assert False
        @pytest.mark.check(id="CAMPUS-005", safety="S1")
        def test_address(site):
            assert site.get("/products/").json()["address"] == "https://campus.riverside.example/"
    """
    name = packs.add("campus-checks", GOOD, new, safety="S4", needs="database")
    served(name, base_url="https://campus.riverside.example")
    found = rehearse(0)
    assert rows(found) == {
        "CAMPUS-001": ("pass", "pass"),
        "CAMPUS-002": ("pass", "unknown"),
        "CAMPUS-003": ("pass", "unknown"),
        "CAMPUS-004": ("skipped", "unknown"),
        "CAMPUS-005": ("pass", "unknown"),
    }
    [pack] = found["packs"]
    assert (pack["id"], pack["version"], pack["problem"], pack["held"]) == ("campus-checks", "1.2", "", [])
    assert (pack["counts"]["pass"], pack["counts"]["skipped"]) == (4, 1)
    left_out = "The pack campus-checks left out CAMPUS-004: it is of class S4, and here S3 is the highest"
    assert left_out in found["untested"]
    assert "campus-checks 1.2" in (tmp_path / "report" / "rehearsal.html").read_text()


def test_a_check_that_newly_fails_is_a_no_go(served, packs, rehearse, tmp_path):  # noqa: F811
    fails = """
        @pytest.mark.check(id="CAMPUS-006")
        def test_same(site):
            assert sorted(site.get("/products/").json()["first"]) == ["title"], "products changed"
    """
    served(packs.add("campus-checks", GOOD, fails, safety="S0"))
    found = rehearse(3)
    assert rows(found) == {"CAMPUS-001": ("pass", "pass"), "CAMPUS-006": ("fail", "pass")}
    assert [reason.split("\n")[0] for reason in found["reasons"]] == ["campus-checks CAMPUS-006: products changed"]
    page = (tmp_path / "report" / "rehearsal.html").read_text()
    assert "1 check of a pack fails" in page
    assert "products changed" in page


def test_what_failed_on_the_present_release_too_is_no_reason(served, packs, rehearse):  # noqa: F811
    fails = """
        @pytest.mark.check(id="CAMPUS-007")
        def test_never(site): assert site.get("/nowhere/").status == 200
    """
    served(packs.add("campus-checks", GOOD, fails, safety="S0"))
    found = rehearse(0)
    assert rows(found)["CAMPUS-007"] == ("fail", "fail")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("@pytest.mark.check(id='E-1')\ndef test_it(): {}['x']", "campus-checks could not judge E-1 (KeyError"),
        ("@pytest.mark.check(id='E-2')\ndef test_it(): unknown('no course')", "could not judge E-2 (no course)"),
        ("@pytest.mark.check(id='E-3', safety='S4')\ndef test_it(): pass", "The pack campus-checks judged nothing"),
        ("os._exit(3)", "ended with code 3"),
        ("import sapwood", "No module named 'sapwood'"),
    ],
)
def test_what_a_pack_cannot_judge_is_not_known(served, packs, rehearse, source, reason):  # noqa: F811
    served(packs.add("campus-checks", source, safety="S4"))
    found = rehearse(4)
    assert found["verdict"] == "unknown"
    assert any(reason in line for line in found["reasons"]), found["reasons"]


def test_an_application_that_cannot_be_served_is_not_known(served, packs, rehearse, campus):  # noqa: F811
    served(packs.add("campus-checks", GOOD))
    settings = campus.folder / "campus_settings.py"
    settings.write_text(settings.read_text() + "WSGI_APPLICATION = 'nothing.application'\n")
    found = rehearse(4)
    assert "could not be served on the copy" in " ".join(found["reasons"])


def test_a_pack_that_is_not_installed_is_said_before_anything_begins(served, packs, campus, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    served("campus-checks")
    result = CliRunner().invoke(upgrade, ["rehearse", str(campus.subject), "--report", str(tmp_path / "report")])
    assert isinstance(result.exception, SapwoodError)
    assert result.exception.code == "checks.pack"
    assert "copying" not in result.output
    assert "reading both environments" not in result.output
    found = json.loads(CliRunner().invoke(upgrade, ["preflight", str(campus.subject), "--json"]).stdout)
    [look] = [one for one in found["checks"] if one["name"] == "packs"]
    assert look["verdict"] == "fail"
    assert "campus-checks" in look["detail"]


@pytest.mark.parametrize("url", ["campus.example", "ftp://campus.example", "https://u:p@campus.example", "https://x?y"])
def test_a_base_url_that_is_none_is_named(campus, url):
    campus.subject.write_text(campus.subject.read_text() + f"[checks]\nbase_url = {url!r}\n")
    with pytest.raises(SapwoodError, match=r"checks\.base_url is not an address"):
        read_subject(campus.subject)


class Live:
    """The site itself, after the switch."""

    def __init__(self):
        self.asked, self.status = [], 200
        live = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                live.asked.append((self.command, self.path, self.headers["host"]))
                self.send_response(live.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_HEAD = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *given):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


LIVE = """
@pytest.mark.check(id="LIVE-001")
def test_it_answers(site):
    assert site.get("/front").status in (200, 404)
@pytest.mark.check(id="LIVE-002")
def test_no_write(site):
    assert site.post("/front").status in (403, 404)
@pytest.mark.check(id="LIVE-003", safety="S2")
def test_writes(site): assert site.post("/back").status == 404
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, between_tests):
    with pytest.MonkeyPatch.context() as patch:
        folder, live = tmp_path_factory.mktemp("suites"), Live()
        patch.setenv("SAPWOOD_VAR", str(folder / "var"))
        installed = Packs(folder / "environment")
        patch.setenv("SAPWOOD_PACKS", str(installed.folder))
        name = installed.add("campus-checks", LIVE)
        with between_tests():
            site = Site(folder, lambda campus: with_web(campus, name, base_url=live.url))
        yield site, live
        live.close()


@pytest.fixture
def site(made, monkeypatch):
    monkeypatch.setattr(applying, "QUIET_LOOKS_S", 0.01)
    site, live = made
    site.again()
    live.asked, live.status = [], 200
    return site, live


@pytest.mark.django_db(transaction=True)
def test_after_the_switch_what_only_reads_looks_at_the_live_address(site):
    site, live = site
    done = site.apply()
    assert done["stage"] == "done"
    assert {(method, path) for method, path, _host in live.asked} == {("GET", "/front")}
    check = journals.latest(site.subject, site.work, system_clock()).last_of("done", "check").details
    assert check["packs"][0]["counts"]["pass"] == 2
    assert check["packs"][0]["counts"]["skipped"] == 1
    site.whole()


@pytest.mark.django_db(transaction=True)
def test_a_check_that_fails_after_the_switch_takes_everything_back(site):
    site, live = site
    live.status = 500
    done = site.apply(code=3)
    assert done["stage"] == "rolled back"
    assert "campus-checks LIVE-001" in done["message"]
    assert site.serving == "current"
    applied = {name for app, name in site.data()["migrations"] if app == "shop"}
    assert applied == {"0001_initial", "0002_adds"}  # what only adds ran before the point of return, and stays
    site.whole()


@pytest.mark.django_db(transaction=True)
def test_packs_that_cannot_judge_after_the_switch_are_no_reason_to_go_back(site, made):
    site, _live = site
    environment = site.var.parent / "environment"
    environment.rename(environment.with_name("away"))
    try:
        done = site.press()
    finally:
        shutil.rmtree(environment, ignore_errors=True)
        environment.with_name("away").rename(environment)
    assert done["stage"] == "done"
