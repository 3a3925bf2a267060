"""Runs with the interpreter of a Tutor, on a copy of a root's configuration: says what this Tutor would do with it.

Needs nothing but Tutor. Nothing is started: the commands that Tutor would give to the container engine are written
down instead. No value of a setting leaves this process, unless its name and its shape say that it is no secret; two
Tutors' values are compared by a keyed digest whose key lives as long as one plan.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

PUBLIC: Final = re.compile(
    r"(?:DOCKER_IMAGE_\w+|\w+_DOCKER_IMAGE|(?:\w+_)?VERSION|\w+_BRANCH|\w+_PORT|RUN_\w+|ENABLE_\w+)\Z"
)
HARMLESS: Final = re.compile(r"[A-Za-z0-9._/:+{}' -]{0,200}\Z")
IMAGE_KEY: Final = re.compile(r"(?:DOCKER_IMAGE_\w+|\w+_DOCKER_IMAGE)\Z")
LEVEL: Final = re.compile(r"setFeatureCompatibilityVersion['\"]?\s*:\s*['\"]([0-9.]{1,10})")
COMMAND: Final = re.compile(r"\./manage\.py\s+(lms|cms)\s+([a-z_0-9]{2,60})")
MOVE: Final = re.compile(r"^\s*mv\s", re.MULTILINE)
PATCH: Final = re.compile(r"patch\(\s*[\"']([a-z0-9-]{2,80})[\"']")
MOST_TEMPLATE_BYTES: Final = 2_000_000
MOST_NOTES: Final = 20


def main(request_file: str, answers_file: str) -> None:
    """Answer one request."""
    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    with Path(answers_file).open("w", encoding="utf-8") as answers:

        def say(**answer: Any) -> None:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        try:
            say(event="tutor", **describe(request))
        except Exception as error:  # noqa: BLE001 - whatever Tutor or a plugin raises is the answer
            # The words of an error may quote the configuration, so its kind alone is said.
            kind = type(error).__name__
            say(event="refused", message=f"Tutor cannot read this configuration ({kind})")


def describe(request: dict[str, Any]) -> dict[str, Any]:
    """Everything that a plan asks of one Tutor."""
    root, salt = request["root"], bytes.fromhex(request["salt"])
    os.environ["TUTOR_ROOT"] = root
    os.environ["TUTOR_PLUGINS_ROOT"] = request["plugins_root"]
    from tutor import config as tutor_config  # noqa: PLC0415
    from tutor import env as tutor_env  # noqa: PLC0415
    from tutor import hooks, plugins  # noqa: PLC0415 - only this interpreter has it
    from tutor.__about__ import __version__  # noqa: PLC0415
    from tutor.commands import compose  # noqa: F401, PLC0415 - declares the core's initialisation

    hooks.Actions.CORE_READY.do()
    hooks.Actions.PROJECT_ROOT_READY.do(root)
    user, full = tutor_config.get_user(root), tutor_config.load_full(root)
    known = {**tutor_config.get_base(), **tutor_config.get_defaults()}
    loaded = set(plugins.iter_loaded())
    recorded = record(root, request["from_release"]) if request.get("from_release") else None
    return {
        "tutor": __version__,
        "release": tutor_env.get_release(__version__),
        "ref": str(full.get("OPENEDX_COMMON_VERSION")),
        "enabled": [name for name in tutor_config.get_enabled_plugins(user) if isinstance(name, str)],
        "loaded": sorted(loaded),
        "plugins": installed(set(plugins.iter_installed())),
        "settings": {name: setting(name, value, salt) for name, value in known.items()},
        "chosen": sorted(str(name) for name in user),
        "project": str(full.get("LOCAL_PROJECT_NAME")),
        "generated": sorted(str(name) for name in tutor_config.get_base()),
        "images": {name: full[name] for name in full if IMAGE_KEY.match(name) and isinstance(full[name], str)},
        "runs": {name: full[name] for name in full if name.startswith("RUN_") and isinstance(full[name], bool)},
        "build": [str(name) for name in hooks.Filters.IMAGES_BUILD_REQUIRED.apply([], "local")],
        "places": sorted(places(hooks, tutor_env.TEMPLATES_ROOT)),
        "patches": sorted({str(name) for name, _content in hooks.Filters.ENV_PATCHES.iterate()}),
        "own_patches": sorted(own_patches(hooks, request["plugins_root"])),
        "init": [task(service, script) for service, script in hooks.Filters.CLI_DO_INIT_TASKS.iterate()],
        "upgrade": recorded,
    }


def setting(name: str, value: Any, salt: bytes) -> dict[str, Any]:
    """A default: a mark to compare it by, and its value where that cannot be a secret."""
    mark = hmac.new(salt, json.dumps(value, sort_keys=True, default=str).encode(), hashlib.sha256).hexdigest()
    shown: dict[str, Any] = {"mark": mark}
    plain = PUBLIC.match(name) and (isinstance(value, int) or (isinstance(value, str) and HARMLESS.match(value)))
    if isinstance(value, bool) or plain:
        shown["value"] = value
    return shown


def installed(names: set[str]) -> dict[str, dict[str, Any]]:
    """Every plugin that is there, the version of its package, and whether that package allows this Tutor."""
    found: dict[str, dict[str, Any]] = {name: {"version": None, "pins": []} for name in names}
    for package in metadata.distributions():
        for point in package.entry_points:
            if point.group in {"tutor.plugin.v0", "tutor.plugin.v1"}:
                found[point.name] = {"version": package.version, "pins": list(broken(package.requires or []))}
    return found


def broken(requirements: Sequence[str]) -> Iterator[str]:
    """What a plugin's package requires of Tutor and its plugins, and does not find."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - comes with Tutor

    for text in requirements:
        with contextlib.suppress(InvalidRequirement):
            wanted = Requirement(text)
            if not wanted.name.startswith("tutor") or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            try:
                there = metadata.version(wanted.name)
            except metadata.PackageNotFoundError:
                yield f"{wanted.name}{wanted.specifier} (not there)"
                continue
            if not wanted.specifier.contains(there, prereleases=True):
                yield f"{wanted.name}{wanted.specifier} ({there} is there)"


def places(hooks: Any, core: str) -> set[str]:
    """The names of the patches for which this Tutor's templates have a place."""
    found: set[str] = set()
    for root in {str(path) for path in hooks.Filters.ENV_TEMPLATE_ROOTS.apply([core])}:
        for folder, _folders, files in os.walk(root):
            for name in files:
                with Path(folder, name).open("rb") as file:
                    found.update(PATCH.findall(file.read(MOST_TEMPLATE_BYTES).decode("utf-8", "replace")))
    for _name, content in hooks.Filters.ENV_PATCHES.iterate():  # a patch may hold a place for another
        found.update(PATCH.findall(str(content)))
    return found


def own_patches(hooks: Any, plugins_root: str) -> set[str]:
    """The names of the patches that the site's own plugins make, rather than an installed package."""
    own: set[str] = set()
    local = {path.stem for path in Path(plugins_root).glob("*.py")} | {
        path.stem for path in Path(plugins_root).glob("*.yml")
    }
    for name in local:
        made = hooks.Filters.ENV_PATCHES.iterate_from_context(f"app:{name}")
        own.update(str(patch) for patch, _content in made)
    return own


def task(service: str, script: str) -> dict[str, Any]:
    """One part of the initialisation, without its text: a script may hold whatever a plugin wrote into it."""
    return {"service": str(service), **reads(str(script))}


def reads(text: str) -> dict[str, Any]:
    """What of a command is plain: management commands, moves of files, the level that MongoDB is raised to."""
    level = LEVEL.search(text)
    return {
        "manage": list(dict.fromkeys(f"{service} {name}" for service, name in COMMAND.findall(text))),
        "moves": bool(MOVE.search(text)),
        "mongodb_level": level[1] if level else None,
    }


def record(root: str, release: str) -> dict[str, Any]:
    """Let Tutor run its steps from a release, with everything that leaves this process written down instead."""
    import click  # noqa: PLC0415 - comes with Tutor
    from tutor import env as tutor_env  # noqa: PLC0415
    from tutor import fmt, utils  # noqa: PLC0415
    from tutor.commands.local import LocalContext  # noqa: PLC0415
    from tutor.commands.upgrade import OPENEDX_RELEASE_NAMES, compose  # noqa: PLC0415

    if release not in OPENEDX_RELEASE_NAMES:
        return {"known": False, "steps": [], "notes": []}
    steps: list[dict[str, Any]] = []
    notes: list[str] = []

    def execute(*command: str) -> int:
        steps.append(engine_call(command))
        return 0

    def render(_root: str, config: dict[str, Any]) -> None:
        steps.append({"verb": "render", "service": None, "image": config.get("DOCKER_IMAGE_MONGODB")})

    def note(text: str, *_more: Any) -> None:
        if len(notes) < MOST_NOTES:
            notes.append(str(text)[:500])

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (utils, "execute", execute),
        (utils, "execute_silent", execute),
        (utils, "check_output", lambda *_command: b"[]"),
        (tutor_env, "save", render),
        (compose, "sleep", lambda _seconds: None),
        (fmt, "echo_alert", note),
        (fmt, "echo_info", note),
    ]
    for place, name, instead in replaced:
        setattr(place, name, instead)
    context = click.Context(click.Command("upgrade"), obj=LocalContext(root))
    with context:
        compose.upgrade_from(context, release)
    return {"known": True, "steps": steps, "notes": notes}


def engine_call(command: Sequence[str]) -> dict[str, Any]:
    """A call of the container engine without its words, which hold passwords."""
    words = list(command)
    rest = words[words.index("--project-name") + 2 :] if "--project-name" in words else words[1:]
    plain = [word for word in rest if re.fullmatch(r"[a-z][a-z0-9.-]{0,40}", word)]
    return {"verb": plain[0] if plain else "", "service": plain[1] if len(plain) > 1 else None, **reads(" ".join(rest))}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
