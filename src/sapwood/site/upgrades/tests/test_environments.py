"""Environments that a subject only describes: built from a folder of packages, without any network."""

import dataclasses
import hashlib
import os
import subprocess
import zipfile
from base64 import urlsafe_b64encode

import pytest

from sapwood.site.upgrades import environments
from sapwood.site.upgrades.drivers import container
from sapwood.site.upgrades.environments import BuildError, with_environments
from sapwood.site.upgrades.subject import SubjectError, read_subject

pytestmark = pytest.mark.slow
SUBJECT = """
name = "campus"
driver = "django"
settings = "campus.settings"
database_url = "sqlite:///campus.sqlite3"
[current]
python = "./old/bin/python"
[target]
requirements = {requirements}
"""


def wheel(folder, version, *, needs="", body="VALUE = 1\n"):
    """The smallest package that can be installed."""
    name = f"birch-{version}-py3-none-any.whl"
    info = f"birch-{version}.dist-info"
    required = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        "birch.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: birch\nVersion: {version}\n{required}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    wheel(folder, "1.0")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def build(tmp_path, index):
    def build(requirements='["birch"]'):
        path = tmp_path / "campus.toml"
        path.write_text(SUBJECT.format(requirements=requirements))
        said = []
        return with_environments(read_subject(path), work=tmp_path / "work", say=said.append), said

    return build


def version(side):
    code = "from importlib.metadata import version; print(version('birch'))"
    return subprocess.run([side.python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_a_side_is_built_once_and_stays_what_it_was(build, index):
    subject, said = build()
    assert version(subject.target) == "1.0"
    assert len(said) == 2
    wheel(index, "2.0")
    again, said = build()
    assert (again, said) == (subject, [])
    text = (subject.target.python.parents[2] / "requirements.txt").read_text()
    assert "birch==1.0" in text
    assert "--hash=sha256:" in text
    newer, _said = build('["birch>=2"]')
    assert version(newer.target) == "2.0"
    assert newer.target.resolved != subject.target.resolved
    assert version(subject.target) == "1.0"
    assert subject.current.resolved == ""


def test_an_installation_that_was_interrupted_begins_again_from_what_was_resolved(build, index, monkeypatch):
    real, calls = container.run, []

    def killed(argv, *args, **given):
        calls.append(argv)
        if "install" in argv:
            raise KeyboardInterrupt
        real(argv, *args, **given)

    monkeypatch.setattr(environments, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        build()
    monkeypatch.setattr(environments, "run", real)
    wheel(index, "2.0")
    subject, said = build()
    assert said == ["installing the packages of target"]
    assert version(subject.target) == "1.0"


def test_a_package_that_was_exchanged_is_refused(build, index):
    subject, _said = build()
    (subject.target.python.parents[2] / "done").unlink()
    wheel(index, "1.0", body="VALUE = 'exchanged'\n")
    os.environ["UV_CACHE_DIR"] += "-another"
    with pytest.raises(BuildError, match=r"(?i)hash"):
        build()


def test_what_cannot_be_resolved_is_one_line(build):
    with pytest.raises(BuildError) as refused:
        build('["oak"]')
    assert str(refused.value).startswith("The environment of target cannot be built: ")
    assert "oak" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["--index-url=https://example.org", " -r /etc/passwd", "a\\nb"])
def test_requirements_name_packages_only(build, text):
    with pytest.raises(SubjectError, match=r"target\.requirements may name packages only"):
        build(f'["{text}"]')


def test_a_wrong_day_is_named(build, tmp_path):
    with pytest.raises(SubjectError, match=r"target\.exclude_newer must be a day"):
        build('["birch"]\nexclude_newer = "yesterday"')


def test_the_day_is_asked_of_the_index(build, monkeypatch):
    calls = []
    monkeypatch.setattr(environments, "run", lambda argv, *_args, **_given: calls.append(argv))
    with pytest.raises(FileNotFoundError):
        build('["birch"]\nexclude_newer = "2026-05-01"')
    assert calls[0][calls[0].index("--exclude-newer") + 1] == "2026-05-01"


def test_a_subject_with_interpreters_is_left_alone(build, tmp_path):
    subject, _said = build()
    named = dataclasses.replace(subject, target=subject.current)
    assert with_environments(named, work=tmp_path / "nowhere") is named
    assert not (tmp_path / "nowhere").exists()
