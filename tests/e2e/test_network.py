"""From subscription to page where the network is not the usual one: behind an egress proxy, and without IPv4."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parent.parent.parent


def run(way, tmp_path, *more, apart=()):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAPWOOD_", "DJANGO_"))}
    settings = {"SAPWOOD_ROLE": "site", "SAPWOOD_VAR": str(tmp_path / "var"), "DATABASE_URL": ""}
    paths = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    done = subprocess.run(
        [*apart, sys.executable, "-m", "tests.network.site", way, *more],
        env={**kept, **settings, **paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_site_behind_an_egress_proxy_reads_its_channel_and_its_blog_and_calls_its_webhook(tmp_path):
    run("proxy", tmp_path)


def test_a_site_that_has_only_ipv6_reads_its_channel_and_shows_its_page(tmp_path):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    run("ipv6", tmp_path)


def test_the_same_where_there_is_no_ipv4_at_all(tmp_path):
    for apart in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*apart, "true"], check=False, capture_output=True).returncode
        ):
            run("ipv6", tmp_path, "alone", apart=apart)
            return
    pytest.skip("no network with an IPv6 loopback alone can be made here")
