"""Shared by all tests: the role of this run, the tests that belong to it, and what a skip means in CI."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
from django.utils import translation

from sapwood.config.locales import compile_locales

ROLE = os.environ.setdefault("SAPWOOD_ROLE", "site")
HERE = Path(__file__).parent
collect_ignore = [str(HERE / "src" / "sapwood" / ("site" if ROLE == "commons" else "commons"))]

# Property tests look for counterexamples, not for slowness: the machine may be busy.
hypothesis.settings.register_profile(
    "sapwood",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("sapwood")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """The quick run takes two processes, unless somebody wants to look inside."""
    watched = config.option.usepdb or config.option.capture == "no" or "PYTEST_XDIST_WORKER" in os.environ
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not watched and config.option.numprocesses is None:
        config.option.numprocesses = 2


def pytest_configure(config: pytest.Config) -> None:
    """Plain `pytest` is the quick run: what starts processes, or looks at thousands of cases, is asked for by name.

    The translations are compiled before any test asks for one: Django keeps what it found, or did not find, first.
    """
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.markexpr:
        config.option.markexpr = "not slow and not e2e"
    compile_locales()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded here stays to the end: the garbage collector need not walk through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With a browser, what takes longest comes first: begun last, it would keep one core busy and the other waiting."""
    items.sort(key=lambda item: not (item.get_closest_marker("e2e") and item.get_closest_marker("slow")))


@pytest.fixture(autouse=True)
def english() -> Generator[None]:
    """A request leaves its language active in its thread; in a test that is everybody's thread."""
    with translation.override("en"):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip for a missing component is a failure.

    A missing interpreter or network stack, and what belongs to another pass, is not.
    """
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(words in reason for words in ("interpreter", "roles of", "pass on PostgreSQL", "IPv6 loopback")):
            report.outcome = "failed"
            report.longrepr = f"skipped in CI: {reason}"
    return report


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names that hold a memory address would differ between the processes that share the tests."""
    return argname if " at 0x" in repr(val) else None
