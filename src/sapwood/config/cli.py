"""The `sapwood` command: finds the right role, loads what a command needs, prints an error once."""

import gc
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click
from typing_extensions import override

from sapwood import __version__
from sapwood.core.commands import Exit, harmless
from sapwood.core.errors import SapwoodError, UsageError
from sapwood.core.paths import role_dir, var_dir


class Mount(NamedTuple):
    """Where a command lives, its role (None: either, by SAPWOOD_ROLE), and what the list of commands says of it."""

    module: str
    attribute: str
    role: str | None
    summary: str


# The summaries stand here because a list of all commands must not load the apps of both roles.
MOUNTS = {
    "accounts": Mount("sapwood.accounts.cli", "accounts", None, "Accounts, roles, sign-in links and API tokens."),
    "announce": Mount("sapwood.commons.announcements.cli", "announce", "commons", "Write, import and translate."),
    "audit": Mount("sapwood.core.cli", "audit", None, "The record of who changed what, and its proof."),
    "catalogue": Mount(
        "sapwood.commons.releases.cli", "catalogue", "commons", "Releases, advisories, ways to upgrade."
    ),
    "channel": Mount("sapwood.channel.cli", "channel", None, "Keys, signing and publishing; subscribing and pulling."),
    "checks": Mount("sapwood.site.checks.cli", "checks", "site", "Packs of checks: suites that look at a site."),
    "fork": Mount("sapwood.history.cli", "fork", None, "What a fork carries, and what becomes of it in a release."),
    "identity": Mount("sapwood.site.identity.cli", "identity", "site", "Who this site is: its id and its key."),
    "inbox": Mount("sapwood.site.inbox.cli", "inbox", "site", "What arrived, and the gate in front of your people."),
    "people": Mount("sapwood.site.inbox.cli", "people", "site", "Who asked to be told: add, import, export, erase."),
    "migrate": Mount("sapwood.config.serve", "migrate", None, "Bring the database up to this version."),
    "release": Mount("sapwood.commons.releases.cli", "release", "commons", "What is published with a release."),
    "serve": Mount("sapwood.config.serve", "serve", None, "Serve one role's pages."),
    "site": Mount("sapwood.site.facts.cli", "site", "site", "What this site is, and what it is exposed to."),
    "migrations": Mount("sapwood.site.upgrades.cli", "migrations", "site", "What an upgrade's migrations mean."),
    "upgrade": Mount("sapwood.site.upgrades.cli", "upgrade", "site", "Plan an upgrade, and rehearse it on a copy."),
    "up": Mount("sapwood.config.up", "up", "site", "Start a commons and a site here, with real data."),
    "worker": Mount("sapwood.core.cli", "worker", None, "Do what waits, and what is due, until stopped."),
}
# `channel` stands on both sides; these of its verbs are the commons', the others a site's.
COMMONS_VERBS = {"init", "keys", "stage", "sign", "publish", "retract", "renew", "rotate-root", "bundle", "verify"}


class Commands(click.Group):
    """Loads a module's commands only when one of them is called."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(MOUNTS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in MOUNTS:
            return None
        mount = MOUNTS[cmd_name]
        # `up` starts both roles: what is kept for one of them must not leak into the other.
        setup_django(with_kept_settings=cmd_name != "up")
        command: click.Command = getattr(import_module(mount.module), mount.attribute)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, MOUNTS[name].summary) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="sapwood")
def sapwood() -> None:
    """Sapwood joins an open source project and the people who run sites of it."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; every error is one line with a code and a hint, and an exit code that means something."""
    args = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in args
    try:
        if args == ["--version", "--json"]:
            click.echo(json.dumps({"version": __version__}))
            return
        choose_role(args)
        code = sapwood.main(args=args, prog_name="sapwood", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else Exit.GOOD)
    except SapwoodError as error:
        _fail(error.code, error.message, error.hint, error.exit_code, as_json=as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        place = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "sapwood"
        _fail("core.usage", error.format_message(), f"See '{place} --help'.", Exit.USAGE, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        _fail("core.interrupted", "Interrupted", "Run the command again to go on.", 130, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.ERROR)
    except Exception as error:  # the last door: nobody reads a traceback at 2 a.m.
        if os.environ.get("SAPWOOD_TRACEBACK"):
            raise
        _fail(*_explain(error), Exit.ERROR, as_json=as_json)


def choose_role(args: Sequence[str]) -> None:
    """Set SAPWOOD_ROLE from the command where it is not set; a contradiction is a usage error."""
    words = [word for word in args if not word.startswith("-")]
    role = MOUNTS[words[0]].role if words and words[0] in MOUNTS else None
    if words[:1] == ["channel"] and len(words) > 1 and not (words[1] == "status" and "SAPWOOD_ROLE" in os.environ):
        commons_alone = words[1] == "status" and (var_dir() / "commons").exists() and not (var_dir() / "site").exists()
        role = "commons" if words[1] in COMMONS_VERBS or commons_alone else "site"
    given = os.environ.get("SAPWOOD_ROLE")
    if role and given and role != given and words[0] != "up":
        raise UsageError(
            f"'sapwood {words[0]}' belongs to the {role}, but SAPWOOD_ROLE is {given}",
            hint=f"Unset SAPWOOD_ROLE or set it to {role}.",
        )
    if role and not given:
        os.environ["SAPWOOD_ROLE"] = role


def setup_django(*, with_kept_settings: bool = True) -> None:
    """Load the kept settings, the settings and the apps of the role, once."""
    for name, value in kept_settings().items() if with_kept_settings else ():
        os.environ.setdefault(name, value)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sapwood.config.settings")
    import django  # noqa: PLC0415 - the role must be chosen before settings are read
    from django.apps import apps  # noqa: PLC0415 - as above
    from django.utils import translation  # noqa: PLC0415 - as above

    if apps.ready:
        django.setup()
    else:
        # Nothing of what is loaded now is ever garbage: to look for some takes a fifth of a short command's time.
        gc.disable()
        django.setup()
        gc.freeze()
        gc.enable()
    # Commands speak English, whatever language the site's pages speak: scripts read them, and people search for them.
    translation.activate("en")


def kept_settings() -> dict[str, str]:
    """What stands in var/<role>/settings.env, so that a command typed later sees what `sapwood up` set."""
    path = role_dir() / "settings.env"
    if not path.exists():
        return {}
    lines = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, given, value in lines if given}


def _explain(error: Exception) -> tuple[str, str, str]:
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - as above
    from django.db import DatabaseError  # noqa: PLC0415

    from sapwood.core.disk import as_disk_error  # noqa: PLC0415 - as above

    if (disk := as_disk_error(error)) is not None:
        return disk.code, disk.message, disk.hint
    if isinstance(error, DatabaseError):
        return (
            "core.database",
            f"The database refuses: {error}",
            "Run 'sapwood up', or 'sapwood migrate' after an upgrade.",
        )
    if isinstance(error, ImproperlyConfigured):
        return "core.setting", " ".join(str(error).split()), "Correct the setting, or install what it needs."
    if isinstance(error, OSError):
        return (
            "core.os",
            f"{error.strerror or error}: {error.filename or ''}".rstrip(": "),
            "Check the path and permissions.",
        )
    return "core.unexpected", f"{type(error).__name__}: {error}", "Run again with SAPWOOD_TRACEBACK=1 and report it."


def _fail(code: str, message: str, hint: str, exit_code: int, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False))
    line = " ".join(message.split())
    line = f"sapwood: error [{code}] {line}{'' if line.endswith('.') else '.'} {hint}".rstrip()
    click.echo(harmless(line), err=True)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
