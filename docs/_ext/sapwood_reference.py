"""Writes the reference pages from the code: settings, commands, errors, exit codes, permissions, formats."""

import inspect
import json
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import click

HERE = Path(__file__).resolve().parent.parent
GENERATED = HERE / "reference" / "generated"


def load_everything() -> None:
    """Import every module of both roles, so that the registries are complete."""
    os.environ.setdefault("SAPWOOD_ROLE", "site")
    os.environ["DJANGO_SETTINGS_MODULE"] = "sapwood.config.settings_typing"
    import django

    import sapwood

    django.setup()
    skip = (".tests", ".migrations", "settings_test", "settings_check", "urls_", ".wsgi", ".manage")
    for module in walk_packages(sapwood.__path__, "sapwood."):
        if not any(part in module.name for part in skip):
            import_module(module.name)


def one_line(text: str | None) -> str:
    """The first paragraph as one line, safe in a table cell."""
    paragraph = inspect.cleandoc(text or "").split("\n\n", 1)[0]
    return " ".join(paragraph.split()).replace("|", "\\|").replace("<", "&lt;")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Every typed setting."""
    from sapwood.core.settings import REGISTRY

    rows = []
    for item in sorted(REGISTRY.values(), key=lambda item: item.name):
        value = ",".join(item.default) if isinstance(item.default, tuple) else str(item.default)
        default = f"`{value}`" if value else "empty"
        name = f"`{item.name}`" + (" (secret)" if item.secret else "")
        rows.append((name, item.kind, default, one_line(item.help)))
    return table(("Setting", "Takes", "Default", "What it does"), rows)


def every_error() -> list[type]:
    """Every error class that a person may see, by code."""
    from sapwood.formats.errors import SapwoodError

    found: dict[str, type] = {}
    waiting = [SapwoodError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.startswith("sapwood.") and ".tests." not in kind.__module__:
            found.setdefault(f"{kind.code} {kind.__name__}", kind)
            waiting += kind.__subclasses__()
    return [found[key] for key in sorted(found)]


def errors_page() -> str:
    """Every error code with its exit code and HTTP status."""
    rows = [
        (f"`{kind.code}`", str(kind.exit_code), str(kind.http_status), one_line(kind.__doc__)) for kind in every_error()
    ]
    return table(("Code", "Exit", "HTTP", "Meaning"), rows)


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name."""
    from sapwood.config.cli import sapwood as root

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in sorted(command.list_commands(context)):
                found = command.get_command(context, child)
                assert found is not None
                yield from walk(f"{name} {child}", found)

    yield from walk("sapwood", root)


def option_row(option: click.Option, metavar: str) -> tuple[str, str]:
    """One option: how it is written, what it does, and whether it is needed, repeatable or has a default."""
    written = " / ".join([*option.opts, *option.secondary_opts])
    label = written if option.is_flag else f"{written} {'DATE' if '%' in metavar else metavar}"
    notes = ["needed"] if option.required else []
    notes += ["repeatable"] if option.multiple else []
    if isinstance(option.default, int | str) and not option.is_flag and option.default != "":
        notes.append(f"`{option.default}` when left out")
    help_text = one_line(option.help) or "One of those named."
    return f"`{label}`".replace("|", "\\|"), help_text + (f" ({', '.join(notes)})" if notes else "")


def commands_page() -> str:
    """Every command with its options."""
    parts = []
    for name, command in every_command():
        if isinstance(command, click.Group):
            continue
        parts.append(f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = []
        for parameter in command.params:
            label = parameter.make_metavar(click.Context(command))
            if isinstance(parameter, click.Argument):
                kind = "argument" if parameter.required else "argument, optional"
                rows.append((f"`{label}`".replace("|", "\\|"), kind))
            elif isinstance(parameter, click.Option) and "--json" not in parameter.opts:
                rows.append(option_row(parameter, label))
        if rows:
            parts.append(table(("Option", "What it does"), rows))
    return "\n".join(parts)


NARROWED = " \\*"  # an asterisk that Markdown leaves alone


def permissions_page() -> str:
    """Every permission with the roles that hold it."""
    from sapwood.accounts.data import Role
    from sapwood.accounts.permissions import PERMISSIONS

    rows = []
    for item in sorted(PERMISSIONS.values(), key=lambda item: item.code):
        roles = [f"{role.label}{NARROWED if role in item.scoped else ''}" for role in Role if role in item.roles]
        token = "yes" if item.by_token else "no"
        rows.append((f"`{item.code}`", one_line(str(item.label)), ", ".join(roles), token))
    note = "\\* also when the role is narrowed, for what belongs to that channel or language.\n"
    return table(("Permission", "What it allows", "Roles", "By token"), rows) + "\n" + note


def formats_page() -> str:
    """Every document type with its JSON Schema."""
    folder = HERE.parent / "src" / "sapwood" / "formats" / "schemas"
    parts = []
    for path in sorted(folder.glob("*.json")):
        schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parts.append(f"## {schema.get('title', path.stem)}\n\n{schema.get('description', '')}\n")
        parts.append(f"```json\n{json.dumps(schema, indent=1, ensure_ascii=False)}\n```\n")
    return "\n".join(parts)


PAGES = {
    "settings": settings_page,
    "errors": errors_page,
    "commands": commands_page,
    "permissions": permissions_page,
    "formats": formats_page,
}


def write_pages(_app: object = None) -> None:
    """Write every generated page, leaving unchanged ones alone."""
    load_everything()
    GENERATED.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path = GENERATED / f"{name}.md"
        text = make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Sphinx's door."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}


def inventory() -> dict[str, Any]:
    """What the reference is written from, as plain values: for the test that nothing is missing."""
    from sapwood.core.settings import REGISTRY

    load_everything()
    return {
        "settings": {name: item.help for name, item in REGISTRY.items()},
        "errors": [[kind.code, kind.__name__, kind.__doc__ or ""] for kind in every_error()],
        "commands": [
            [name, command.help or "", isinstance(command, click.Group), [o for p in command.params for o in p.opts]]
            for name, command in every_command()
        ],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(inventory()))
