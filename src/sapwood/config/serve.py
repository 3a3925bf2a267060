"""`sapwood serve`: the web pages of a role. `sapwood migrate`: its tables and static files."""

import io
from typing import Any

import click
from django.core.management import call_command
from waitress import serve as waitress_serve

from sapwood.config.locales import compile_locales
from sapwood.core.commands import emit, json_option
from sapwood.core.settings import TRUST_PROXY


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8001, show_default=True, help="The port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--threads", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests served at once.")
def serve(*, port: int, host: str, threads: int) -> None:
    """Serve this role's pages; put a TLS proxy in front before others reach it."""
    from sapwood.config.wsgi import application  # noqa: PLC0415 - settings are chosen by now

    waitress_serve(application, host=host, port=port, threads=threads, **server_options(trust_proxy=TRUST_PROXY.get()))


def server_options(*, trust_proxy: bool) -> dict[str, Any]:
    """How the server listens: a forwarded header counts only when a trusted proxy sets it, and is removed otherwise."""
    options: dict[str, Any] = {
        "ident": "",
        "max_request_body_size": 10_000_000,
        "clear_untrusted_proxy_headers": True,
    }
    if trust_proxy:
        options |= {
            "trusted_proxy": "*",
            "trusted_proxy_count": 1,
            "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
        }
    return options


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database and the static files of this role up to date; safe to repeat."""
    compile_locales()
    quiet = io.StringIO()
    call_command("migrate", interactive=False, stdout=quiet)
    call_command("collectstatic", interactive=False, stdout=quiet)
    changed = [line.strip() for line in quiet.getvalue().splitlines() if line.strip().startswith("Applying")]
    emit({"applied": changed}, [f"{len(changed)} migrations applied"], as_json=as_json)
