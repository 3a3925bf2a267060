"""Nothing of production is in reach of a rehearsal's code: by network, by socket, by file, by process."""

import contextlib
import dataclasses
import datetime as dt
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
import rfc8785
import typing_extensions
from click.testing import CliRunner

from sapwood.core import isolation as core_isolation
from sapwood.core import jobs
from sapwood.core.clock import FixedClock
from sapwood.core.commands import harmless
from sapwood.core.isolation import running
from sapwood.core.jobs import RECURRING
from sapwood.site.upgrades import api, isolation
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.data import DatabaseUrl, Verdict
from sapwood.site.upgrades.drivers import django
from sapwood.site.upgrades.drivers.django_sites import DjangoDriver
from sapwood.site.upgrades.isolation import Kind, Level
from sapwood.site.upgrades.scratch import private_folder, sweep

pytestmark = pytest.mark.slow

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
SOURCE = Path(isolation.__file__).parents[3]
RUN_PYTHON = """
from django.db import migrations
def run(apps, schema_editor):
{body}
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RunPython(run)]
"""
# Each attempt answers "reached" or the error's name; a program that is started may try what Python is refused.
TRY = """
import json, os, pathlib, socket, subprocess, sys
def attempt(work):
    try:
        work()
        return "reached"
    except BaseException as error:
        return type(error).__name__
def connect(family, address):
    with socket.socket(family) as one:
        one.connect(address)
def started(family, address):
    code = f"import socket; socket.socket({int(family)}).connect({address!r})"
    subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True)
"""


@pytest.fixture(scope="module")
def namespaces():
    """Namespaces, where the kernel gives any: then the probe must find them, or it would hide a defect of ours."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    plain = "mount -t tmpfs tmpfs /mnt && mount -t proc proc /proc"
    command = ["unshare", *user, "--mount", "--net", "--pid", "--ipc", "--fork", "sh", "-c", plain]
    given = shutil.which("unshare") and not subprocess.run(command, check=False, capture_output=True).returncode
    isolation.probe.cache_clear()
    found = isolation.probe()
    if not given:
        assert (found.kind, bool(found.why)) == (Kind.PROCESS, True)
        pytest.skip(f"the kernel lets no interpreter have namespaces here: {found.why}")
    assert found.kind is Kind.NAMESPACES, found.why


@pytest.fixture(params=[Kind.NAMESPACES, Kind.PROCESS])
def kind(request, monkeypatch):
    """With namespaces, and as where the kernel gives none."""
    if request.param is Kind.NAMESPACES:
        request.getfixturevalue("namespaces")
    else:
        monkeypatch.setattr(core_isolation, "_trial", lambda ability: "unshare failed: Operation not permitted")
    isolation.probe.cache_clear()
    yield request.param
    isolation.probe.cache_clear()


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


@pytest.fixture
def rehearse(campus, work):
    return lambda: api.rehearse(api.read_subject(campus.subject), work=work, now=NOW)


@pytest.fixture
def production(tmp_path, campus):
    """Three servers that listen as production's do, each with the words that reach it."""
    folder = tmp_path / "sockets"
    folder.mkdir()
    with contextlib.ExitStack() as held:
        found = {}
        for name, family, address in (
            ("tcp", socket.AF_INET, ("127.0.0.1", 0)),
            ("file", socket.AF_UNIX, str(folder / "mysqld.sock")),
            ("abstract", socket.AF_UNIX, f"\0sapwood-{os.getpid()}"),
        ):
            listener = held.enter_context(socket.socket(family))
            listener.bind(address)
            listener.listen()
            listener.setblocking(False)
            found[name] = listener
        yield found


def _addresses(production):
    # getsockname gives bytes for an abstract address.
    return {name: (int(one.family), one.getsockname()) for name, one in production.items()}


def _accepted(listener):
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def _migration(campus, body, name="0002_run"):
    campus.migration("new", name, RUN_PYTHON.format(body=textwrap.indent(textwrap.dedent(body), "    ")))


def _left(folder):
    """The processes that carry the mark of a rehearsal below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{isolation.MARK}={folder}".encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_a_migration_reaches_production_by_no_way(campus, rehearse, production, tmp_path, kind):
    addresses = _addresses(production)
    media = tmp_path / "media"
    media.mkdir()
    body = f"""
        found = {{}}
        for name, (family, address) in {addresses!r}.items():
            found[name] = attempt(lambda: connect(family, address))
            found[name + " by a program"] = attempt(lambda: started(family, address))
        found["media"] = attempt(lambda: pathlib.Path({str(media / "upload")!r}).write_text("x"))
        found["database"] = attempt(lambda: open({str(campus.database)!r}, "r+b").close())
    """
    code = TRY + textwrap.dedent(body)
    campus.run("new", code + "assert set(found.values()) == {'reached'}, found")
    assert [_accepted(one) for one in production.values()] == [2, 2, 2]  # unconfined, every way is open
    (media / "upload").unlink()

    _migration(campus, code + "raise RuntimeError(json.dumps(found))")
    found = rehearse()
    [failure] = found.failures
    tried = json.loads(failure["message"])
    confined = {"tcp", "file", "abstract"}
    if kind is Kind.NAMESPACES:
        assert "reached" not in tried.values()
        assert [_accepted(one) for one in production.values()] == [0, 0, 0]
        assert not (media / "upload").exists()
    else:
        assert {tried[name] for name in confined} == {"ConnectionRefusedError"}
        assert [_accepted(one) for one in production.values()] == [1, 1, 1]  # the programs, and the report says so
    report = found.to_dict()
    assert report["isolation"] == kind.value
    assert bool(report["isolation_detail"]["why"]) == (kind is Kind.PROCESS)
    assert ("not held back: programs that the code starts" in report["untested"]) == (kind is Kind.PROCESS)
    wanted = [line for line in report["untested"] if line.startswith("shop.0002_run wanted the")]
    assert any(f"127.0.0.1:{addresses['tcp'][1][1]}" in line for line in wanted) == (kind is Kind.PROCESS)
    assert any("mysqld.sock" in line for line in wanted)
    # What was held back made it fail, so nobody knows how it ends in production.
    assert found.verdict is Verdict.UNKNOWN
    assert "was held back, and it failed" in found.reasons[0]


def test_there_is_no_way_out_of_the_namespaces(campus, rehearse, namespaces):
    body = f"""
        def sh(line):
            subprocess.run(["/bin/sh", "-c", line], check=True, capture_output=True)
        ways = {{
            "the root of process 1": lambda: os.stat("/proc/1/root/proc/{os.getpid()}"),
            "a signal": lambda: os.kill({os.getpid()}, 0),
            "remounting": lambda: sh("mount -o remount,bind,rw /"),
            "unmounting": lambda: sh("umount /run || umount /tmp"),
            "namespaces of its own": lambda: sh("unshare --user --map-root-user --mount mount -o remount,bind,rw /"),
            "entering others": lambda: sh("nsenter --target 1 --net true --mount && ls /run/*"),
            "a device": lambda: [open(p, "rb") for p in map(str, pathlib.Path("/dev").iterdir()) if "da" in p][0],
            "the kernel's settings": lambda: pathlib.Path("/proc/sys/vm/swappiness").write_text("60"),
            "shared memory": lambda: next(pathlib.Path("/dev/shm").iterdir()),
            "a set-uid program": lambda: sh("grep -q 'NoNewPrivs:.0' /proc/self/status"),
            "the folder of sockets": lambda: next(pathlib.Path("/run").iterdir()),
        }}
        raise RuntimeError(", ".join(name for name, way in ways.items() if attempt(way) == "reached") or "none")
    """
    _migration(campus, TRY + textwrap.dedent(body))
    [failure] = rehearse().failures
    assert failure["message"] == "none"


def test_an_ordinary_user_has_the_same_walls(production):
    """As root, this becomes somebody who owns nothing; where user namespaces are forbidden it says why, and runs."""
    home = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    try:
        copied = home / "sapwood" / "site" / "upgrades"
        copied.mkdir(parents=True)
        for name in ("data.py", "isolation.py"):
            shutil.copy(SOURCE / "sapwood" / "site" / "upgrades" / name, copied)
        for package in ("core/isolation", "formats"):
            shutil.copytree(SOURCE / "sapwood" / package, home / "sapwood" / package)
        shutil.copytree(Path(rfc8785.__file__).parent, home / "rfc8785")
        shutil.copy(typing_extensions.__file__, home)
        command = []
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
            subprocess.run(["chown", "-R", "65534", home], check=True)
        names = [sys._base_executable, "/usr/bin/python3"]
        check = ["-c", "import os, sys; sys.exit(sys.version_info < (3, 11) or not os.access(sys.executable, os.X_OK))"]
        python = next((one for one in names if not subprocess.run([*command, one, *check], check=False).returncode), "")
        if not python:
            pytest.skip("an ordinary user may run no interpreter here")
        (home / "inner.py").write_text(
            TRY
            + textwrap.dedent(f"""
            addresses = {_addresses(production)!r}
            found = {{name: attempt(lambda: connect(*one)) for name, one in addresses.items()}}
            found["writing"] = attempt(lambda: pathlib.Path("/var/tmp/sapwood-test").write_text("x"))
            found["own"] = attempt(lambda: pathlib.Path({str(home)!r}, "own").write_text("x"))
            found["uid"] = os.getuid()
            print(json.dumps(found))
            """)
        )
        (home / "outer.py").write_text(
            textwrap.dedent("""
            import json, pathlib, subprocess, sys
            from sapwood.site.upgrades.isolation import Level, confinement, probe, wrap
            home = pathlib.Path(__file__).parent
            confined = confinement(Level.SHADOW, databases={}, production=(), scratch=home)
            done = subprocess.run(wrap([sys.executable, home / "inner.py"], confined), capture_output=True, text=True)
            print(json.dumps([probe().kind, probe().why, json.loads(done.stdout or "null"), done.stderr]))
            """)
        )
        done = subprocess.run(
            [*command, python, home / "outer.py"],
            cwd=home,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        kind, why, tried, words = json.loads(done.stdout)
        assert tried, words
        assert (tried.pop("uid"), tried.pop("own")) == (os.geteuid() or 65534, "reached")
        if kind == Kind.NAMESPACES:
            assert "reached" not in tried.values()
            assert [_accepted(one) for one in production.values()] == [0, 0, 0]
        else:
            assert why
    finally:
        shutil.rmtree(home)


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(3600)
    os._exit(0)
"""


def _facts(campus, work):
    subject = api.read_subject(campus.subject)
    databases = {alias: dataclasses.replace(url, read_only=True) for alias, url in subject.databases.items()}
    return django.one(subject, subject.target, "facts", databases=databases, scratch=work, level=Level.READING)


def _settings(campus, text):
    path = campus.folder / "campus_settings.py"
    path.write_text(path.read_text() + text)


def test_what_settings_fork_ends_with_them(campus, work, kind):
    _settings(campus, DAEMON)
    assert _facts(campus, work)["django"]
    assert not _left(work)


def test_settings_that_hang_are_ended_and_said(campus, work, kind, monkeypatch):
    _settings(campus, DAEMON + "time.sleep(3600)\n")
    monkeypatch.setattr(django, "LIMIT_S", 2.0)
    with pytest.raises(django.InsideError, match="gave no answer in") as caught:
        _facts(campus, work)
    assert caught.value.hint
    assert not _left(work)


def test_what_settings_print_without_end_fills_no_disk(campus, work, monkeypatch):
    monkeypatch.setattr(running, "MAX_LOG_BYTES", 100_000)
    _settings(campus, "for _ in range(1000):\n    print('x' * 1000)\nprint('the last word')\n")
    assert _facts(campus, work)["django"]
    log = work / "facts.log"
    assert log.stat().st_size < 110_000
    assert "bytes left out" in log.read_text()
    assert log.read_text().strip().endswith("the last word")


def test_secrets_are_replaced_and_named_and_the_plan_stays_the_same(campus, work):
    _settings(
        campus,
        textwrap.dedent("""
        STRIPE_API_KEY = "sk_live_tree"
        OAUTH = {"client_secret": "leaf", "client_id": "campus"}
        SEARCH = ["https://search:resin@search.example.org/"]
        FIELD_ENCRYPTION_KEY = "rows need this"
        JWT_PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\\nbark\\n-----END PRIVATE KEY-----"
        PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
        TOKEN_MODEL = "campus.tokens.Token"
        """),
    )
    _migration(
        campus,
        """
        from django.conf import settings
        names = ("SECRET_KEY", "STRIPE_API_KEY", "OAUTH", "SEARCH", "FIELD_ENCRYPTION_KEY")
        names += ("PASSWORD_HASHERS", "TOKEN_MODEL")
        raise RuntimeError(" ".join(str(getattr(settings, name)).replace("@", " at ") for name in names))
        """,
    )
    subject = api.read_subject(campus.subject)
    found = api.rehearse(subject, work=work, now=NOW)
    message = found.failures[0]["message"]
    assert "sk_live" not in message
    assert "leaf" not in message
    assert "resin" not in message
    assert "https://search:sapwood-rehearsal at search.example.org/" in message
    for kept in ("'client_id': 'campus'", "rows need this", "PBKDF2PasswordHasher", "campus.tokens.Token"):
        assert kept in message
    secrets = found.to_dict()["isolation_detail"]["secrets"]
    assert secrets["replaced"] == ["OAUTH.client_secret", "SEARCH", "SECRET_KEY", "STRIPE_API_KEY"]
    assert secrets["kept"] == ["FIELD_ENCRYPTION_KEY", "JWT_PRIVATE_KEY"]
    assert api.make_plan(subject, work).digest == found.plan.digest


def test_production_read_over_a_network_is_the_only_open_door(tmp_path):
    server = {"default": DatabaseUrl("mysql", "campus", "db.example.org")}
    reading = isolation.confinement(Level.READING, databases=server, production=server.values(), scratch=tmp_path)
    assert (reading.network, reading.writable) == ("host", (tmp_path,))
    assert isolation.guard(reading, isolation.probe()) is None
    shadow = {"default": DatabaseUrl("mysql", "campus", socket=str(tmp_path / "s.sock"))}
    found = isolation.confinement(Level.SHADOW, databases=shadow, production=server.values(), scratch=tmp_path)
    assert found.network == "none"
    assert "--net" in isolation.wrap(["true"], found, isolation.Ability(Kind.NAMESPACES))
    assert "--net" not in isolation.wrap(["true"], reading, isolation.Ability(Kind.NAMESPACES))


def test_the_socket_of_the_shadow_stays_in_reach(tmp_path, namespaces):
    (tmp_path / "scratch").mkdir()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(tmp_path / "shadow.sock"))
        listener.listen()
        other.bind(str(tmp_path / "other.sock"))
        other.listen()
        confined = isolation.confinement(
            Level.SHADOW,
            databases={"default": DatabaseUrl("mysql", "campus", socket=str(tmp_path / "shadow.sock"))},
            production=(),
            scratch=tmp_path / "scratch",
        )
        code = f"""{TRY}
for name in ("shadow", "other"):
    path = "{tmp_path}/" + name + ".sock"
    print(attempt(lambda: connect(socket.AF_UNIX, path)))
"""
        done = subprocess.run(
            isolation.wrap([sys.executable, "-I", "-c", code], confined), capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["reached", "FileNotFoundError"]


@pytest.mark.parametrize("mode", ["at rest", "in use"])
def test_a_database_in_wal_mode_is_read_though_nothing_can_be_written_beside_it(campus, work, namespaces, mode):
    with contextlib.closing(sqlite3.connect(campus.database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE shop_product SET title = 'changed'")
        connection.commit()
        if mode == "at rest":
            connection.close()
        assert campus.database.with_name("campus.sqlite3-wal").exists() == (mode == "in use")
        assert not api.make_plan(api.read_subject(campus.subject), work).problems


def test_after_kill_nothing_is_left(campus, work, kind, tmp_path):
    """With namespaces all ends with the coordinator; without them, what settings forked ends with the next sweep."""
    _settings(campus, DAEMON)
    _migration(campus, "import pathlib, time\npathlib.Path.home().joinpath('waiting').touch()\ntime.sleep(3600)")
    code = f"""
        import datetime, pathlib, sys
        from sapwood.core import isolation
        from sapwood.site.upgrades.rehearsing import rehearse
        from sapwood.site.upgrades.subject import read_subject
        if {kind is Kind.PROCESS}:
            isolation._trial = lambda ability: "forbidden"
        subject = read_subject(pathlib.Path({str(campus.subject)!r}))
        rehearse(subject, work=pathlib.Path({str(work)!r}), now=datetime.datetime.now(datetime.UTC))
    """
    coordinator = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    while not list(work.glob("shadow-*/*/waiting")):
        assert coordinator.poll() is None
        time.sleep(0.05)
    [folder] = work.glob("shadow-*")
    assert _left(folder)
    assert sweep(work) == 0  # it lives
    coordinator.kill()
    coordinator.wait()
    if kind is Kind.NAMESPACES:
        while _left(folder):
            time.sleep(0.05)
    assert sweep(work) == 1
    while _left(folder):
        time.sleep(0.05)
    assert not folder.exists()
    assert str(work) not in Path("/proc/self/mountinfo").read_text()


def test_a_folder_of_a_run_is_private_and_in_no_backup(tmp_path):
    with private_folder(tmp_path / "work") as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert not folder.exists()


@pytest.mark.django_db(transaction=True)
def test_sweeping_follows_no_link_and_leaves_the_living(tmp_path, monkeypatch):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").touch()
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    work = tmp_path / "var" / "site" / "upgrades"
    with private_folder(work) as living:
        (work / "shadow-link").symlink_to(precious)
        dead = work / "shadow-dead"
        dead.mkdir()
        (dead / "inner").symlink_to(precious)
        job = jobs.enqueue("upgrades.sweep", now=NOW)
        assert jobs.run(str(job), worker="test", clock=FixedClock(NOW))
        assert living.exists()
        assert not dead.exists()
        assert not (work / "shadow-link").is_symlink()
    assert (precious / "thesis").exists()
    assert RECURRING["upgrades.sweep"].interval == dt.timedelta(hours=1)


def test_hostile_names_are_shown_and_never_acted_on(campus, tmp_path, monkeypatch):
    """The names of fields and migrations are those of a stranger: on a page they are text, on a terminal too."""
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    name = "0002_<img src=x onerror=alert(1)>\x1b]0;owned\x07\u202e"
    _migration(campus, "raise RuntimeError('<script>alert(2)</script>\\x1b[2J\\x9b2J')", name)
    campus.subject.write_text(campus.subject.read_text().replace('"campus"', '"<b>campus</b>"', 1))
    command = ["rehearse", str(campus.subject), "--report", str(tmp_path / "report")]
    found, real = [], DjangoDriver.rehearse

    def once(*words, **given):
        found.extend([] if found else [real(*words, **given)])
        return found[0]

    monkeypatch.setattr(DjangoDriver, "rehearse", once)
    for more in ([], ["--json"]):  # the same rehearsal, in words and as data
        result = CliRunner().invoke(upgrade, command + more)
        assert result.exit_code == 3, result.output
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(result.stdout + result.stderr)
    assert json.loads(result.stdout)["migrations"][0]["name"] == name
    page = (tmp_path / "report" / "rehearsal.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page
    assert not any(words in page for words in ("<img", "<script", "<b>campus"))


def test_settings_that_raise_anything_are_one_harmless_line(campus, work):
    _settings(campus, "class Odd(BaseException): pass\nraise Odd('\\x1b[2Jgone')\n")
    with pytest.raises(django.InsideError) as caught:
        _facts(campus, work)
    assert harmless(str(caught.value.message)) == "Odd: \N{REPLACEMENT CHARACTER}[2Jgone"
