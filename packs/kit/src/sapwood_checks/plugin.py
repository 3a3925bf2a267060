"""The pytest plugin: what makes a test a check, and what a check is given.

Whoever writes a pack tries it with `pytest --site-url http://127.0.0.1:8000`; Sapwood starts it by `__main__.py`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from sapwood_checks.client import Site
from sapwood_checks.data import (
    DATABASE,
    SAFETY,
    Check,
    MarkError,
    Request,
    Shadow,
    Unknown,
    above,
    one_line,
    scrubbed,
)
from sapwood_checks.data import SHADOW as SHADOW_NEEDED

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MARK: Final = (
    "check(id, use_case='', safety='S0', needs=[], owner='', covers=[]): this test is a check of a site; its id stays"
)
SHOWN: Final = 5


class Run:
    """One run of a pack: what it is given, and where its events go."""

    def __init__(self, request: Request, say: Callable[..., None] = lambda _event, **_values: None) -> None:
        self.request, self.say = request, say
        self.checks: dict[str, Check] = {}  # by node
        self.refused = ""

    def judge(self, items: list[pytest.Item]) -> None:
        """Refuse what is no check; skip what may not or cannot run here."""
        problems, ids = [], dict[str, str]()
        for item in items:
            try:
                check = _check_of(item)
            except MarkError as error:
                problems.append(f"{item.name}: {error}")
                continue
            if check.id in ids:
                problems.append(f"the id {check.id} stands for {ids[check.id]} and {item.name}")
            if above(check.safety, self.request.declared):
                declared = self.request.declared
                problems.append(f"{check.id} is {check.safety}, and the pack says that it stays at {declared}")
            ids[check.id] = item.name
            self.checks[item.nodeid] = check
            if reason := self._reason_to_skip(check):
                item.add_marker(pytest.mark.skip(reason=reason))
        if problems:
            more = f" (and {len(problems) - SHOWN} more)" if len(problems) > SHOWN else ""
            self.refused = "; ".join(problems[:SHOWN]) + more
            raise pytest.UsageError(self.refused)

    def _reason_to_skip(self, check: Check) -> str:
        if above(check.safety, self.request.highest):
            return f"it is of class {check.safety}, and here {self.request.highest} is the highest"
        missing = [need for need in check.needs if need not in self.request.offers]
        return f"it needs {', '.join(missing)}" if missing else ""


RUN: Final = pytest.StashKey[Run]()
REPORTS: Final = pytest.StashKey[list[pytest.TestReport]]()
CAUSE: Final = pytest.StashKey[BaseException]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """For whoever writes a pack."""
    group = parser.getgroup("sapwood", "checks of a site")
    group.addoption("--site-url", metavar="URL", help="the address of the site that the checks look at")
    group.addoption("--highest", default="S0", choices=SAFETY, help="the highest safety class that may run")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known; take the address from the command line where nobody else gave one."""
    config.addinivalue_line("markers", MARK)
    url = config.getoption("--site-url")
    if url and RUN not in config.stash:
        config.stash[RUN] = Run(Request(base_url=url, highest=config.getoption("--highest")))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test has to be a check, once there is a site."""
    if run := config.stash.get(RUN, None):
        run.judge(items)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that cannot be read takes none of the others with it."""
    report = yield
    run = collector.config.stash.get(RUN, None)
    if report.failed and run is not None:
        lines = str(report.longrepr).splitlines()
        errors = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")]
        run.say("broken", where=report.nodeid[:200], detail=one_line((errors or lines or [""])[-1]))
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say how many checks there are."""
    if run := session.config.stash.get(RUN, None):
        run.say("start", checks=len(session.items))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Say that a check begins, and how it ended."""
    run = item.config.stash.get(RUN, None)
    check = run.checks.get(item.nodeid) if run else None
    if run is None or check is None:
        return (yield)
    run.say("begun", id=check.id)
    item.stash[REPORTS] = []
    began = time.perf_counter()
    done = yield
    verdict, detail = verdict_of(item.stash[REPORTS], item.stash.get(CAUSE, None))
    run.say(
        "result",
        id=check.id,
        verdict=verdict,
        seconds=round(time.perf_counter() - began, 3),
        detail=scrubbed(detail),
        use_case=check.use_case[:200],
        safety=check.safety,
        owner=check.owner[:200],
        covers=[covered[:64] for covered in check.covers[:20]],
    )
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what each part of a check came to, and why."""
    report = yield
    if REPORTS in item.stash:
        item.stash[REPORTS].append(report)
        if call.excinfo is not None and CAUSE not in item.stash:
            item.stash[CAUSE] = call.excinfo.value
    return report


def verdict_of(reports: list[pytest.TestReport], cause: BaseException | None) -> tuple[str, str]:
    """The verdict of a check, and the reason in words.

    What was asserted and is not so is a failure of the site; any other exception is an error of the check.
    """
    if isinstance(cause, Unknown):
        return "unknown", str(cause)
    for report in reports:
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            return "skipped", str(reason).removeprefix("Skipped: ")
        if report.failed:
            plain = cause is None or isinstance(cause, AssertionError | pytest.fail.Exception)
            words, name = str(report.longrepr if cause is None else cause), type(cause).__name__
            verdict = "fail" if plain and report.when == "call" else "error"
            return verdict, words or name if plain else f"{name}: {words}"
    return ("pass", "") if reports else ("error", "it gave no result")


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Site:
    """The site: an HTTP client that stays at its address."""
    run = _run_of(request)
    return Site(run.request.base_url, through=run.request.socket)


@pytest.fixture
def shadow(request: pytest.FixtureRequest) -> Shadow:
    """The copy of a rehearsal; against anything else the check is skipped."""
    run = _run_of(request)
    check = run.checks.get(request.node.nodeid)
    if SHADOW_NEEDED not in run.request.offers:
        pytest.skip("it needs a shadow")
    url = run.request.database_url if check and DATABASE in check.needs else ""
    return Shadow(Path(run.request.scratch or tempfile.gettempdir()), url)


def _run_of(request: pytest.FixtureRequest) -> Run:
    run = request.config.stash.get(RUN, None)
    if run is None:
        pytest.skip(f"there is no site: give --site-url ({os.fspath(request.config.rootpath.name)})")
    return run


def _check_of(item: pytest.Item) -> Check:
    marker = item.get_closest_marker("check")
    if marker is None:
        raise MarkError("it has no marker check(id=…)")
    if marker.args:
        raise MarkError("the words of the marker are given by name: check(id=…)")
    return Check.of(marker.kwargs)
