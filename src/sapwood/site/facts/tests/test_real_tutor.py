"""The same with a real Tutor, in an environment of its own: what it renders is what we read."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.site.facts.cli import site
from sapwood.site.facts.tests import real_tutor
from sapwood.site.facts.tutor import inspect_root

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PACKAGES = ["tutor==20.0.3", "tutor-mfe==20.1.1", "tutor-indigo==20.0.1"]
SECRETS = ("PASSWORD", "SECRET", "KEY", "TOKEN", "ID")


@pytest.fixture(scope="module")
def tutor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutor")
    python = real_tutor.install(folder / "venv", *PACKAGES)
    call = [python.with_name("tutor"), "--root", folder / "root"]

    def run(*words):
        return real_tutor.run(*call, *words, TUTOR_PLUGINS_ROOT=str(folder / "plugins"))

    saved = run("config", "save", "--set", "LMS_HOST=learn.riverside.example")
    assert saved.returncode == 0, saved.stderr
    return folder, python, run


def look(tutor):
    folder, python, _run = tutor
    return inspect_root(folder / "root", plugins_root=folder / "plugins", python=python)


def test_a_rendered_root_tells_its_release_and_parts(tutor):
    facts = look(tutor).to_dict()
    assert (facts["tutor_version"], facts["declared_release"], facts["inferred_release"]) == (
        "20.0.3",
        "teak.3",
        "teak.3",
    )
    assert facts["plugins"] == [{"name": "mfe", "version": "20.1.1"}, {"name": "indigo", "version": "20.0.1"}]
    assert facts["database"] == {"engine": "mysql", "version": "8.4.0", "host_kind": "bundled"}
    assert facts["components"]["search"] == {"engine": "meilisearch", "version": "1.8.4", "host_kind": "bundled"}
    assert facts["branches"]["frontend-app-authn"]["ref"] == "release/teak.3"
    assert facts["languages"] == ["en"]
    assert facts["mismatches"] == []


def test_no_generated_secret_and_no_host_comes_out(tutor):
    import yaml

    folder, python, _run = tutor
    config = yaml.safe_load((folder / "root" / "config.yml").read_text())
    secrets = [str(value) for key, value in config.items() if any(word in key for word in SECRETS)]
    lines = [line for secret in secrets for line in secret.splitlines() if len(line) > 5]
    assert len(lines) > 20
    args = ["inspect", "--tutor-root", str(folder / "root"), "--tutor-python", str(python)]
    said = CliRunner().invoke(site, [*args, "--json"]).output + CliRunner().invoke(site, args).output
    assert not [line for line in lines if line in said]
    assert "riverside" not in said


def test_the_exposure_of_a_rendered_root(tutor):
    folder, _python, _run = tutor
    args = ["exposure", "--tutor-root", str(folder / "root"), "--catalogue", str(SHIPPED), "--as-of", "2026-11-22"]
    result = CliRunner().invoke(site, [*args, "--json"])
    data = json.loads(result.output)
    assert result.exit_code == 3
    assert (data["release"], data["supported"], data["supported_until"]) == ("teak.3", False, "2026-01-15")
    assert [hop["to"] for hop in data["path"]] == ["ulmo", "verawood"]
    assert dt.date.fromisoformat(data["as_of"]) == dt.date(2026, 11, 22)


def test_settings_that_an_operator_changes_are_seen(tutor):
    _folder, _python, run = tutor
    fork = "https://bob:c4n4ry@git.campus.example/open/edx-platform.git"
    changed = [
        "--set",
        "RUN_MYSQL=false",
        "--set",
        "MYSQL_HOST=db.internal",
        "--set",
        f"EDX_PLATFORM_REPOSITORY={fork}",
    ]
    assert run("config", "save", *changed).returncode == 0
    try:
        facts = look(tutor)
    finally:
        run("config", "save", "--unset", "RUN_MYSQL", "--unset", "MYSQL_HOST", "--unset", "EDX_PLATFORM_REPOSITORY")
    assert facts.database["host_kind"] == "external"
    assert facts.build
    assert (facts.build["kind"], facts.build["repository"]) == ("fork", "git.campus.example/open/edx-platform")
    said = json.dumps(facts.to_dict())
    assert "c4n4ry" not in said
    assert "db.internal" not in said


def test_a_configuration_that_was_not_rendered_is_a_mismatch(tutor):
    folder, _python, _run = tutor
    config = folder / "root" / "config.yml"
    text = config.read_text()
    config.write_text(text + "OPENEDX_COMMON_VERSION: release/ulmo.1\n")
    try:
        facts = look(tutor)
    finally:
        config.write_text(text)
    assert (facts.declared_release, facts.inferred_release) == ("ulmo.1", "teak.3")
    assert "declared_not_built" in [item["code"] for item in facts.mismatches]
