"""The subject file: what a person may write, and the one line that names what is wrong."""

import pytest

from sapwood.site.upgrades.data import Fork, Hook, Mask
from sapwood.site.upgrades.subject import SubjectError, read_subject

GOOD = """
name = "campus"
driver = "django"
settings = "campus.settings"
pythonpath = ["./train"]
database_url = "mysql://root:hush@127.0.0.1:33306/campus"
[databases]
history = "postgresql://reader@db.example/history%20one"
[current]
python = "./train/mid/bin/python"
[target]
requirements = ["Django>=5.2,<5.3"]
exclude_newer = "2026-05-01"
settings = "campus.settings_new"
[shadow]
technique = "physical"
[checks]
packs = ["openedx"]
[hooks]
stop = ["systemctl", "stop", "campus"]
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "campus.toml"
        path.write_text(text, encoding="utf-8")
        return read_subject(path)

    return write_and_read


def test_a_subject_is_read_whole(read, tmp_path):
    subject = read(GOOD)
    default, history = subject.databases["default"], subject.databases["history"]
    assert (default.vendor, default.host, default.port, default.user, default.name) == (
        "mysql", "127.0.0.1", 33306, "root", "campus",
    )  # fmt: skip
    assert (history.vendor, history.name) == ("postgresql", "history one")
    assert subject.current.python == tmp_path / "train" / "mid" / "bin" / "python"
    assert subject.target.requirements == ("Django>=5.2,<5.3",)
    assert (subject.current.settings, subject.target.settings) == ("campus.settings", "campus.settings_new")
    assert subject.hooks == {"stop": Hook(("systemctl", "stop", "campus"), 300.0)}
    limited = read(GOOD.replace('stop = ["systemctl", "stop", "campus"]', 'start = {argv = ["x"], timeout_s = 2}'))
    assert limited.hooks == {"start": Hook(("x",), 2.0)}
    assert subject.technique == "physical"


def test_rules_of_a_mask_may_stand_in_a_file_of_their_own(read, tmp_path):
    (tmp_path / "more.toml").write_text('[rules]\n"people.email" = "text"\n[rules.people]\nnote = "text"\n')
    text = (
        GOOD
        + '[mask]\ndefaults = false\ninclude = ["more.toml"]\n[mask.rules]\n"people.email" = "email"\n"*.ip" = "ip"\n'
    )
    mask = read(text).mask
    assert mask.rules == {"people.email": "email", "*.ip": "ip", "people.note": "text"}
    assert not mask.defaults
    assert read(GOOD).mask == Mask({}, defaults=True)
    (tmp_path / "more.toml").write_text("[other]\n")
    with pytest.raises(SubjectError, match=r"more\.toml: other is not a key"):
        read(text)


def test_a_socket_stands_behind_the_address_and_nothing_else_does(read, tmp_path):
    old = "mysql://root:hush@127.0.0.1:33306/campus"
    url = read(GOOD.replace(old, "mysql://root:hush@/campus?socket=/run/Mysqld.sock")).databases["default"]
    assert (url.host, url.socket, url.as_django()["HOST"]) == ("", "/run/Mysqld.sock", "/run/Mysqld.sock")
    url = read(GOOD.replace(old, "mysql://root@localhost/campus?socket=s.sock")).databases["default"]
    assert url.socket == str(tmp_path / "s.sock")
    with pytest.raises(SubjectError, match="database_url holds an option that is not known"):
        read(GOOD.replace(old, old + "?charset=latin1"))


def test_a_password_is_not_shown(read):
    assert "hush" not in repr(read(GOOD))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "campus"', 'nam = "campus"', "nam is not a key of a subject file"),
        ("[shadow]\ntechnique", "[shadow]\ntecnique", "shadow.tecnique is not a key of a subject file"),
        (
            'stop = ["systemctl", "stop", "campus"]',
            'stop = "systemctl stop campus"',
            "hooks.stop must be a list of texts",
        ),
        ('stop = ["systemctl"', 'halt = ["systemctl"', "hooks.halt is not a key of a subject file"),
        ('driver = "django"', 'driver = "helm"', "driver cannot be 'helm'"),
        ('technique = "physical"', 'technique = "magic"', "shadow.technique cannot be 'magic'"),
        ('settings = "campus.settings"', "", "settings is missing"),
        ('python = "./train/mid/bin/python"', "", "current needs either python or requirements"),
        ("mysql://root:hush@", "oracle://root:hush@", "database_url is not a database address"),
        (":33306/campus", ":99999999/campus", "database_url is not a database address"),
        ("[databases]\nhistory", "[databases]\ndefault", "databases.default stands beside database_url"),
        ("[databases]\nhistory", '[databases]\n"../history"', "is not the name of a database"),
        ('name = "campus"', "name = [", "is not TOML"),
        ('name = "campus"', 'name = ""', "name must be one line"),
        ('name = "campus"', 'name = "cam\\npus"', "name must be one line"),
        ('name = "campus"', 'name = "\\u202esupmac"', "name must be one line"),
        ("[checks]\npacks = ", "[checks]\npacks = 3 #", "checks.packs must be a list of texts"),
        ("[checks]", "[mask]\nrule = 1\n[checks]", "mask.rule is not a key of a subject file"),
        ("[checks]", "[mask]\ndefaults = 1\n[checks]", "mask.defaults must be true or false"),
        ("[checks]", '[mask.rules]\n"a.b" = "emial"\n[checks]', "mask.rules.a.b cannot be 'emial'"),
        ("[checks]", '[mask.rules]\na = "email"\n[checks]', "mask.rules.a names no column"),
        ("[checks]", '[mask]\ninclude = ["nowhere.toml"]\n[checks]', "nowhere.toml cannot be read"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_is(read, old, new, message):
    assert old in GOOD
    with pytest.raises(SubjectError) as caught:
        read(GOOD.replace(old, new))
    assert message in caught.value.message
    assert "hush" not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SubjectError, match="cannot be read"):
        read_subject(tmp_path / "nothing.toml")


def test_forks_are_read_one_or_several_and_what_is_wrong_is_named(read, tmp_path):
    one = '[fork]\nrepo = "edx"\nupstream = "u"\ntarget = "t"\n'
    assert read(GOOD + one).forks == (Fork(tmp_path / "edx", "u", "t"),)
    two = one.replace("[fork]", "[[forks]]") + one.replace("[fork]", "[[forks]]") + 'head = "mine"\n'
    assert [fork.head for fork in read(GOOD + two).forks] == ["HEAD", "mine"]
    for old, new, message in (
        ('repo = "edx"\n', "", "fork.repo is missing"),
        ("upstream =", "upstreams =", "fork.upstreams is not a key"),
        ('"t"', '""', "fork.target must name something"),
    ):
        with pytest.raises(SubjectError, match=message):
            read(GOOD + one.replace(old, new))
    with pytest.raises(SubjectError, match="forks must be a list of tables"):
        read('forks = "edx"\n' + GOOD)
