"""Plans of Tutor sites by real Tutors of three releases, each in an environment of its own; no container engine."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.site.facts.tests import real_tutor
from sapwood.site.facts.tests.tutor_roots import config, dockerfile, services
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.tests import tutor_sites
from sapwood.site.upgrades.tests.test_tutor_rehearsal import ADDS, PRICE
from sapwood.site.upgrades.tests.tutor_running import Engine

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PLUGIN = """
from tutor import hooks
__version__ = "1.2.0"
hooks.Filters.ENV_PATCHES.add_items([("openedx-common-settings", "TOKEN = 'c4n4ry-in-a-patch'")])
hooks.Filters.CONFIG_DEFAULTS.add_item(("OWN_PASSWORD", "c4n4ry-in-a-default"))
hooks.Filters.CLI_DO_INIT_TASKS.add_item(("lms", "./manage.py lms own_command --token=c4n4ry-in-a-task"))
"""
SUBJECT = """
name = "riverside"
driver = "tutor"
root = "root"
plugins_root = "plugins"
via = {via}
[current]
tutor = "{current}"
[target]
tutor = "{target}"
"""


@pytest.fixture(scope="module")
def tutors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutors")
    return {
        20: real_tutor.install(folder / "20", "tutor==20.0.3", "tutor-mfe==20.1.1", "tutor-indigo==20.0.1"),
        21: real_tutor.install(folder / "21", "tutor==21.0.9", "tutor-mfe==21.0.2", "tutor-indigo==21.2.1"),
        22: real_tutor.install(folder / "22", "tutor==22.0.3", "tutor-mfe==22.1.0", "tutor-indigo==22.0.0"),
    }


@pytest.fixture(scope="module")
def rendered(tutors, tmp_path_factory):
    """A root as Tutor 20 renders it, with a plugin of the site's own."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "own.py").write_text(PLUGIN)
    for words in (["config", "save", "--set", "LMS_HOST=learn.riverside.example"], ["plugins", "enable", "own"]):
        call(tutors[20], folder, *words)
    call(tutors[20], folder, "config", "save")
    return folder


def call(python, folder, *words, **more):
    more["TUTOR_PLUGINS_ROOT"] = str(folder / "plugins")
    done = real_tutor.run(python.with_name("tutor"), "--root", folder / "root", *words, **more)
    assert done.returncode == 0, done.stderr


class Site:
    """A copy of the rendered root with a subject file."""

    def __init__(self, folder: Path, tutors: dict[int, Path]) -> None:
        self.folder, self.tutors, self.subject = folder, tutors, folder / "site.toml"
        self.describe()

    def describe(self, *, via=(), current=20, target=22):
        names = json.dumps([str(self.tutors[one].with_name("tutor")) for one in via])
        text = SUBJECT.format(via=names, current=self.tutors[current].with_name("tutor"), target=self.tutors[target])
        self.subject.write_text(text)

    def tutor(self, version, *words):
        call(self.tutors[version], self.folder, *words)

    def ask(self, *words, catalogue=True):
        shipped = ["--catalogue", str(SHIPPED)] if catalogue else []
        return CliRunner().invoke(upgrade, [*words[:1], str(self.subject), *shipped, *words[1:]])

    def plan(self, *words):
        result = self.ask("plan", "--json", *words)
        assert result.exit_code in {0, 3, 4}, result.output
        return json.loads(result.stdout), result.exit_code


@pytest.fixture
def site(rendered, tutors, tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    return Site(Path(shutil.copytree(rendered, tmp_path / "site")), tutors)


def looks(plan):
    return {row["name"]: row for row in plan["preflight"]["checks"]}


def argvs(plan, name):
    return [step["argv"] for step in plan["steps"] if step["id"].partition(".")[2] == name]


def test_two_hops_each_by_the_tutor_that_makes_it(site):
    site.describe(via=[21])
    plan, code = site.plan()
    assert (plan["from"], plan["to"], code) == ("teak.3", "verawood.1", 3)
    assert [(hop["from"], hop["to"]) for hop in plan["path"]] == [("teak", "ulmo"), ("ulmo", "verawood")]
    ulmo, verawood = argvs(plan, "upgrade")
    assert ulmo[-5:] == ["--root", str(site.folder / "root"), "local", "upgrade", "--from=teak"]
    assert ulmo[2] == str(site.tutors[21].with_name("tutor"))
    assert verawood[2:3] + verawood[-1:] == [str(site.tutors[22].with_name("tutor")), "--from=ulmo"]
    assert [argv[2] for argv in argvs(plan, "stop")] == [str(site.tutors[one].with_name("tutor")) for one in (20, 21)]
    assert looks(plan)["tutor.path"]["verdict"] == "pass"
    order = [step["id"] for step in plan["steps"] if step["automated"]]
    hops = [f"{n}.{name}" for n in (1, 2) for name in ("stop", "upgrade", "render", "pull", "start", "init")]
    assert order == [*hops, "2.open"]
    assert all(step["unverified"] for step in plan["steps"] if step["automated"])


def test_a_step_for_the_old_release_stands_before_it_is_left(site):
    site.describe(via=[21])
    plan, _code = site.plan()
    ids = [step["id"] for step in plan["steps"]]
    places = {step["id"]: step["on"] for step in plan["steps"]}
    assert places["1.ulmo-verify-student-storage"] == "teak.3"
    assert places["2.verawood-case-duplicate-courses"] == "ulmo.4"
    assert ids.index("1.init") < ids.index("2.verawood-case-duplicate-courses") < ids.index("2.stop")


def test_skipped_releases_are_never_a_go(site):
    plan, _code = site.plan()
    look = looks(plan)["tutor.path"]
    assert look["verdict"] == "unknown"
    assert "ulmo" in look["detail"]
    assert [argv[-1] for argv in argvs(plan, "upgrade")] == ["--from=teak"]


def test_the_target_is_what_its_tutor_installs(site):
    plan, code = site.plan("--to", "ulmo")
    assert (looks(plan)["tutor.target"]["verdict"], code) == ("fail", 3)
    site.describe(target=21)
    plan, code = site.plan("--to", "ulmo")
    assert (looks(plan)["tutor.target"]["verdict"], code, plan["to"]) == ("pass", 4, "ulmo")
    wrong = site.ask("plan", "--to", "birch-tree")
    assert wrong.exit_code == 1
    assert "birch-tree" in str(wrong.exception)


def test_the_configuration_is_a_diff_of_both_tutors(site):
    plan, _code = site.plan()
    changed = {row["name"]: row for row in plan["configuration"]["changed"]}
    removed = {row["name"] for row in plan["configuration"]["removed"]}
    added = {row["name"] for row in plan["configuration"]["added"]}
    assert (changed["OPENEDX_COMMON_VERSION"]["before"], changed["OPENEDX_COMMON_VERSION"]["after"]) == (
        "release/teak.3",
        "release/verawood.1",
    )
    assert changed["LMS_HOST"]["set_in_config"] is True
    assert "before" not in changed["LMS_HOST"]
    assert "PREVIEW_LMS_HOST" in removed
    assert "PARAGON_THEME_URLS" in added
    assert not {"OPENEDX_SECRET_KEY", "OWN_PASSWORD"} & {*changed, *removed, *added}


def test_no_secret_and_no_host_comes_out(site):
    site.describe(via=[21])
    settings = yaml.safe_load((site.folder / "root" / "config.yml").read_text())
    words = ("PASSWORD", "SECRET", "KEY", "TOKEN", "ID")
    secrets = [str(value) for key, value in settings.items() if any(word in key for word in words)]
    lines = [line for secret in secrets for line in secret.splitlines() if len(line) > 5]
    assert len(lines) > 20
    said = "".join(site.ask(*words).output for words in (["plan"], ["plan", "--json"], ["preflight", "--json"]))
    assert "verawood" in said
    assert not [line for line in lines if line in said]
    assert "c4n4ry" not in said
    assert "learn.riverside" not in said
    left = [path for path in (site.folder.parent / "var").rglob("*") if path.is_file() and path.name != ".lock"]
    assert not [path for path in left if "c4n4ry" in path.read_text(errors="replace")]


def test_an_environment_that_was_rendered_too_early_is_seen(site):
    site.tutor(22, "config", "save")
    plan, code = site.plan()
    look = looks(plan)["tutor.environment"]
    assert (look["verdict"], code, plan["from"]) == ("fail", 3, "teak.3")
    assert "22.0.3" in look["detail"]
    assert [argv[-1] for argv in argvs(plan, "upgrade")] == ["--from=teak"]


def test_an_image_that_would_stay_the_old_one_is_seen(site):
    site.tutor(20, "config", "save", "--set", "DOCKER_IMAGE_OPENEDX=registry.example/campus/openedx:ours")
    plan, _code = site.plan()
    look = looks(plan)["images.rebuilt"]
    assert look["verdict"] == "fail"
    assert "registry.example/campus/openedx:ours" in look["detail"]
    assert argvs(plan, "images")[0][-3:] == ["images", "build", "openedx"]
    path = site.folder / "root" / "config.yml"
    path.write_text(path.read_text().replace("openedx:ours", "openedx:{{ TUTOR_VERSION }}"))
    plan, _code = site.plan()
    assert looks(plan)["images.rebuilt"]["verdict"] == "pass"


def test_a_plugin_without_a_release_for_the_target_is_named(site, tmp_path):
    site.tutors = site.tutors | {
        23: real_tutor.install(
            tmp_path / "other", "tutor==22.0.3", "tutor-mfe==22.1.0", alone=("tutor-indigo==20.0.1",)
        )
    }
    site.describe(target=23)
    plan, code = site.plan()
    assert code == 3
    assert looks(plan)["plugins.pins"]["verdict"] == "fail"
    assert "indigo 20.0.1 requires" in looks(plan)["plugins.pins"]["detail"]
    assert {row["name"]: row["current"] for row in plan["plugins"]} == {
        "indigo": "20.0.1", "mfe": "20.1.1", "own": None,
    }  # fmt: skip


def test_a_plugin_that_the_target_has_not_is_named(site):
    text = site.subject.read_text()
    site.subject.write_text(text.replace('plugins_root = "plugins"\n', ""))
    plan, code = site.plan()
    assert (looks(plan)["plugins.in_target"]["verdict"], code) == ("fail", 3)
    assert "own" in looks(plan)["plugins.in_target"]["detail"]


def test_a_patch_without_a_place_in_the_target_is_named(site):
    plan, _code = site.plan()
    assert looks(plan)["patches.place"]["verdict"] == "pass"
    own = PLUGIN.replace("openedx-common-settings", "kustomization-patches-strategic-merge")
    (site.folder / "plugins" / "own.py").write_text(own)
    plan, code = site.plan()
    assert (looks(plan)["patches.place"]["verdict"], code) == ("fail", 3)
    assert "kustomization-patches-strategic-merge" in looks(plan)["patches.place"]["detail"]


def test_what_tutor_does_to_mongodb_cannot_be_undone(site, tmp_path):
    """A site of long ago: its Tutor is pretended, what is to come is asked of a real one."""
    old = tutor_sites.answer("17.0.6", "quince", "quince.3")
    parts = {
        "env/version": "17.0.6",
        "env/build/openedx/Dockerfile": dockerfile("open-release/quince.3"),
        "config.yml": config(),
        "env/local/docker-compose.yml": services("17.0.6", mongodb={
            "image": "docker.io/mongo:4.4.25", "volumes": ["../../data/mongodb:/data/db"],
        }),
    }  # fmt: skip
    subject = tutor_sites.pretended(tmp_path / "long-ago", old=old, **parts)
    subject.write_text(subject.read_text().replace("new/bin/tutor", str(site.tutors[22])))
    site.subject = subject
    plan, _code = site.plan()
    assert plan["from"] == "quince.3"
    undone = [row["what"] for row in plan["irreversible"] if row["store"] == "mongodb"]
    assert [level for level in ("5.0", "6.0", "7.0") if any(f"raised to {level}" in what for what in undone)] == [
        "5.0", "6.0", "7.0",
    ]  # fmt: skip
    assert any(row["store"] == "lms" and "moved" in row["what"] for row in plan["irreversible"]) is False
    assert "ulmo" in looks(plan)["tutor.path"]["detail"]


def test_files_that_are_moved_are_said(site):
    plan, _code = site.plan()
    moved = {row["store"] for row in plan["irreversible"] if "moved" in row["what"]}
    assert {"lms", "cms", "openedx-media"} <= moved
    assert all(row["way_back"] for row in plan["irreversible"])
    (init,) = [step["detail"]["tasks"] for step in plan["steps"] if step["id"].endswith(".init")]
    assert "lms migrate" in init[3]["manage"]
    assert any("lms own_command" in task.get("manage", ()) for task in init)


def test_nothing_of_the_root_is_changed(site):
    def everything():
        files = [path for path in sorted(site.folder.rglob("*")) if path.is_file()]
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = everything()
    site.plan()
    assert everything() == before


def test_a_look_is_waived_with_a_reason(site):
    plan, _code = site.plan("--waive", "tutor.path=tried on a copy in May")
    assert looks(plan)["tutor.path"] == looks(plan)["tutor.path"] | {
        "verdict": "waived",
        "reason": "tried on a copy in May",
    }


def test_a_rehearsal_is_refused_in_one_line(site, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = CliRunner().invoke(upgrade, ["rehearse", str(site.subject), "--report", str(tmp_path / "report")])
    assert refused.exception.exit_code == 4
    assert str(refused.exception) == "This needs a container engine, and docker is not installed"
    assert not (tmp_path / "report").exists()


@pytest.fixture
def engine(campus, tmp_path, monkeypatch):
    """The pretended engine, which real Tutors call."""
    campus.migration("new", "0002_adds", ADDS)
    campus.models("new", **PRICE)
    made = Engine(tmp_path / "engine", campus)
    monkeypatch.setenv("PATH", f"{made.folder / 'bin'}:{os.environ['PATH']}")
    return made


def test_what_real_tutors_give_to_the_engine_rehearses_and_upgrades(site, engine, campus):
    """The calls are Tutor 20's and 21's own; the engine that takes them is pretended."""
    site.describe(target=21)
    root = site.folder / "root"
    database = root / "data" / "mysql" / "site.sqlite3"
    database.parent.mkdir(parents=True)
    shutil.copyfile(campus.database, database)
    call(site.tutors[20], site.folder, "local", "start", "--detach", PATH=os.environ["PATH"])
    secrets = [value for name, value in config_of(root).items() if "PASSWORD" in name or "SECRET" in name]
    engine.forget()
    report = site.folder / "report"
    found = json.loads(site.ask("rehearse", "--report", str(report), "--json", catalogue=False).stdout)
    assert (found["verdict"], found["failures"]) == ("unknown", [])
    assert [(row["name"], row["outcome"]) for row in found["migrations"]] == [("0002_adds", "done")]
    projects = {one[one.index("--project-name") + 1] for one in engine.calls if "--project-name" in one}
    # The second is what Tutor would stop when it starts another platform: production's own has another name.
    assert {name.partition("-dev")[0] for name in projects} == {min(projects)}
    assert min(projects).startswith("sapwood-shadow-")
    assert not any("sapwood" in one for one in engine.containers(running=False))
    files = {path.name for path in (site.folder.parent / "var").rglob("*.log")}
    assert "rehearsal-of-containers.log" in files
    (log,) = (site.folder.parent / "var").rglob("rehearsal-of-containers.log")
    words = log.read_text()
    assert "manage.py lms migrate" in words
    assert not [secret for secret in secrets if secret in words]
    assert config_of(root)["MYSQL_ROOT_PASSWORD"] in secrets


def config_of(root):
    return yaml.safe_load((root / "config.yml").read_text())
