"""Hostile roots: nothing leads out, nothing explodes, and no secret comes out by any way."""

import json
import logging
import os

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from sapwood.core.errors import SapwoodError
from sapwood.site.facts.cli import site
from sapwood.site.facts.tests.tutor_roots import KEY, config, dockerfile, make_root, services, settings, write
from sapwood.site.facts.tutor import inspect_root
from sapwood.site.facts.tutor.files import MAX_FILE_BYTES, YamlRefusedError, read_yaml

DOCKERFILE = "env/build/openedx/Dockerfile"
COMPOSE = "env/local/docker-compose.yml"
SETTINGS = "env/apps/openedx/config/lms.env.yml"
FILES = ["config.yml", "env/version", DOCKERFILE, COMPOSE, SETTINGS]


def replace(root, name, make):
    (root / name).unlink()
    make(root / name)


@pytest.mark.parametrize("name", FILES)
def test_a_link_out_of_the_root_is_not_followed(tmp_path, name):
    root = make_root(tmp_path / "root")
    outside = write(tmp_path / "outside", (root / name).read_bytes())
    replace(root, name, lambda path: path.symlink_to(outside))
    assert any("leads out" in reason for reason in inspect_root(root).why.values())


def test_a_linked_folder_out_of_the_root_is_not_followed(tmp_path):
    other = make_root(tmp_path / "other")
    root = make_root(tmp_path / "root", **dict.fromkeys(FILES[1:]))
    (root / "env").symlink_to(other / "env")
    facts = inspect_root(root)
    assert (facts.inferred_release, facts.images) == (None, None)


def test_links_inside_the_root_and_a_linked_root_work(tmp_path):
    root = make_root(tmp_path / "root")
    (root / "env").rename(root / "rendered")
    (root / "env").symlink_to("rendered")
    (tmp_path / "link").symlink_to(root)
    assert inspect_root(tmp_path / "link").inferred_release == "teak.3"


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_a_folder_a_loop_or_a_giant_does_not_hold_it_up(tmp_path, name):
    makers = [
        os.mkfifo,
        os.mkdir,
        lambda path: path.symlink_to(path),
        lambda path: path.write_bytes(b"a" * (MAX_FILE_BYTES + 1)),
        lambda path: path.symlink_to("/dev/zero"),
    ]
    for index, make in enumerate(makers):
        root = make_root(tmp_path / f"root{index}")
        replace(root, name, make)
        inspect_root(root)


def test_an_unreadable_file_is_a_reason(tmp_path, monkeypatch):
    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sapwood.site.facts.tutor.files.os.open", refuse)
    facts = inspect_root(make_root(tmp_path / "root"))
    assert "Permission denied" in facts.why["plugins"]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(9)
)
MERGES = "m0: &m0 {k: v}\n" + "".join(f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}]}}\n" for i in range(1, 30))


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        MERGES,
        "[" * 20_000,
        "{a: " * 20_000,
        "a: &a [*a]" + ", *a" * 50,
        "a: [b",
        "\t- x",
        "a: b: c",
        "%YAML 9.9\n---\n",
        "\x00",
        "a: !!python/object/apply:os.system [",
        "- " * 5_000 + "x",
        "x, " * 200_000,
    ],
)
def test_explosive_and_broken_yaml_is_refused_or_harmless(text):
    try:
        size = len(str(read_yaml(text)))
    except YamlRefusedError as error:
        size = len(error.reason)
    assert size < 2_000_000


def test_tags_construct_nothing():
    assert read_yaml("PLUGINS: !!python/name:os.system ''\nN: !!int '7'\nD: !custom [a]") == {
        "PLUGINS": "",
        "N": "7",
        "D": ["a"],
    }


@pytest.mark.parametrize("name", ["config.yml", COMPOSE, SETTINGS])
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"just text", b"\xff\xfe\x00", b"a: [", b"null", BOMB.encode(), b"? [a]\n: b\n"]
)
def test_a_broken_file_never_breaks_the_rest(tmp_path, name, content):
    facts = inspect_root(make_root(tmp_path / "root", **{name: content}))
    assert facts.inferred_release == "teak.3"
    assert facts.why


CANARY = "c4n4rySECRET"


def poisoned(value, path=""):
    """The same structure with a canary in every text, and canaries under keys that nobody knows."""
    if isinstance(value, dict):
        return {key: poisoned(item, f"{path}.{key}") for key, item in value.items()} | {
            f"UNKNOWN_{CANARY}": f"{CANARY}",
            "PASSWORDS": {"deep": [f"{CANARY}-deep", {"deeper": CANARY}]},
        }
    if isinstance(value, list):
        return [*value, {"token": CANARY}, [CANARY]]
    return f"{CANARY}\n{CANARY} {value}"


def everything_said(root, plugins, capsys, caplog):
    """Facts, both forms of both commands, errors and logs, as one text."""
    said = []
    with caplog.at_level(logging.DEBUG):
        try:
            said.append(json.dumps(inspect_root(root, plugins_root=plugins).to_dict()))
        except SapwoodError as error:
            said.append(f"{error.message} {error.hint}")
        for flags in ([], ["--json"]):
            result = CliRunner().invoke(
                site, ["inspect", "--tutor-root", str(root), "--tutor-plugins-root", str(plugins), *flags]
            )
            said += [result.output, repr(result.exception), str(result.exc_info)]
    captured = capsys.readouterr()
    return "\n".join([*said, captured.out, captured.err, caplog.text])


def test_no_canary_comes_out_of_any_value(tmp_path, capsys, caplog):
    plugins = tmp_path / "plugins"
    write(plugins / "campus.yml", poisoned({"name": "campus", "version": "1", "patches": {"lms-env": "x"}}))
    write(
        plugins / "other.py",
        f"import x\nhooks.Filters.ENV_PATCHES.add_item(('{CANARY} b', '{CANARY}'))\n__version__ = '{CANARY}'\n",
    )
    write(plugins / "broken.py", f"def {CANARY}(:\n")
    parts = {
        "config.yml": poisoned(config(LANGUAGE_CODE="en", EDX_PLATFORM_VERSION="release/teak.3")),
        "env/version": f"{CANARY}\n20.0.3",
        COMPOSE: poisoned(services()),
        SETTINGS: poisoned(settings()),
        DOCKERFILE: dockerfile(
            f"{CANARY} x", f"https://bob:{CANARY}@github.com/openedx/edx-platform.git?token={CANARY}#x"
        )
        + f"ENV TOKEN={CANARY}\nRUN curl -H 'Authorization: {CANARY}' https://x.test\n",
    }
    said = everything_said(make_root(tmp_path / "root", **parts), plugins, capsys, caplog)
    assert CANARY not in said


@pytest.mark.parametrize(
    "address",
    [
        "https://bob:{0}@github.com/campus/edx-platform.git",
        "https://{0}@github.com/campus/edx-platform.git",
        "https://x-access-token:{0}@github.com/campus/edx-platform",
        "https://github.com/campus/edx-platform.git?access_token={0}",
        "https://github.com/campus/edx-platform.git#{0}",
        "{0}@git.campus.test:open/edx-platform.git",
        "https://git.campus.test/{0}/open/edx-platform.git",
        "ssh://git:{0}@git.campus.test:22/open/edx-platform.git",
    ],
)
def test_no_password_of_a_repository_comes_out(tmp_path, capsys, caplog, address):
    parts = {
        DOCKERFILE: dockerfile(repository=address.format(CANARY)),
        "config.yml": config(EDX_PLATFORM_REPOSITORY=address.format(CANARY)),
        "env/plugins/mfe/build/mfe/Dockerfile": f"ADD --keep-git-dir=true {address.format(CANARY)}#release/teak.3 .\n",
    }
    assert CANARY not in everything_said(make_root(tmp_path / "root", **parts), tmp_path, capsys, caplog)


def test_no_password_of_a_registry_comes_out(tmp_path, capsys, caplog):
    images = {"lms": {"image": f"bob:{CANARY}@registry.campus.test/openedx:1"}, f"x {CANARY}": {"image": "a:1"}}
    parts = {COMPOSE: services(**images), "config.yml": config(DOCKER_IMAGE_OPENEDX=f"u:{CANARY}@r.test/o:1")}
    assert CANARY not in everything_said(make_root(tmp_path / "root", **parts), tmp_path, capsys, caplog)


def test_the_multi_line_key_never_comes_out(tmp_path, capsys, caplog):
    broken = yaml_with_broken_key()
    for content in (config(), broken):
        said = everything_said(
            make_root(tmp_path / f"r{id(content)}", **{"config.yml": content}), tmp_path, capsys, caplog
        )
        assert not [line for line in KEY.splitlines() if line in said]


def yaml_with_broken_key():
    indented = KEY.replace("\n", "\n\n  ")
    return f"ID: x\nJWT_RSA_PRIVATE_KEY: '{indented}\nPLUGINS: [mfe]\n"


KEYS = [
    "PLUGINS",
    "MOUNTS",
    "RUN_MYSQL",
    "OPENEDX_COMMON_VERSION",
    "EDX_PLATFORM_REPOSITORY",
    "DOCKER_IMAGE_MYSQL",
    "LANGUAGE_CODE",
    "services",
    "DATABASES",
    "X",
]
SECRET = st.sampled_from([f"{CANARY}!", f"{CANARY} {CANARY}", f"pw:{CANARY}@h", f"{CANARY}\n", f"={CANARY}="])
TREES = st.recursive(
    SECRET | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | SECRET, inner, max_size=4),
    max_leaves=10,
)


@profile(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    tree=st.dictionaries(st.sampled_from(KEYS), TREES, max_size=6),
    name=st.sampled_from(["config.yml", COMPOSE, SETTINGS]),
)
def test_whatever_the_structure_nothing_of_odd_shape_comes_out(tmp_path_factory, tree, name):
    root = make_root(tmp_path_factory.mktemp("fuzz") / "root", **{name: tree})
    assert CANARY not in json.dumps(inspect_root(root).to_dict())
