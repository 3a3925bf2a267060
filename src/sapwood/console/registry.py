"""What modules hand to the console: panels, menu entries, needs. The console itself knows no module."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from django.db import connection, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sapwood.core.errors import SapwoodError
from sapwood.core.settings import SITE_NAME

logger = logging.getLogger(__name__)

Words: TypeAlias = Any  # a str, or what gettext_lazy returns (django-stubs gives it no usable name)
MAX_NEEDS = 5


class Severity(StrEnum):
    """How soon somebody should look, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


_URGENCY = {severity: place for place, severity in enumerate(Severity)}
SEVERITY_WORDS: Mapping[Severity, Words] = {
    Severity.CRITICAL: gettext_lazy("critical"),
    Severity.HIGH: gettext_lazy("high"),
    Severity.MEDIUM: gettext_lazy("medium"),
    Severity.LOW: gettext_lazy("low"),
    Severity.INFO: gettext_lazy("for information"),
}
SEVERITY_STATUS: Mapping[Severity, str] = {
    Severity.CRITICAL: "bad",
    Severity.HIGH: "bad",
    Severity.MEDIUM: "caution",
    Severity.LOW: "info",
    Severity.INFO: "info",
}


@dataclass(frozen=True)
class Panel:
    """A card on the front page; `context` returns None when there is nothing to show to this person."""

    slug: str
    title: Words
    order: int
    template: str
    context: Callable[[HttpRequest], Mapping[str, Any] | None]
    span: int = 1


@dataclass(frozen=True)
class MenuEntry:
    """A line of the rail; shown to whoever holds `permission` (None: to everybody)."""

    slug: str
    label: Words
    url_name: str
    order: int
    permission: str | None = None
    badge: Callable[[HttpRequest], int | None] | None = None


@dataclass(frozen=True)
class AccountLink:
    """A link in the account menu; `signed_in` says for whom, `post` makes it a button (signing out)."""

    slug: str
    label: Words
    url_name: str
    order: int
    signed_in: bool = True
    post: bool = False


@dataclass(frozen=True)
class Need:
    """One thing that waits for the person who looks; `action` names the button, `at` says since when."""

    severity: str
    text: Words
    url: str
    action: Words
    at: datetime | None = None

    def __post_init__(self) -> None:
        Severity(self.severity)

    @property
    def word(self) -> Words:
        """The severity as a translated word."""
        return SEVERITY_WORDS[Severity(self.severity)]

    @property
    def status(self) -> str:
        """The status level that carries the colour and the icon."""
        return SEVERITY_STATUS[Severity(self.severity)]


@dataclass(frozen=True)
class Work:
    """A job that somebody waits for: what it is called, who may watch it, and which page it was begun on."""

    job: str
    label: Words
    permission: str
    url_name: str
    back: Words

    @property
    def slug(self) -> str:
        """The name of the job."""
        return self.job


@dataclass(frozen=True)
class Institution:
    """Whose console this is; `ring` is where the site stands in the mark (1 inmost to 5 outmost)."""

    name: Words
    url: str = ""
    stylesheet: str = ""
    ring: int = 4


@dataclass(frozen=True)
class MenuItem:
    """A menu entry as one person sees it."""

    slug: str
    label: Words
    url: str
    current: bool
    badge: int | None


@dataclass(frozen=True)
class RenderedPanel:
    """A panel as it stands on the page: its HTML, or the error that kept it from rendering."""

    slug: str
    title: Words
    span: int
    html: SafeString | None = None
    error: Mapping[str, str] | None = None


NeedSource: TypeAlias = Callable[[HttpRequest], Iterable[Need]]
PermissionCheck: TypeAlias = Callable[[Any, str], bool]


def _allow_superusers(user: Any, permission: str) -> bool:  # noqa: ARG001 - the shape of a permission check
    """Until `accounts` brings the real check, only a superuser sees entries that need a permission."""
    return bool(getattr(user, "is_superuser", False))


def _unnamed(request: HttpRequest) -> Institution:  # noqa: ARG001 - the shape of an institution source
    return Institution(name=SITE_NAME.get() or "Sapwood")


@dataclass
class _State:
    panels: dict[str, Panel] = field(default_factory=dict)
    menu: dict[str, MenuEntry] = field(default_factory=dict)
    account_links: dict[str, AccountLink] = field(default_factory=dict)
    work: dict[str, Work] = field(default_factory=dict)
    needs: list[NeedSource] = field(default_factory=list)
    calm: Callable[[HttpRequest], Words | None] | None = None
    permission_check: PermissionCheck = _allow_superusers
    institution: Callable[[HttpRequest], Institution] = _unnamed


_state = _State()


@contextmanager
def isolated() -> Iterator[None]:
    """An empty registry for the length of a test; what was registered before comes back after it."""
    global _state  # noqa: PLW0603 - the registry is one per process by nature
    kept, _state = _state, _State()
    try:
        yield
    finally:
        _state = kept


def _put(table: dict[str, Any], entry: Any) -> None:
    known = table.get(entry.slug)
    if known is not None and known != entry:
        raise ValueError(f"{type(entry).__name__} {entry.slug!r} is registered twice")
    table[entry.slug] = entry


def register_panel(panel: Panel) -> None:
    """Put a card on the front page; two panels cannot share a slug."""
    _put(_state.panels, panel)


def register_menu(entry: MenuEntry) -> None:
    """Put a line into the rail."""
    _put(_state.menu, entry)


def register_account_link(link: AccountLink) -> None:
    """Put a link into the account menu of the header."""
    _put(_state.account_links, link)


def register_work(work: Work) -> None:
    """Give a job a page on which people see how far it is."""
    _put(_state.work, work)


def work_named(job: str) -> Work | None:
    """What is known of a job that people may watch."""
    return _state.work.get(job)


def register_need(source: NeedSource) -> None:
    """Ask `source` on each front page what waits for this person."""
    if source not in _state.needs:
        _state.needs.append(source)


def set_calm_text(source: Callable[[HttpRequest], Words | None]) -> None:
    """Say what stands under "Nothing needs you.", such as when the channel was last looked at."""
    _state.calm = source


def set_permission_check(check: PermissionCheck) -> None:
    """Decide with `check(user, permission)` who sees which menu entry."""
    _state.permission_check = check


def set_institution(source: Callable[[HttpRequest], Institution]) -> None:
    """Name the institution whose console this is."""
    _state.institution = source


def panels() -> list[Panel]:
    """All panels in their order."""
    return sorted(_state.panels.values(), key=lambda panel: (panel.order, panel.slug))


def may(request: HttpRequest, permission: str | None) -> bool:
    """Whether the person behind the request holds a permission; None is held by everybody."""
    if permission is None:
        return True
    user = getattr(request, "user", None)
    if user is None:
        return False
    try:
        return _state.permission_check(user, permission)
    except Exception as error:  # noqa: BLE001 - a check that fails gives nothing, and leaves the page standing
        _log(error, f"the check of {permission} failed")
        return False


def institution(request: HttpRequest) -> Institution:
    """Whose console this is; a source that fails leaves the page standing without a name."""
    try:
        return _state.institution(request)
    except Exception:  # the shell must stand whatever a module does
        logger.exception("the institution's name cannot be read")
        return _unnamed(request)


def menu(request: HttpRequest) -> list[MenuItem]:
    """The rail as this person sees it, with the entry of the present page marked."""
    entries = sorted(_state.menu.values(), key=lambda entry: (entry.order, entry.slug))
    items = [_menu_item(entry, request) for entry in entries if may(request, entry.permission)]
    found = [item for item in items if item is not None]
    within = [item for item in found if _is_within(request.path, item.url)]
    here = max(within, key=lambda item: len(item.url), default=None)
    return [replace(item, current=item is here) for item in found]


def account_links(request: HttpRequest) -> list[tuple[AccountLink, str]]:
    """The account menu for this person: each link with its address."""
    user = getattr(request, "user", None)
    signed_in = bool(getattr(user, "is_authenticated", False))
    links = sorted(_state.account_links.values(), key=lambda link: (link.order, link.slug))
    return [(link, url) for link in links if link.signed_in == signed_in and (url := _address(link.url_name))]


def needs(request: HttpRequest) -> list[Need]:
    """Everything that waits for this person, most urgent first, oldest first among equals."""
    found: list[Need] = []
    for source in _state.needs:
        try:
            with _savepoint():
                found.extend(source(request))
        except Exception as error:  # noqa: BLE001 - one silent source must not hide the others, nor itself
            _log(error, "a source of needs failed")
            code = error_lines(error)["code"]
            text = _("A part of this list cannot be shown (%(code)s).") % {"code": code}
            found.append(Need(Severity.HIGH, text, "", "", None))
    return sorted(found, key=_urgency)


def calm_text(request: HttpRequest) -> Words | None:
    """What stands under "Nothing needs you."."""
    if _state.calm is None:
        return None
    try:
        with _savepoint():
            return _state.calm(request)
    except Exception as error:  # noqa: BLE001 - the front page stands whatever a module does
        _log(error, "the calm text failed")
        code = error_lines(error)["code"]
        return _("When the last look was cannot be said (%(code)s).") % {"code": code}


def render_panels(request: HttpRequest) -> list[RenderedPanel]:
    """All panels that have something to show; one that fails becomes a card that says so."""
    rendered = (_render_panel(panel, request) for panel in panels())
    return _without_holes([panel for panel in rendered if panel is not None])


def error_lines(error: Exception) -> dict[str, str]:
    """An error as code, message, hint; one that nobody foresaw gives nothing away."""
    if isinstance(error, SapwoodError):
        return error.as_dict()
    return {
        "code": "console.unexpected",
        "message": _("Something went wrong that nobody foresaw."),
        "hint": _("The details are in the server's log."),
    }


def _without_holes(shown: list[RenderedPanel]) -> list[RenderedPanel]:
    """A narrow panel that would stand alone in its row takes the whole row."""
    laid: list[RenderedPanel] = []
    beside = False
    for place, panel in enumerate(shown):
        if panel.span > 1:
            beside = False
        elif not beside and (place + 1 == len(shown) or shown[place + 1].span > 1):
            laid.append(replace(panel, span=2))
            continue
        else:
            beside = not beside
        laid.append(panel)
    return laid


def _log(error: Exception, what: str) -> None:
    """A traceback for what nobody foresaw, a line for what explains itself."""
    if isinstance(error, SapwoodError):
        logger.warning("%s: %s: %s", what, error.code, error.message)
    else:
        logger.error(what, exc_info=error)


def _render_panel(panel: Panel, request: HttpRequest) -> RenderedPanel | None:
    shown = RenderedPanel(slug=panel.slug, title=panel.title, span=panel.span)
    try:
        with _savepoint():
            context = panel.context(request)
            if context is None:
                return None
            html = render_to_string(panel.template, {**context, "panel": panel}, request)
    except Exception as error:  # noqa: BLE001 - a panel never takes the front page down
        _log(error, f"panel {panel.slug} failed")
        return replace(shown, error=error_lines(error))
    return replace(shown, html=html)


def _is_within(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url))


def _menu_item(entry: MenuEntry, request: HttpRequest) -> MenuItem | None:
    url = _address(entry.url_name)
    if not url:
        return None
    badge: int | None = None
    if entry.badge is not None:
        try:
            with _savepoint():
                badge = entry.badge(request)
        except Exception:  # a count is no reason to lose the menu
            logger.exception("the badge of %s failed", entry.slug)
    return MenuItem(entry.slug, entry.label, url, current=False, badge=badge)


def _address(url_name: str) -> str:
    try:
        return reverse(url_name)
    except NoReverseMatch:
        logger.warning("no address is named %s", url_name)
        return ""


def _urgency(need: Need) -> tuple[int, float]:
    since = need.at.timestamp() if need.at else float("inf")
    return (_URGENCY[Severity(need.severity)], since)


def _savepoint() -> Any:
    """Keeps a failed query of one panel from spoiling the transaction of the whole request."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()
