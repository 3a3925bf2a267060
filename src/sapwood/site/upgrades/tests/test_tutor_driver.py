"""The tutor driver on Tutors that are only pretended: what they say badly, and commands that go wrong."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.formats.tests.catalogue_cases import SHIPPED
from sapwood.site.facts.tests.tutor_roots import dockerfile
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.drivers.running import InsideError
from sapwood.site.upgrades.subject import SubjectError, read_subject
from sapwood.site.upgrades.tests.tutor_sites import NEW, OLD, pretended

pytestmark = [pytest.mark.slow, pytest.mark.django_db]  # each asks several Tutors, in processes of their own


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))

    def plan(subject, *words):
        result = CliRunner().invoke(upgrade, ["plan", str(subject), "--catalogue", str(SHIPPED), "--json", *words])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        data = json.loads(result.stdout)
        data["looks"] = {row["name"]: row for row in data["preflight"]["checks"]}
        return data, result.exit_code

    return plan


def test_nothing_to_do_is_a_go_only_when_everything_is_known(ask, tmp_path):
    plan, code = ask(pretended(tmp_path / "site", new=OLD))
    assert plan["looks"]["tutor.path"]["verdict"] == "pass"
    assert (plan["steps"], plan["path"], code) == ([], [], 4)  # nobody looked into the containers
    plan, code = ask(tmp_path / "site" / "site.toml", "--waive", "engine.containers=looked by hand")
    assert code == 0


def test_no_waiver_makes_a_go_of_steps_that_were_never_run(ask, tmp_path):
    plan, code = ask(pretended(tmp_path / "site"))
    names = [name for name, row in plan["looks"].items() if row["verdict"] != "pass"]
    plan, code = ask(tmp_path / "site" / "site.toml", *(f"--waive={name}=seen in May" for name in names))
    assert (plan["preflight"]["verdict"], plan["verdict"], code) == ("pass", "unknown", 4)


def test_an_older_target_is_no_way(ask, tmp_path):
    plan, code = ask(
        pretended(tmp_path / "site", new=OLD | {"tutor": "19.0.5", "release": "sumac", "ref": "release/sumac.3"})
    )
    assert code == 3
    assert plan["looks"]["tutor.order"]["verdict"] == "fail"


def test_stores_are_those_of_the_root_with_sizes_and_reasons(ask, tmp_path):
    runs = {"RUN_MYSQL": True, "RUN_MONGODB": False}
    plan, _code = ask(pretended(tmp_path / "site", old=OLD | {"runs": runs}))
    stores = {store["name"]: store for store in plan["stores"]}
    assert (stores["mysql"]["kind"], stores["mysql"]["size_bytes"]) == ("sql", 1000)
    assert (stores["lms"]["kind"], stores["lms"]["size_why"]) == ("uploads", "it is not there")
    assert "RUN_MONGODB" in stores["run by others: mongodb"]["no_way_back"]
    assert not {"etc", "x"} & set(stores)
    assert all(store["unverified"] for store in stores.values())


def test_a_fork_is_unknown_ground(ask, tmp_path):
    fork = dockerfile(repository="https://git.campus.example/open/edx-platform.git")
    plan, code = ask(pretended(tmp_path / "site", **{"env/build/openedx/Dockerfile": fork}))
    assert code in {3, 4}
    assert plan["looks"]["site.mismatches"]["verdict"] == "unknown"


def test_a_setting_that_the_target_does_not_read_is_named(ask, tmp_path):
    old = OLD | {"settings": OLD["settings"] | {"GONE": {"mark": "z"}}, "chosen": [*OLD["chosen"], "GONE"]}
    plan, _code = ask(pretended(tmp_path / "site", old=old))
    assert plan["looks"]["settings.lost"]["verdict"] == "unknown"
    assert "GONE" in plan["looks"]["settings.lost"]["detail"]
    assert [row["name"] for row in plan["configuration"]["removed"]] == ["GONE"]


def test_what_a_plugin_makes_a_tutor_say_is_held_to_shapes(ask, tmp_path):
    hostile = NEW | {
        "settings": NEW["settings"] | {"<b>": {"mark": "x"}, "NEW_VERSION": {"mark": "x", "value": "a\x1b[2J<script>"}},
        "images": {"DOCKER_IMAGE_OPENEDX": "bob:c4n4ry@registry/x", "OTHER": "\x1b"},
        "build": ["openedx", "; rm -rf /", "--all"],
        "init": [{"service": "lms\n", "manage": ["lms migrate; c4n4ry"], "verb": "$(c4n4ry)"}],
        "own_patches": ["\x1b"],
    }
    plan, _code = ask(pretended(tmp_path / "site", new=hostile))
    said = json.dumps(plan)
    assert "c4n4ry" not in said
    assert "u001b" not in said
    assert "script" not in said
    assert "rm -rf" not in said
    (images,) = [step["argv"] for step in plan["steps"] if step["id"] == "1.images"]
    assert images[-3:] == ["images", "build", "openedx"]


@pytest.mark.parametrize(
    "wrong", [{"tutor": "x; y"}, {"plugins": []}, {"init": None}, {"upgrade": 3}, {"settings": {"A": 1}}]
)
def test_an_answer_of_another_shape_is_refused_in_one_line(ask, tmp_path, wrong):
    with pytest.raises(InsideError, match="answered something unreadable"):
        ask(pretended(tmp_path / "site", new=NEW | wrong))


def test_a_tutor_that_cannot_read_the_root_is_one_line(ask, tmp_path):
    with pytest.raises(InsideError, match="cannot read this configuration"):
        ask(
            pretended(
                tmp_path / "site", new={"event": "refused", "tutor": "1", "message": "cannot read this configuration"}
            )
        )


def test_a_path_that_is_no_tutor_is_one_line(ask, tmp_path):
    subject = pretended(tmp_path / "site")
    (tmp_path / "site" / "new" / "bin" / "python").unlink()
    with pytest.raises(SubjectError, match=r"target\.tutor names no Tutor"):
        ask(subject)


def test_a_link_to_the_program_is_followed(ask, tmp_path):
    subject = pretended(tmp_path / "site")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tutor").symlink_to(tmp_path / "site" / "new" / "bin" / "tutor")
    subject.write_text(subject.read_text().replace("new/bin/tutor", str(tmp_path / "bin" / "tutor")))
    assert ask(subject)[0]["tutor"]["target"] == "21.0.9"


@pytest.mark.parametrize("name", ["config.yml", "env/local/docker-compose.yml"])
def test_a_root_that_leads_out_of_itself_is_not_read(ask, tmp_path, name):
    subject = pretended(tmp_path / "site")
    (tmp_path / "outside").write_text("MYSQL_ROOT_PASSWORD: c4n4ry\nservices: {}\n")
    path = tmp_path / "site" / "root" / name
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    if name == "config.yml":
        with pytest.raises(SubjectError, match=r"config\.yml"):
            ask(subject)
    else:
        plan, _code = ask(subject)
        assert {store["name"] for store in plan["stores"]} == {"configuration"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('root = "root"\n', "", "root is missing"),
        ('tutor = "new/bin/tutor"', "", r"target\.tutor is missing"),
        ('tutor = "new/bin/tutor"', 'python = "x"', r"target\.python is not a key"),
        ("[current]", 'database_url = "mysql://root:c4n4ry@db/x"\n[current]', "database_url is not a key"),
        ("[current]", 'via = "x"\n[current]', "via must be a list"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, old, new, message):
    subject = pretended(tmp_path / "site")
    subject.write_text(subject.read_text().replace(old, new, 1))
    with pytest.raises(SubjectError, match=message) as refused:
        read_subject(subject)
    assert "c4n4ry" not in str(refused.value)


def test_a_command_s_words_are_kept_without_secrets(tmp_path):
    secrets = ["c4n4ry-one", "c4n4ry-one-and-more", "first line\nsecond line of a key", "no"]
    said = "echo c4n4ry-one-and-more; echo 'second line of a key' >&2; echo no harm"
    container.run(["sh", "-e", "-c", said], tmp_path / "log", limit_s=60, secrets=secrets)
    log = (tmp_path / "log").read_text()
    assert log.splitlines()[1:] == ["[secret]", "[secret]", "no harm", "= 0"]
    assert "c4n4ry" not in log
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_fails_says_where_its_words_are(tmp_path):
    with pytest.raises(container.CommandFailedError, match="sh ended with code 7") as failed:
        container.run(["sh", "-e", "-c", "exit 7"], tmp_path / "log", limit_s=60)
    assert str(tmp_path / "log") in failed.value.hint
    with pytest.raises(container.CommandFailedError, match="cannot be started"):
        container.run([str(tmp_path / "nothing")], tmp_path / "log", limit_s=60)


def test_a_command_that_hangs_is_ended_with_what_it_started(tmp_path):
    note = tmp_path / "child"
    script = f"sleep 600 & echo $! > {note}; wait"
    with pytest.raises(container.CommandFailedError, match="was not over in"):
        container.run(["sh", "-e", "-c", script], tmp_path / "log", limit_s=3)
    assert (tmp_path / "log").read_text().endswith("= out of time\n")
    state = Path(f"/proc/{note.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_variables_of_this_process_reach_no_command(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_SECRET_KEY", "c4n4ry")
    container.run(["env"], tmp_path / "log", limit_s=60, environment={"TUTOR_PLUGINS_ROOT": "/x"})
    log = (tmp_path / "log").read_text()
    assert "c4n4ry" not in log
    assert "TUTOR_PLUGINS_ROOT=/x" in log
