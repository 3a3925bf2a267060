"""What a person or a program sees when something fails: one line, a code, a hint; never a traceback."""

import json

import pytest
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404
from django.test import Client
from django.urls import include, path

from sapwood.console import views
from sapwood.core.errors import ConflictError, NotFoundError, UnavailableError

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
ERRORS = {
    "conflict": ConflictError("Somebody else decided <first>.", hint="Reload the page."),
    "missing": NotFoundError("No such item."),
    "away": UnavailableError("The channel does not answer."),
    "denied": PermissionDenied(),
    "bad": BadRequest(),
    "gone": Http404(),
    "defect": KeyError("password=hunter2"),
}


@login_not_required
def fail(_request, name):
    raise ERRORS[name]


urlpatterns = [
    path("fail/<name>", fail),
    path("api/v1/fail/<name>", fail),
    path("", include("sapwood.console.urls")),
]
handler400, handler403, handler404, handler500 = (
    views.error_400,
    views.error_403,
    views.error_404,
    views.error_500,
)
CODES = [
    ("conflict", 409, "core.conflict"),
    ("missing", 404, "core.not_found"),
    ("away", 503, "core.unavailable"),
    ("denied", 403, "console.forbidden"),
    ("bad", 400, "console.bad_request"),
    ("gone", 404, "console.not_found"),
    ("defect", 500, "console.unexpected"),
]


@pytest.fixture
def visitor():
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(("name", "status", "code"), CODES)
def test_a_person_gets_a_page_with_the_code(visitor, name, status, code):
    response = visitor.get(f"/fail/{name}", headers={"accept": "text/html"})
    html = response.content.decode()
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert code in html
    assert "Traceback" not in html
    assert "hunter2" not in html


@pytest.mark.parametrize(("name", "status", "code"), CODES)
def test_a_program_gets_json_with_code_message_and_hint(visitor, name, status, code):
    for address, headers in ((f"/fail/{name}", {"accept": "application/json"}), (f"/api/v1/fail/{name}", {})):
        response = visitor.get(address, headers=headers)
        body = json.loads(response.content)
        assert (response.status_code, body["code"]) == (status, code)
        assert set(body) == {"code", "message", "hint"}


def test_message_and_hint_are_shown_and_escaped(visitor):
    html = visitor.get("/fail/conflict").content.decode()
    assert "Somebody else decided &lt;first&gt;." in html
    assert "Reload the page." in html


def test_htmx_gets_a_fragment_and_not_a_page_within_a_page(visitor):
    response = visitor.get("/fail/conflict", headers={"hx-request": "true"})
    assert response.status_code == 409
    assert "<html" not in response.content.decode()
    assert "core.conflict" in response.content.decode()


def test_caches_keep_the_forms_of_an_error_apart(visitor):
    vary = visitor.get("/fail/missing").headers["vary"].lower()
    assert "accept" in vary
    assert "hx-request" in vary


def test_the_page_for_defects_needs_no_template_engine(visitor, settings, monkeypatch):
    def broken(*_args, **_kwargs):
        raise RuntimeError("templates are broken too")

    monkeypatch.setattr("django.template.loader.get_template", broken)
    monkeypatch.setattr("sapwood.console.error_pages.static", broken)
    response = visitor.get("/fail/defect")
    assert response.status_code == 500
    assert "console.unexpected" in response.content.decode()


def test_a_form_that_is_out_of_date_says_so(settings):
    settings.CSRF_FAILURE_VIEW = "sapwood.console.views.csrf_failure"
    response = Client(enforce_csrf_checks=True).post("/console/theme", {"theme": "dark"})
    assert response.status_code == 403
    assert "console.form_expired" in response.content.decode()
