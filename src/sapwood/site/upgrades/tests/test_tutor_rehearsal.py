"""Rehearsals of a Tutor site on a pretended engine: what would be run, where, and what is left. No container ran."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sapwood.core.errors import UsageError
from sapwood.site.upgrades import cli
from sapwood.site.upgrades.drivers import container, tutor_shadow
from sapwood.site.upgrades.drivers.tutor_place import PlaceError, closed, openings
from sapwood.site.upgrades.drivers.tutor_shadow import SHUT
from sapwood.site.upgrades.scratch import sweep
from sapwood.site.upgrades.tests.tutor_running import SECRET, TutorSite

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
ADDS = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
BREAKS = ADDS + "    operations += [migrations.RunSQL('ALTER TABLE nothing ADD x int')]\n"
PRICE = {"more": "    price = models.IntegerField(null=True)\n"}


@pytest.fixture
def site(campus, tmp_path, monkeypatch):
    made = TutorSite(tmp_path / "site", campus)
    campus.migration("new", "0002_adds", ADDS)
    campus.models("new", **PRICE)
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("PATH", f"{made.engine.folder / 'bin'}:{os.environ['PATH']}")
    made.open()
    return made


def rehearse(site, tmp_path, code=4):
    return site.run("rehearse", "--report", tmp_path / "report", code=code)


def composed(calls, project):
    return [call for call in calls if call[0] == "compose" and project in call]


def test_the_edge_is_run_on_a_second_project_and_judged_unknown(site, tmp_path):
    before, running = site.data(), site.engine.containers()
    found = rehearse(site, tmp_path)
    assert site.data() == before
    assert site.engine.containers(running=False) >= running
    assert site.engine.containers() == running
    assert found["verdict"] == "unknown"
    assert found["reasons"][0].startswith("No step of this plan was ever run by Sapwood on a real Tutor site")
    assert [(row["app"], row["name"], row["outcome"]) for row in found["migrations"]] == [("shop", "0002_adds", "done")]
    assert found["migrations"][0]["seconds"] > 0
    passed = {row["id"] for row in found["checks"] if row["verdict"] == "pass" and row["model"] == "shop.Product"}
    assert {"models.read", "models.lookup", "models.save"} <= passed
    assert (found["failures"], found["shadow_technique"], found["isolation"]) == ([], "logical", "containers")
    assert found["certificate"] is None
    assert all(found["seconds"][name] > 0 for name in ("copy", "backup", "migrate", "check", "restore"))
    assert found["predicted_downtime_s"]["low"] < found["predicted_downtime_s"]["high"]
    assert not list((tmp_path / "var").rglob("shadow-*"))
    assert SECRET not in json.dumps(found)
    assert "rehearsal.html" in {path.name for path in (tmp_path / "report").iterdir()}
    _production_was_only_read(site)


def _production_was_only_read(site):
    calls = composed(site.engine.calls, "tutor_local")
    assert calls == []
    asked = {tuple(call[3:]) for call in site.engine.calls if call[0] == "exec" and call[2].startswith("tutor_local")}
    assert {words[0] for words in asked} == {"sh", "mongodump"}
    assert all("mysqldump" in words[2] or "SHOW DATABASES" in words[2] for words in asked if words[0] == "sh")
    shadow = {call[call.index("--project-name") + 1] for call in site.engine.calls if "--project-name" in call}
    assert len(shadow) == 1
    services = {word for call in composed(site.engine.calls, *shadow) for word in call if "up" in call}
    assert {"lms", "cms", "mysql", "mongodb"} <= services
    assert not {"caddy", "lms-worker"} & services


def test_the_old_release_s_tutor_makes_the_copy_and_the_new_one_s_upgrades_it(site, tmp_path):
    rehearse(site, tmp_path)
    said = [" ".join(call) for call in site.engine.calls]
    order = ["mysqldump", "exec mysql --user", "--no-deps -v", " -d mongodb", "./manage.py lms migrate"]
    ends = {" -d mongodb"}  # what Tutor's own steps start, alone
    places = [
        next(n for n, line in enumerate(said) if line.endswith(word) or (word in line and word not in ends))
        for word in order
    ]
    assert places == sorted(places)


def test_a_migration_that_fails_is_a_no_go_and_nothing_is_left(site, tmp_path):
    site.campus.migration("new", "0002_adds", BREAKS)
    found = rehearse(site, tmp_path, code=3)
    assert found["verdict"] == "no-go"
    assert (found["failures"][0]["app"], found["failures"][0]["name"]) == ("shop", "0002_adds")
    assert not any("sapwood" in one for one in site.engine.containers(running=False))


def test_a_green_upgrade_of_a_broken_site_is_a_no_go(site, tmp_path):
    site.campus.models(
        "new", more="    price = models.IntegerField(null=True)\n    lost = models.IntegerField(null=True)\n"
    )
    found = rehearse(site, tmp_path, code=3)
    assert not found["failures"]
    assert any("Product" in reason for reason in found["reasons"])


def test_what_tutor_itself_cannot_do_is_a_finding(site, tmp_path):
    site.engine.when("sapwood-", "sh -e -c", code=9, words=f"it said {SECRET} and no more")
    with pytest.raises(container.CommandFailedError, match="tutor ended with code 9") as failed:
        rehearse(site, tmp_path)
    assert SECRET not in str(failed.value) + failed.value.hint
    assert not any("sapwood" in one for one in site.engine.containers(running=False))
    assert not list((tmp_path / "var").rglob("shadow-*"))


def test_a_copy_that_could_reach_out_is_never_started(site, tmp_path):
    own = {"services": {"lms": {"network_mode": "host", "volumes": ["/srv/shared:/shared"]}}}
    (site.root / "env/local/docker-compose.override.yml").write_text(yaml.safe_dump(own))
    with pytest.raises(tutor_shadow.EscapeError, match="network_mode"):
        rehearse(site, tmp_path)
    assert not [call for call in site.engine.calls if "up" in call]


def test_a_network_that_leads_out_after_all_ends_the_rehearsal(site, tmp_path):
    site.engine.when("sapwood-", "python -c", code=3)
    with pytest.raises(tutor_shadow.EscapeError, match="no way out"):
        rehearse(site, tmp_path)
    assert not any("sapwood" in one for one in site.engine.containers(running=False))


def test_a_stopped_site_s_files_are_copied_instead(site, tmp_path):
    site.tutor("old", "local", "stop")
    found = rehearse(site, tmp_path)
    assert found["shadow_technique"] == "physical"
    assert "MYSQL_ROOT_PASSWORD" in found["isolation_detail"]["secrets"]["kept"]
    assert not [call for call in site.engine.calls if "mysqldump" in " ".join(call)]


def test_files_of_databases_that_run_are_not_copied(site, tmp_path):
    site.subject.write_text(site.subject.read_text() + '[shadow]\ntechnique = "physical"\n')
    with pytest.raises(PlaceError, match="that run cannot be copied"):
        rehearse(site, tmp_path)


def test_who_asks_for_a_masked_copy_gets_none_at_all(site, tmp_path):
    with pytest.raises(UsageError, match="cannot be masked yet"):
        site.run("rehearse", "--report", tmp_path / "report", "--mask", code=2)
    assert not [call for call in site.engine.calls if "up" in call or call[0] == "exec"]


def test_a_killed_rehearsal_is_swept(site, tmp_path):
    marker = tmp_path / "hanging"
    site.engine.when("job", "manage.py lms migrate", hang=True, touch=str(marker))
    process = subprocess.Popen(
        [sys.executable, "-c", "from sapwood.config.cli import main; main()", "upgrade", "rehearse", str(site.subject),
         "--report", str(tmp_path / "report")],
        env=os.environ | {"SAPWOOD_ROLE": "site"},
    )  # fmt: skip
    while not marker.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert any("sapwood" in one for one in site.engine.containers())
    assert sweep(tmp_path / "var" / "site" / "upgrades") == 1
    assert not any("sapwood" in one for one in site.engine.containers(running=False))


def test_without_an_engine_it_is_one_line_and_what_to_do(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for words in (["rehearse", "--report", str(tmp_path / "report")], ["apply"]):
        refused = CliRunner().invoke(cli.upgrade, [words[0], str(site.subject), *words[1:]])
        assert (refused.exception.code, refused.exception.exit_code) == ("upgrades.no_engine", 4)
        assert str(refused.exception) == "This needs a container engine, and docker is not installed"
        assert "Run it on the machine" in refused.exception.hint
    assert not (tmp_path / "report").exists()


def test_the_shadow_s_configuration_has_other_names_ports_and_secrets(site, tmp_path, monkeypatch):
    kept = {}
    real = tutor_shadow.shadow_config

    def keep(*words, **given):
        kept["config"], kept["replaced"] = found = real(*words, **given)
        return found

    monkeypatch.setattr(tutor_shadow, "shadow_config", keep)
    rehearse(site, tmp_path)
    config, production = kept["config"], site.config
    assert not {"MYSQL_ROOT_PASSWORD", "OPENEDX_SECRET_KEY"} & set(config), "Tutor makes others"
    assert config["SMTP_PASSWORD"] == config["JWT_RSA_PRIVATE_KEY"] == "sapwood-rehearsal"
    assert config["LOCAL_PROJECT_NAME"].startswith("sapwood-shadow-")
    assert config["DEV_PROJECT_NAME"] != production.get("DEV_PROJECT_NAME")
    assert config["CADDY_HTTP_PORT"] != 80
    assert config["LMS_HOST"] == production["LMS_HOST"]
    assert "SMTP_PASSWORD" in kept["replaced"]["replaced"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"networks": {"default": {"name": "x"}}}, "network default leads out"),
        ({"networks": {"default": {"internal": "true"}}}, "network default leads out"),
        ({"networks": {"default": SHUT, "own": {"external": "true"}}}, "network own leads out"),
        ({"services": {"lms": {"privileged": "true"}}}, "lms has privileged"),
        ({"services": {"lms": {"container_name": "lms"}}}, "lms has container_name"),
        ({"services": {"lms": {"volumes": ["/srv/media:/media"]}}}, "lms may write to /srv/media"),
        ({"services": {"lms": {"volumes": [{"source": "/srv/media", "target": "/m"}]}}}, "lms may write to /srv/media"),
        ({"services": {"lms": {"volumes": ["/var/run/docker.sock:/x:ro"]}}}, "has the socket"),
        ({"volumes": {"shared": {"external": "true"}}}, "volume shared belongs to somebody else"),
    ],
)
def test_every_way_out_is_seen(tmp_path, part, words):
    shut = {"networks": {"default": SHUT}, "services": {"lms": {"volumes": [f"{tmp_path}/data:/x"]}}}
    assert openings(shut, tmp_path) == []
    assert words in "; ".join(openings(shut | part, tmp_path))


def test_what_publishes_a_port_or_works_by_itself_is_left_out():
    model = {"services": {"caddy": {"ports": ["80:80"]}, "lms": {}, "lms-worker": {}, "mysql": {}}}
    assert closed(model) == ["lms", "mysql"]


def test_the_page_of_such_a_report_stands(site, tmp_path):
    rehearse(site, tmp_path)
    page = Path(tmp_path / "report" / "rehearsal.html").read_text()
    assert "riverside" in page
