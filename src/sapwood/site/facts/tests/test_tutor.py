"""A Tutor root becomes facts: what is there, what is not and why, and where two files disagree."""

import os
import stat
import sys
import textwrap

import pytest

from sapwood.site.facts.tests.tutor_roots import config, dockerfile, make_root, services, settings, write
from sapwood.site.facts.tutor import NoRootError, inspect_root

DOCKERFILE = "env/build/openedx/Dockerfile"
COMPOSE = "env/local/docker-compose.yml"
SETTINGS = "env/apps/openedx/config/lms.env.yml"


def codes(facts):
    return [item["code"] for item in facts.mismatches]


def test_a_plain_root_tells_everything_that_its_files_hold(tmp_path):
    facts = inspect_root(make_root(tmp_path / "root")).to_dict()
    assert facts["tutor_version"] == "20.0.3"
    assert (facts["declared_release"], facts["inferred_release"], facts["mismatches"]) == ("teak.3", "teak.3", [])
    assert [plugin["name"] for plugin in facts["plugins"]] == ["mfe", "indigo"]
    assert facts["database"] == {"engine": "mysql", "version": "8.4.0", "host_kind": "bundled"}
    assert facts["images"]["meilisearch"] == "docker.io/getmeili/meilisearch:v1.8.4"
    assert facts["branches"]["openedx-platform"] == {
        "repository": "github.com/openedx/edx-platform",
        "ref": "release/teak.3",
        "kind": "tag",
    }
    assert facts["components"]["search"] == {"engine": "meilisearch", "version": "1.8.4", "host_kind": "bundled"}
    assert facts["languages"] == ["es-419"]
    assert facts["patches"] == []


def test_every_unknown_fact_says_why(tmp_path):
    facts = inspect_root(make_root(tmp_path / "root")).to_dict()
    assert facts["site_count"] is None
    assert "database" in facts["why"]["site_count"]
    assert "--tutor-python" in facts["why"]["plugins.mfe.version"]
    assert "--tutor-plugins-root" in facts["why"]["patches.environment"]


@pytest.mark.parametrize(
    ("missing", "facts_unknown"),
    [
        ("env/version", ["tutor_version"]),
        ("config.yml", ["plugins"]),
        (DOCKERFILE, ["inferred_release", "declared_release", "build", "branches"]),
        (COMPOSE, ["images", "database.engine", "database.version", "database.host_kind"]),
        (SETTINGS, ["languages"]),
    ],
)
def test_a_missing_file_makes_its_facts_null_with_a_reason(tmp_path, missing, facts_unknown):
    facts = inspect_root(make_root(tmp_path / "root", **{missing: None})).to_dict()
    for name in facts_unknown:
        head, _, tail = name.partition(".")
        assert (facts[head][tail] if tail else facts[head]) is None, name
        assert facts["why"][name]


def test_a_root_that_was_never_rendered_declares_but_infers_nothing(tmp_path):
    root = write(tmp_path / "root/config.yml", config(OPENEDX_COMMON_VERSION="release/ulmo.1")).parent
    facts = inspect_root(root)
    assert (facts.declared_release, facts.inferred_release, facts.inferred_line) == ("ulmo.1", None, "ulmo")
    assert "not rendered" in facts.why["inferred_release"]


def test_what_config_asks_for_and_what_was_rendered_can_differ(tmp_path):
    facts = inspect_root(
        make_root(tmp_path / "root", **{"config.yml": config(OPENEDX_COMMON_VERSION="release/ulmo.1")})
    )
    assert (facts.declared_release, facts.inferred_release) == ("ulmo.1", "teak.3")
    assert codes(facts) == ["declared_not_built"]


def test_a_template_in_config_is_not_taken_for_a_value(tmp_path):
    spoiled = config(OPENEDX_COMMON_VERSION="{{ SOMETHING }}", DOCKER_IMAGE_OPENEDX="{{ DOCKER_REGISTRY }}x:1")
    assert inspect_root(make_root(tmp_path / "root", **{"config.yml": spoiled})).declared_release == "teak.3"


@pytest.mark.parametrize(
    ("ref", "repository", "kind", "line"),
    [
        ("release/teak", "https://github.com/openedx/edx-platform.git", "branch", "teak"),
        ("open-release/sumac.master", "https://github.com/openedx/edx-platform", "branch", "sumac"),
        ("master", "https://github.com/openedx/edx-platform.git", "branch", None),
        ("0123456789abcdef0123456789abcdef01234567", "https://github.com/openedx/edx-platform.git", "commit", None),
        ("release/teak.3", "https://github.com/campus/edx-platform.git", "fork", "teak"),
        ("campus/teak-fixes", "https://github.com/openedx/edx-platform.git", "fork", None),
        ("release/teak.3", "git@git.campus.test:open/edx-platform.git", "fork", "teak"),
    ],
)
def test_heads_commits_and_forks_are_not_taken_for_releases(tmp_path, ref, repository, kind, line):
    facts = inspect_root(make_root(tmp_path / "root", **{DOCKERFILE: dockerfile(ref, repository)}))
    assert facts.build
    assert (facts.build["kind"], facts.inferred_release, facts.inferred_line) == (kind, None, line)
    assert facts.why["inferred_release"]


def test_old_tags_are_read_too(tmp_path):
    facts = inspect_root(make_root(tmp_path / "root", **{DOCKERFILE: dockerfile("open-release/koa.2a")}))
    assert facts.inferred_release == "koa.2a"


def test_a_mounted_checkout_is_a_fork_and_its_path_is_not_told(tmp_path):
    mounted = config(MOUNTS=["/home/dave/secret-project/edx-platform"])
    facts = inspect_root(make_root(tmp_path / "root", **{"config.yml": mounted}))
    assert facts.build
    assert (facts.build["kind"], codes(facts)) == ("fork", ["mounted"])
    assert "secret-project" not in str(facts.to_dict())


@pytest.mark.parametrize(
    ("image", "engine", "version"),
    [
        ("docker.io/mariadb:10.11.6", "mariadb", "10.11.6"),
        ("mysql:5.7", "mysql", "5.7"),
        ("registry.campus.test:5000/mirror/mysql:8.1.0-debian", "mysql", "8.1.0"),
        ("percona/percona-server:8.0", "percona", "8.0"),
        ("docker.io/mysql:latest", "mysql", None),
        ("docker.io/campus/database:1.2", None, "1.2"),
    ],
)
def test_the_bundled_database_is_known_by_its_image(tmp_path, image, engine, version):
    facts = inspect_root(make_root(tmp_path / "root", **{COMPOSE: services(mysql={"image": image})}))
    assert facts.database == {"engine": engine, "version": version, "host_kind": "bundled"}
    assert ("database.engine" in facts.why) == (engine is None)
    assert ("database.version" in facts.why) == (version is None)


def test_an_external_server_that_speaks_mysql_may_be_mariadb(tmp_path):
    parts = {"config.yml": config(RUN_MYSQL=False, MYSQL_HOST="db.internal.test")}
    facts = inspect_root(make_root(tmp_path / "root", **parts))
    assert facts.database == {"engine": None, "version": None, "host_kind": "external"}
    assert "MariaDB" in facts.why["database.engine"]
    assert "db.internal.test" not in str(facts.to_dict())


def test_an_external_postgresql_is_known_by_its_backend(tmp_path):
    parts = {"config.yml": config(RUN_MYSQL=False), SETTINGS: settings("django.db.backends.postgresql")}
    assert inspect_root(make_root(tmp_path / "root", **parts)).database["engine"] == "postgresql"


def test_a_running_image_of_another_tutor_is_a_mismatch(tmp_path):
    facts = inspect_root(make_root(tmp_path / "root", **{COMPOSE: services("20.0.1")}))
    assert codes(facts) == ["image_not_rendered"]


def test_a_custom_image_is_said_to_be_one(tmp_path):
    image = {"image": "registry.campus.test/openedx:teak-7"}
    facts = inspect_root(make_root(tmp_path / "root", **{COMPOSE: services(lms=image)}))
    assert facts.build
    assert facts.build["custom_image"] is True


def test_an_environment_older_than_its_config_is_a_mismatch(tmp_path):
    root = make_root(tmp_path / "root")
    os.utime(root / "env/version", (1_700_000_000, 1_700_000_000))
    os.utime(root / "config.yml", (1_700_009_000, 1_700_009_000))
    assert codes(inspect_root(root)) == ["environment_outdated"]


def test_patches_are_told_by_name_and_commit_only(tmp_path):
    plugins = tmp_path / "plugins"
    write(
        plugins / "campus.yml",
        {"name": "campus", "version": "1.2.0", "patches": {"openedx-lms-common-settings": "TOKEN='s3cret'"}},
    )
    write(
        plugins / "security.py",
        textwrap.dedent("""
            from tutor import hooks
            __version__ = "0.3.1"
            hooks.Filters.ENV_PATCHES.add_item(("openedx-dockerfile-post-git-checkout", "RUN echo s3cret"))
            hooks.Filters.ENV_PATCHES.add_items([("mfe-lms-common-settings", "x"), (NAME, "y")])
            hooks.Filters.OTHER.add_item(("not-a-patch", "z"))
        """),
    )
    sha = "0123456789abcdef0123456789abcdef01234567"
    commit = f"RUN curl -fsSL https://github.com/openedx/edx-platform/commit/{sha}.patch | git am"
    parts = {DOCKERFILE: dockerfile(more=commit), "config.yml": config(PLUGINS=["mfe", "campus", "security"])}
    facts = inspect_root(make_root(tmp_path / "root", **parts), plugins_root=plugins)
    assert list(facts.patches or ()) == [
        {"kind": "environment", "plugin": "campus", "name": "openedx-lms-common-settings"},
        {"kind": "environment", "plugin": "security", "name": "openedx-dockerfile-post-git-checkout"},
        {"kind": "environment", "plugin": "security", "name": "mfe-lms-common-settings"},
        {"kind": "commit", "repository": "openedx/edx-platform", "commit": "0123456789abcdef0123456789abcdef01234567"},
    ]
    assert "s3cret" not in str(facts.to_dict())
    assert [(plugin.name, plugin.version) for plugin in facts.plugins or ()] == [
        ("mfe", None),
        ("campus", "1.2.0"),
        ("security", "0.3.1"),
    ]
    assert facts.extra["customization"]["settings"] is True
    assert facts.extra["customization"]["dockerfile"] is True
    assert facts.extra["customization"]["frontend"] is True
    assert facts.extra["customization"]["kustomize"] is False


def test_plugins_are_read_and_never_run(tmp_path):
    plugins = tmp_path / "plugins"
    marker = tmp_path / "ran"
    write(plugins / "evil.py", f"open({str(marker)!r}, 'w').write('x')\n")
    inspect_root(make_root(tmp_path / "root", **{"config.yml": config(PLUGINS=["evil"])}), plugins_root=plugins)
    assert not marker.exists()


def test_the_interpreter_is_asked_for_versions(tmp_path):
    python = tmp_path / "python"
    answer = (
        '{"python": "3.12.1", "tutor": "21.0.0", "plugins": {"mfe": "20.1.1", "indigo": "21.0.0", "bad name": "1"}}'
    )
    write(python, f"#!/bin/sh\n[ \"$1\" = -I ] && echo '{answer}'\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    facts = inspect_root(make_root(tmp_path / "root"), python=python)
    assert [(plugin.name, plugin.version) for plugin in facts.plugins or ()] == [
        ("mfe", "20.1.1"),
        ("indigo", "21.0.0"),
    ]
    assert facts.extra["host"] == {"python": "3.12.1"}
    assert codes(facts) == ["installed_not_rendered", "plugin_of_other_line"]


@pytest.mark.parametrize("body", ["exit 1", "echo not json", "echo '[1]'", "echo '{\"plugins\": 3}'"])
def test_an_interpreter_that_answers_nonsense_leaves_versions_unknown(tmp_path, body):
    python = write(tmp_path / "python", f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    facts = inspect_root(make_root(tmp_path / "root"), python=python)
    assert [plugin.version for plugin in facts.plugins or ()] == [None, None]
    assert facts.why["host.python"]


def test_an_interpreter_that_is_not_there_or_hangs_is_a_reason_not_a_crash(tmp_path, monkeypatch):
    facts = inspect_root(make_root(tmp_path / "root"), python=tmp_path / "nothing")
    assert "cannot be started" in facts.why["host.python"]
    monkeypatch.setattr("sapwood.site.facts.tutor.installed.TIME_LIMIT_S", 0.2)
    python = write(tmp_path / "python", "#!/bin/sh\nexec sleep 30\n")
    python.chmod(0o755)
    facts = inspect_root(make_root(tmp_path / "root2"), python=python)
    assert "did not answer" in facts.why["host.python"]


def test_the_question_is_understood_by_a_real_interpreter(tmp_path):
    from pathlib import Path

    facts = inspect_root(make_root(tmp_path / "root"), python=Path(sys.executable))
    assert facts.extra["host"]["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("x")])
def test_a_folder_that_is_no_tutor_root_is_refused(tmp_path, make):
    root = tmp_path / "root"
    make(root)
    with pytest.raises(NoRootError):
        inspect_root(root)
