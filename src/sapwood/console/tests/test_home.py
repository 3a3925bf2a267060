"""The front page, the shell around it, and what happens when a module's panel breaks."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.utils.safestring import SafeString

from sapwood.console import registry
from sapwood.console.registry import AccountLink, Institution, MenuEntry, Need, Panel
from sapwood.core.errors import UnavailableError

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LEAD = "console/components/callout.html"


@pytest.fixture(autouse=True)
def empty_registry():
    with registry.isolated():
        yield


def panel(slug="channel", **changes):
    values = {
        "title": "The channel",
        "order": 1,
        "template": LEAD,
        "context": lambda _request: {"text": "fresh"},
    }
    return Panel(slug=slug, **{**values, **changes})


def page(client, **extra):
    return client.get("/", **extra).content.decode()


def test_the_front_page_stands_with_nothing_registered(client):
    html = page(client)
    assert "Nothing needs you." in html
    assert '<a class="skip" href="#content">' in html


def test_the_institution_is_named_in_title_and_header(client):
    registry.set_institution(lambda _request: Institution(name="Riverside <College>", ring=2))
    html = page(client)
    assert "<title>Home · Riverside &lt;College&gt;</title>" in html
    assert html.count("is-here") == 1


def test_an_institution_that_cannot_be_read_leaves_the_page_standing(client):
    def broken(_request: HttpRequest):
        raise RuntimeError("secret detail")

    registry.set_institution(broken)
    assert "secret detail" not in page(client)


def test_needs_come_most_urgent_first_and_oldest_first_among_equals(client):
    registry.register_need(
        lambda _request: [
            Need("low", "third", "/c", "See", NOON),
            Need("high", "second", "/b", "See", NOON),
            Need("high", "first", "/a", "See", NOON - timedelta(days=1)),
        ]
    )
    html = page(client)
    assert html.index("first") < html.index("second") < html.index("third")


def test_at_most_five_needs_are_listed_and_the_rest_counted(client):
    registry.register_need(lambda _request: [Need("info", f"need {n}", "/n", "See") for n in range(7)])
    html = page(client)
    assert html.count('class="need"') == 5
    assert "2 more wait behind these." in html


def test_with_nothing_to_do_the_page_says_when_it_last_looked(client):
    registry.set_calm_text(lambda _request: "Last look at the channel 12 minutes ago.")
    assert "Last look at the channel 12 minutes ago." in page(client)


def test_a_source_of_needs_that_breaks_is_itself_a_need(client):
    def broken(_request):
        raise UnavailableError("the store is away")

    registry.register_need(broken)
    registry.register_need(lambda _request: [Need("low", "still here", "/", "See")])
    html = page(client)
    assert "core.unavailable" in html
    assert "still here" in html


def test_an_unknown_severity_is_refused_where_it_is_made():
    with pytest.raises(ValueError, match="urgent"):
        Need("urgent", "text", "/", "See")


def test_panels_stand_in_their_order(client):
    registry.register_panel(panel("second", title="Second", order=20))
    registry.register_panel(panel("first", title="First", order=10))
    html = page(client)
    assert html.index("First") < html.index("Second")


@pytest.mark.parametrize(
    ("spans", "laid"),
    [([1, 1], [1, 1]), ([1], [2]), ([1, 2], [2, 2]), ([1, 1, 1, 2, 1, 1], [1, 1, 2, 2, 1, 1]), ([2, 1], [2, 2])],
)
def test_a_panel_that_would_stand_alone_takes_the_whole_row(rf, spans, laid):
    for place, span in enumerate(spans):
        registry.register_panel(panel(f"p{place}", order=place, span=span))
    assert [shown.span for shown in registry.render_panels(rf.get("/"))] == laid


def test_a_panel_without_context_is_left_out(client):
    registry.register_panel(panel(title="Hidden", context=lambda _request: None))
    assert "Hidden" not in page(client)


def test_a_panel_that_fails_becomes_a_card_with_its_code(client):
    def broken(_request):
        raise UnavailableError("The channel does not answer.", hint="Look at the worker.")

    registry.register_panel(panel("broken", title="Broken", context=broken))
    registry.register_panel(panel("whole", title="Whole", order=2))
    response = client.get("/")
    html = response.content.decode()
    assert response.status_code == 200
    assert "core.unavailable" in html
    assert "Look at the worker." in html
    assert "Whole" in html


def test_a_panel_with_a_defect_gives_nothing_away(client):
    def broken(_request):
        raise KeyError("password=hunter2")

    registry.register_panel(panel(context=broken))
    html = page(client)
    assert "console.unexpected" in html
    assert "hunter2" not in html


def test_a_panel_whose_template_is_missing_does_not_take_the_page_down(client):
    registry.register_panel(panel(template="nowhere.html"))
    with pytest.raises(TemplateDoesNotExist):
        registry.render_to_string("nowhere.html")
    assert "console.unexpected" in page(client)


def test_a_panel_whose_query_fails_leaves_the_others_their_transaction(client):
    from django.db import connection

    def broken(_request):
        connection.cursor().execute("SELECT * FROM no_such_table")

    registry.register_panel(panel("broken", context=broken))
    registry.register_panel(panel("whole", title="Whole", order=2))
    assert "Whole" in page(client)


def test_the_same_slug_twice_is_a_mistake_but_the_same_panel_twice_is_not():
    one = panel()
    registry.register_panel(one)
    registry.register_panel(one)
    with pytest.raises(ValueError, match="registered twice"):
        registry.register_panel(panel(title="Another"))


def test_the_menu_shows_what_this_person_may_open(client):
    registry.set_permission_check(lambda _user, permission: permission == "inbox.read")
    registry.register_menu(MenuEntry("inbox", "Inbox", "console:home", 1, permission="inbox.read"))
    registry.register_menu(MenuEntry("audit", "Audit", "console:patterns", 2, permission="audit.read"))
    html = page(client)
    assert "Inbox" in html
    assert "Audit" not in html


def test_a_permission_check_that_fails_gives_nothing(client):
    def broken(_user, _permission):
        raise RuntimeError

    registry.set_permission_check(broken)
    registry.register_menu(MenuEntry("audit", "Audit", "console:patterns", 2, permission="audit.read"))
    assert "Audit" not in page(client)


def test_the_menu_marks_the_present_page_and_counts_what_waits(client):
    registry.register_menu(MenuEntry("home", "Home", "console:home", 1, badge=lambda _request: 3))
    registry.register_menu(MenuEntry("patterns", "Patterns", "console:patterns", 2))
    html = client.get("/console/patterns").content.decode()
    assert '<a href="/console/patterns" aria-current="page">' in html
    assert '<a href="/"><span>Home</span><span class="count"><span class="sr">, </span>3' in html


def test_a_badge_that_fails_and_an_address_that_is_missing_leave_the_menu_standing(client):
    def broken(_request):
        raise RuntimeError

    registry.register_menu(MenuEntry("home", "Home", "console:home", 1, badge=broken))
    registry.register_menu(MenuEntry("gone", "Gone", "nowhere:at-all", 2))
    html = page(client)
    assert "<span>Home</span></a>" in html
    assert "Gone" not in html


def test_account_links_follow_whether_somebody_is_signed_in(client):
    registry.register_account_link(AccountLink("in", "Sign in", "console:home", 1, signed_in=False))
    registry.register_account_link(AccountLink("out", "Sign out", "console:home", 1, post=True))
    assert "Sign out" in page(client)
    assert "Sign in" not in page(client)
    client.logout()
    html = client.get("/nothing-is-here").content.decode()
    assert "Sign in" in html
    assert "Sign out" not in html


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl"), ("es-419", "ltr")])
def test_language_and_direction_follow_the_reader(client, language, direction):
    html = page(client, headers={"accept-language": language})
    assert f'<html lang="{language}" dir="{direction}"' in html


def test_a_chosen_theme_is_kept_in_a_cookie_and_auto_forgets_it(client):
    response = client.post("/console/theme", {"theme": "dark", "next": "/console/patterns"})
    assert response.headers["location"] == "/console/patterns"
    assert 'data-theme="dark"' in page(client)
    client.post("/console/theme", {"theme": "auto"})
    assert 'data-theme="auto"' in page(client)


def test_a_theme_that_does_not_exist_and_a_way_back_elsewhere_are_ignored(client):
    response = client.post("/console/theme", {"theme": "<script>", "next": "https://evil.example/"})
    assert response.headers["location"] == "/"
    assert 'data-theme="auto"' in page(client)


def test_no_page_carries_inline_style_or_script(client):
    html = page(client)
    assert " style=" not in html
    assert "<style" not in html
    assert html.count("<script ") == html.count("<script src=")


def test_a_need_is_escaped(client):
    registry.register_need(lambda _request: [Need("high", "<img src=x onerror=alert(1)>", "/x", "<b>go</b>")])
    html = page(client)
    assert "<img" not in html
    assert isinstance(SafeString(""), str)
    assert "&lt;b&gt;go&lt;/b&gt;" in html
