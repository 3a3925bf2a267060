"""How a pack is started: `python -m sapwood_checks REQUEST.json /dev/fd/N`.

The request names the pack's module and what it is given; events go, as JSON lines, where the second argument says.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from sapwood_checks import plugin
from sapwood_checks.data import Request, scrubbed
from sapwood_checks.recording import Lines, name_attempts


class Start:
    """Hands the run to the plugin before anything of the pack is read."""

    def __init__(self, run: plugin.Run, module: str) -> None:
        self.run, self.module = run, module

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Before the plugin's own."""
        config.stash[plugin.RUN] = self.run
        pytest.register_assert_rewrite(self.module)  # also where it is a single file


def main(arguments: list[str]) -> int:
    """Run one pack; 0 when every check was judged, whatever the verdicts."""
    with Path(arguments[0]).open(encoding="utf-8") as file:
        given = json.load(file)
    module = str(given.pop("module"))
    lists = {name: tuple(given.get(name, ())) for name in ("offers", "sockets")}
    request = Request(**{**given, **lists})
    lines = Lines(arguments[1])
    if request.socket:
        name_attempts(lines.say, request.socket, request.sockets)
    run = plugin.Run(request, lines.say)
    options = ["--pyargs", module, "-c", os.devnull, "--rootdir", request.scratch, "-q", "--tb=short"]
    options += ["-p", "sapwood_checks.plugin", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    try:
        code = int(pytest.main(options, plugins=[Start(run, module)]))
    except BaseException as error:  # noqa: BLE001 - a stranger's module may raise anything while it is read
        lines.say("refused", message=f"the pack cannot be started: {type(error).__name__}: {scrubbed(error)}")
        return 1
    if run.refused:
        lines.say("refused", message=f"the pack is refused: {run.refused}")
        return 1
    if code in {pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR}:
        lines.say("refused", message="the pack cannot be started; its log says why")
        return 1
    if code == pytest.ExitCode.INTERRUPTED:
        lines.say("refused", message="the pack was interrupted, by itself")
        return 1
    lines.say("end", checks=len(run.checks))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
