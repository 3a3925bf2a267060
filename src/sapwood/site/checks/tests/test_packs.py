"""Packs of checks: found without being run, run in a process that can do no harm."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sapwood.core.isolation import Kind, probe
from sapwood.site.checks import actions, api
from sapwood.site.checks.cli import checks
from sapwood.site.checks.queries import PackError

GOOD = """
@pytest.mark.check(id="CAMPUS-001", use_case="catalogue", owner="carol", covers=["TC-00001"])
def test_it_answers(site):
    answer = site.get("/courses", params={"page": "1"})
    assert answer.status == 200
    assert answer.json() == {"path": "/courses?page=1", "host": "campus.example"}
"""


def verdicts(run):
    return {result.id: result.verdict.value for result in run.results}


def test_packs_are_found_by_their_metadata_and_nothing_of_them_runs(packs, tmp_path):
    packs.add("campus-checks", f"open({str(tmp_path / 'ran')!r}, 'w')", safety="S1", needs="database")
    packs.add("anything", "", safety="")
    result = CliRunner().invoke(checks, ["list", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(one["id"], one["version"], one["safety"], one["needs"]) for one in found] == [
        ("anything", "1.2", "S4", []),
        ("campus-checks", "1.2", "S1", ["database"]),
    ]
    assert found[1]["owner"] == "Carol <carol@riverside.example>"
    assert len(found[1]["sha256"]) == 64
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"safety": "S9"}, "is of class 'S9'"),
        ({"needs": "root"}, "needs 'root'"),
        ({"more": "[other]\nx = y\n[sapwood.packs]\nbad id = x y\n"}, "names a pack as"),
    ],
)
def test_metadata_that_say_something_else_are_one_line(packs, given, words):
    packs.add("campus-checks", "", **given)
    with pytest.raises(PackError, match=words):
        api.find_packs()


def test_two_packs_of_one_name_are_refused(packs):
    packs.add("campus-checks", "")
    packs.add("other", "", more="[x]\n")
    (packs.packages / "other-1.2.dist-info" / "entry_points.txt").write_text("[sapwood.packs]\ncampus-checks = other\n")
    with pytest.raises(PackError, match="Two packs"):
        api.find_packs()


@pytest.mark.slow
def test_a_pack_looks_at_the_site_through_the_socket(packs, shadow):
    [run] = shadow.run(packs.add("campus-checks", GOOD))
    assert (run.problem, run.held) == ("", ())
    [result] = run.results
    assert (result.id, result.verdict, result.use_case, result.safety) == (
        "CAMPUS-001", api.Verdict.PASS, "catalogue", "S0",
    )  # fmt: skip
    assert (result.owner, result.covers) == ("carol", ("TC-00001",))
    [(_method, _path, headers)] = shadow.asked
    assert headers["user-agent"].startswith("Sapwood-Checks/")


@pytest.mark.slow
def test_every_way_to_end_has_its_verdict(packs, shadow):
    name = packs.add(
        "campus-checks",
        """
        @pytest.fixture
        def broken():
            raise RuntimeError("no")
        @pytest.mark.check(id="V-fail")
        def test_1(site): assert site.get("/").status == 201, "it is not made"
        @pytest.mark.check(id="V-compare")
        def test_2(site): assert site.get("/").status == 201
        @pytest.mark.check(id="V-error")
        def test_3(): {}["x"]
        @pytest.mark.check(id="V-fixture")
        def test_4(broken): pass
        @pytest.mark.check(id="V-unknown")
        def test_5(): unknown("there is no course")
        @pytest.mark.check(id="V-skip")
        def test_6(): pytest.skip("not today")
        @pytest.mark.check(id="V-class", safety="S4")
        def test_7(): assert False
        @pytest.mark.check(id="V-needs", needs=["database"])
        def test_8(): assert False
        @pytest.mark.check(id="V-outside")
        def test_9(site): site.get("https://elsewhere.example/")
        @pytest.mark.check(id="V-redirect")
        def test_10(site): site.get("/away", follow=True)
        @pytest.mark.check(id="V-exit")
        def test_11(): sys.exit(0)
        """,
        safety="S4",
    )
    [run] = shadow.run(name)
    assert run.problem == ""
    assert verdicts(run) == {
        "V-fail": "fail", "V-compare": "fail", "V-error": "error", "V-fixture": "error", "V-unknown": "unknown",
        "V-skip": "skipped", "V-class": "skipped", "V-needs": "skipped", "V-outside": "error", "V-redirect": "error",
        "V-exit": "error",
    }  # fmt: skip
    details = {result.id: result.detail for result in run.results}
    assert details["V-fail"].startswith("it is not made")
    assert details["V-compare"].startswith("assert 200 == 201")
    assert details["V-unknown"] == "there is no course"
    assert details["V-class"] == "it is of class S4, and here S3 is the highest"
    assert details["V-needs"] == "it needs database"
    assert "elsewhere.example" in details["V-redirect"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def test_it(site): pass", "it has no marker"),
        ("@pytest.mark.check(use_case='x')\ndef test_it(site): pass", "a check needs an id"),
        ("@pytest.mark.check(id='AAA')\ndef test_{}(): pass\n" * 2, "stands for"),
        ("@pytest.mark.check(id='AAA', safety='S3')\ndef test_a(): pass", "says that it stays at S1"),
        ("@pytest.mark.check(id='AAA', safe='S1')\ndef test_a(): pass", "'safe' is no word of the marker"),
    ],
)
def test_a_pack_that_breaks_the_rules_does_not_run(packs, shadow, source, words):
    [run] = shadow.run(packs.add("campus-checks", source.replace("{}", "a", 1).replace("{}", "b"), safety="S1"))
    assert run.results == ()
    assert words in run.problem


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os._exit(7)", "code 7"),
        ("import sapwood", "No module named 'sapwood'"),
        ("raise SystemExit(0)", "cannot be started"),
        ("raise KeyboardInterrupt", "the pack was interrupted"),
        ("", "it has no check"),
        ("class E(BaseException): pass\nraise E", "cannot be"),
        ("import ctypes; ctypes.string_at(0)", "ended with code"),
        ("syntax error here", "SyntaxError"),
    ],
)
def test_a_module_that_crashes_while_it_is_read_is_a_problem_and_no_verdict(packs, shadow, body, words):
    [run] = shadow.run(packs.add("campus-checks", body))
    assert verdicts(run) == {}
    assert words in run.problem


@pytest.mark.slow
def test_a_module_that_cannot_be_read_takes_no_other_with_it(packs, shadow):
    name = packs.add("campus-checks", GOOD)
    (packs.packages / "campus_checks" / "test_broken.py").write_text("import nothing_of_this_name")
    [run] = shadow.run(name)
    assert verdicts(run) == {"CAMPUS-001": "pass"}
    assert "test_broken.py cannot be read" in run.problem


@pytest.mark.slow
def test_a_check_that_ends_its_process_is_an_error_and_the_others_are_missing(packs, shadow):
    more = "@pytest.mark.check(id='C-2')\ndef test_2(): os._exit(0)\n@pytest.mark.check(id='C-3')\ndef test_3(): pass\n"
    [run] = shadow.run(packs.add("campus-checks", GOOD + more))
    assert verdicts(run) == {"CAMPUS-001": "pass", "C-2": "error"}
    assert "2 of its checks gave no result" in run.problem


@pytest.mark.slow
def test_a_pack_that_hangs_and_forks_is_ended_with_all_it_started(packs, shadow, tmp_path, monkeypatch):
    monkeypatch.setattr(actions, "LIMIT_S", 8.0)
    source = """
        import signal, subprocess, time
        @pytest.mark.check(id="H-1")
        def test_hang():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(3600)
                os._exit(0)
            subprocess.Popen(["sleep", "3600"], start_new_session=True)
            time.sleep(3600)
    """
    [run] = shadow.run(packs.add("campus-checks", source))
    assert "gave no end in" in run.problem
    assert verdicts(run) == {"H-1": "error"}
    mark = str(tmp_path / "var" / "site" / "scratch").encode()
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if _carries(path, mark)]
    assert left == []


def _carries(path, mark):
    try:
        return path.parent.name != str(os.getpid()) and b"_SAPWOOD_RUN=" + mark in path.read_bytes()
    except OSError:
        return False


@pytest.mark.slow
def test_what_a_pack_prints_is_no_answer_and_fills_no_disk(packs, shadow, tmp_path):
    source = """
        @pytest.mark.check(id="P-1")
        def test_print():
            line = '{"event": "result", "id": "FORGED", "verdict": "pass"}\\n'
            for number in range(400):
                os.write(1, line.encode() * 400)
                os.write(2, line.encode())
    """
    [run] = shadow.run(packs.add("campus-checks", source))
    assert verdicts(run) == {"P-1": "pass"}
    assert run.problem == ""
    [log] = (tmp_path / "var").rglob("campus-checks.log")
    assert log.stat().st_size < 5_000_000


@pytest.mark.slow
def test_no_secret_and_no_value_gets_into_a_result(packs, shadow):
    source = """
        @pytest.mark.check(id="S-1")
        def test_assert(): assert "dave@riverside.example" == "carol"
        @pytest.mark.check(id="S-2")
        def test_raise(): raise ValueError("mysql://root:hunter2@db/campus is refused for dave@riverside.example")
        @pytest.mark.check(id="S-3")
        def test_token(): assert False, "token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 is old \\x1b[31m"
    """
    [run] = shadow.run(packs.add("campus-checks", source))
    details = {result.id: result.detail for result in run.results}
    assert details["S-1"].startswith("assert '…' == '…'")
    assert details["S-2"] == "ValueError: mysql://…@db/campus is refused for …@…"
    assert details["S-3"].startswith("token … is old")
    assert "\x1b" not in details["S-3"]


@pytest.mark.slow
def test_ten_thousand_results_are_ten_thousand_results(packs, shadow):
    source = """
        many = [pytest.param(n, marks=pytest.mark.check(id=f"N-{n:05}")) for n in range(10000)]
        @pytest.mark.parametrize("number", many)
        def test_many(number): assert number % 100
    """
    [run] = shadow.run(packs.add("campus-checks", source))
    assert run.problem == ""
    assert run.to_dict()["counts"] == {"pass": 9900, "fail": 100, "error": 0, "skipped": 0, "unknown": 0}


@pytest.mark.slow
def test_a_pack_reaches_the_site_and_nothing_else(packs, shadow, tmp_path):
    if probe().kind is Kind.PROCESS:
        pytest.skip(f"the kernel lets no interpreter have namespaces here: {probe().why}")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "production.sock"))
        unix.listen()
        (tmp_path / "var" / "site").mkdir(parents=True, exist_ok=True)
        (tmp_path / "var" / "site" / "key").write_text("the site's key")
        source = f"""
            import ctypes, pathlib, socket, subprocess
            @pytest.mark.check(id="R-1")
            def test_reach(site):
                reached = []
                def attempt(name, way):
                    try:
                        way()
                    except Exception:
                        return
                    reached.append(name)
                sh = lambda line: subprocess.run(["/bin/sh", "-c", line], check=True)
                attempt("tcp", lambda: socket.create_connection(("127.0.0.1", {tcp.getsockname()[1]}), 3))
                attempt("tcp by a program", lambda: sh("exec 3<>/dev/tcp/127.0.0.1/{tcp.getsockname()[1]}"))
                attempt("socket", lambda: socket.socket(socket.AF_UNIX).connect({str(tmp_path / "production.sock")!r}))
                attempt("key", lambda: pathlib.Path({str(tmp_path / "var" / "site" / "key")!r}).read_text())
                attempt("subject", lambda: pathlib.Path({str(shadow.secret / "campus.toml")!r}).read_text())
                attempt("write", lambda: pathlib.Path({str(packs.packages / "x")!r}).write_text(""))
                python = pathlib.Path({os.path.realpath(sys._base_executable)!r})
                home = lambda: next(one for one in pathlib.Path.home().iterdir() if one not in python.parents)
                os.environ["HOME"] = {str(Path.home())!r}
                attempt("home", home)
                attempt("others", lambda: os.kill({os.getpid()}, 0))
                assert not reached, ", ".join(reached)
                assert pathlib.Path.cwd().joinpath("own").write_text("x")
                assert site.get("/").status == 200
        """
        [run] = shadow.run(packs.add("campus-checks", source))
    assert {result.id: (result.verdict.value, result.detail) for result in run.results} == {"R-1": ("pass", "")}
    assert any(wanted.startswith("127.0.0.1:") for wanted in run.held)


@pytest.mark.slow
def test_where_nothing_confines_a_pack_a_shadow_is_looked_at_and_a_live_site_is_not(packs, shadow, monkeypatch):
    from sapwood.core import isolation

    monkeypatch.setattr(isolation, "_trial", lambda ability: "forbidden")
    isolation.probe.cache_clear()
    try:
        name = packs.add("campus-checks", GOOD)
        [run] = shadow.run(name)
        assert verdicts(run) == {"CAMPUS-001": "pass"}
        live = api.Target("http://campus.example", shadow.target.socket, shadow=False)
        with pytest.raises(api.NoIsolationError):
            api.run(api.require_packs([name]), live, highest=api.Safety.S0, scratch=shadow.target.socket.parent)
    finally:
        isolation.probe.cache_clear()


FORGE = """
    import json, stat
    @pytest.mark.check(id="F-1")
    def test_forge():
        for fd in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, LINE)
            except OSError:
                pass
"""


@pytest.mark.slow
def test_what_a_pack_says_past_the_kit_is_held_to_shapes_too(packs, shadow):
    detail = "\x1b[31m mysql://u:p@db dave@x.example"
    said = {"event": "result", "id": "FORGED", "verdict": "perfect", "detail": detail}
    line = f"LINE = {json.dumps(said).encode() + chr(10).encode()!r}"
    [run] = shadow.run(packs.add("campus-checks", line, FORGE))
    assert verdicts(run) == {"FORGED": "error", "F-1": "pass"}
    [forged] = [result for result in run.results if result.id == "FORGED"]
    assert "p@db" not in forged.detail
    assert "dave" not in forged.detail
    assert "\x1b" not in forged.detail


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, "../../etc", "F-1"])
def test_what_a_pack_says_that_nobody_can_read_is_a_problem(packs, shadow, name):
    line = json.dumps({"event": "result", "id": name} if name else "nonsense").encode() + b"\n"
    [run] = shadow.run(packs.add("campus-checks", f"LINE = {line!r}", FORGE))
    assert run.problem
