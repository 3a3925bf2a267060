"""Asks the interpreter that runs Tutor which packages it has. The only thing here that starts a program."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.site.facts.tutor import shapes

TIME_LIMIT_S = 20
SCRIPT = """
import json, sys
from importlib import metadata
found = {"python": "%d.%d.%d" % sys.version_info[:3], "plugins": {}, "tutor": None}
try:
    found["tutor"] = metadata.version("tutor")
except metadata.PackageNotFoundError:
    pass
for item in metadata.distributions():
    for point in item.entry_points:
        if point.group in ("tutor.plugin.v0", "tutor.plugin.v1"):
            found["plugins"][point.name] = item.version
json.dump(found, sys.stdout)
"""


@dataclass(frozen=True)
class Installed:
    """What that interpreter answered, or why it did not."""

    python: str | None = None
    tutor: str | None = None
    plugins: Mapping[str, str] = field(default_factory=dict)
    problem: Phrase = NO_WORDS


def ask(python: Path) -> Installed:
    """Run the interpreter isolated (`-I`), with an empty environment and a time limit."""
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", SCRIPT],
            capture_output=True,
            timeout=TIME_LIMIT_S,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
        )
        data = json.loads(done.stdout) if done.returncode == 0 else None
    except subprocess.TimeoutExpired:
        return Installed(problem=Phrase("the interpreter did not answer within %(n)s s", n=TIME_LIMIT_S))
    except OSError as error:
        return Installed(problem=Phrase("the interpreter cannot be started: %(reason)s", reason=error.strerror))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return Installed(problem=Phrase("the interpreter gave no usable answer"))
    plugins = data.get("plugins")
    return Installed(
        python=shapes.whole_version(data.get("python")),
        tutor=shapes.whole_version(data.get("tutor")),
        plugins={
            name: version
            for raw, value in (plugins.items() if isinstance(plugins, dict) else ())
            if (name := shapes.shaped(raw, shapes.NAME)) and (version := shapes.whole_version(value))
        },
    )
