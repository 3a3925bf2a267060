"""The `sapwood` command as somebody types it first: in a process of its own, with no role chosen and no database."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from sapwood.config.cli import MOUNTS

pytestmark = pytest.mark.slow


@pytest.fixture
def sapwood(tmp_path):
    """Runs one command; what the tests themselves have set does not reach it."""
    set_by_tests = ("SAPWOOD_", "DJANGO_", "DATABASE_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(set_by_tests)}

    def run(*arguments, **more):
        command = [sys.executable, "-m", "sapwood.config.cli", *arguments]
        environment = {**own, "SAPWOOD_VAR": str(tmp_path / "var"), **more}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)

    return run


@pytest.mark.parametrize("given", [{}, {"SAPWOOD_ROLE": "site"}, {"SAPWOOD_ROLE": "commons"}])
def test_help_lists_every_command_whatever_the_role(sapwood, given):
    answer = sapwood("--help", **given)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert all(f"\n  {name} " in answer.stdout for name in MOUNTS)


def test_no_command_shows_the_same_help_and_is_a_usage_error(sapwood):
    answer = sapwood()
    assert answer.returncode == 2
    assert "Commands:" in answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["announce", "channel", "inbox"])
def test_a_command_explains_itself_without_a_role_or_a_database(sapwood, name):
    answer = sapwood(name, "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"Usage: sapwood {name}")


def test_a_wrong_command_is_one_line(sapwood):
    answer = sapwood("upgrade-everything")
    assert answer.returncode == 2
    assert answer.stderr == "sapwood: error [core.usage] No such command 'upgrade-everything'. See 'sapwood --help'.\n"


def test_a_site_without_a_database_is_judged_by_the_catalogue_that_came_with_sapwood(sapwood, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    config = {"OPENEDX_COMMON_VERSION": "release/teak.3", "DOCKER_IMAGE_OPENEDX": "docker.io/overhangio/openedx:20.0.3"}
    (root / "config.yml").write_text(yaml.safe_dump(config))
    answer = sapwood("site", "exposure", "--tutor-root", str(root), "--as-of", "2026-11-22", "--json")
    assert answer.returncode == 3, answer.stderr
    found = json.loads(answer.stdout)
    assert (found["release"], found["supported_until"]) == ("teak.3", "2026-01-15")


@pytest.mark.parametrize(
    ("url", "code"), [("nonsense", "core.setting"), ("postgresql://u:hidden@127.0.0.1:1/x?sslmode", "core.")]
)
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(sapwood, url, code):
    answer = sapwood("audit", "verify", SAPWOOD_ROLE="site", DATABASE_URL=url)
    assert answer.returncode in {1, 2}
    assert answer.stderr.startswith(f"sapwood: error [{code}")
    assert answer.stderr.count("\n") == 1
    assert "hidden" not in answer.stderr


def test_a_port_that_does_not_exist_is_a_usage_error(sapwood):
    answer = sapwood("serve", "--port", "99999", SAPWOOD_ROLE="site")
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
def test_status_of_the_channel_is_the_commons_own_where_there_is_no_site(sapwood, tmp_path):
    (tmp_path / "var" / "commons").mkdir(parents=True)
    assert sapwood("channel", "init").returncode == 0
    assert "timestamp: expires" in sapwood("channel", "status").stdout
