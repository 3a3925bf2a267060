"""`sapwood fork status` as somebody types it."""

import json
import os

import pytest

from sapwood.config.cli import main
from sapwood.history import cli
from sapwood.history.tests.repositories import LINES, Repository, everything, three_branches

THEIRS, MINE = LINES.replace("line 5\n", "theirs\n"), LINES.replace("line 5\n", "mine\n")


@pytest.fixture
def fork_status(capsys):
    """Runs the command; gives its exit code, what it printed and what it said of errors."""

    def run(*words, upstream="main", target="target"):
        with pytest.raises(SystemExit) as left:
            main(["fork", "status", "--upstream", upstream, "--target", target, *map(str, words)])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


@pytest.fixture
def clean(tmp_path):
    return three_branches(tmp_path / "clean", {"f": LINES}, target={"g": "g\n"}, fork={"f": MINE}).path


@pytest.fixture
def conflicting(tmp_path):
    return three_branches(tmp_path / "conflicting", {"f": LINES}, target={"f": THEIRS}, fork={"f": MINE}).path


def test_text_says_what_is_carried_and_what_conflicts(fork_status, conflicting):
    code, out, err = fork_status("--repo", conflicting)
    assert (code, err) == (3, "")
    lines = out.splitlines()
    assert lines[0] == f"{conflicting}: conflicts"
    assert lines[2] == "  carried 1: to bring over 1, in the target already 0, empty 0, merges 0; conflicting 1"
    assert lines[3].startswith("  conflicts      ")
    assert lines[4] == "    content: f"
    assert lines[5:] == ["  merged as a whole: conflicts in 1", "    content: f"]


def test_json_has_one_shape(fork_status, conflicting, clean):
    code, out, _ = fork_status("--repo", conflicting, "--json")
    [found] = json.loads(out)["repositories"]
    assert code == 3
    assert set(found) == {
        *("repository", "verdict", "reason", "head", "upstream", "target", "base", "counts", "commits", "conflicts"),
        *("forked_migrations", "error"),
    }
    assert found["conflicts"] == [{"path": "f", "kind": "content", "origin": ""}]
    [commit] = found["commits"]
    assert set(commit) == {
        *("id", "subject", "committed_at", "state", "equivalent", "conflicts", "migrations", "pins", "own_changes"),
    }
    code, out, _ = fork_status("--repo", clean, "--json")
    assert (code, set(json.loads(out)["repositories"][0])) == (0, set(found))


def test_several_repositories_are_each_reported(fork_status, conflicting, clean, tmp_path):
    code, out, _ = fork_status("--repo", clean, "--repo", conflicting, "--json")
    assert (code, [one["verdict"] for one in json.loads(out)["repositories"]]) == (3, ["clean", "conflicts"])
    code, out, _ = fork_status("--repo", tmp_path / "nowhere", "--repo", clean, "--json")
    [broken, good] = json.loads(out)["repositories"]
    assert (code, broken["error"]["code"], good["verdict"]) == (1, "history.not_a_repository", "clean")
    code, out, _ = fork_status("--repo", clean, "--repo", tmp_path / "nowhere")
    assert code == 1
    assert f"{tmp_path / 'nowhere'}: error [history.not_a_repository] " in out


def test_what_is_not_known_has_a_code_of_its_own(fork_status, clean, tmp_path):
    Repository(tmp_path / "x").git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{clean}", "shallow")
    code, out, _ = fork_status("--repo", tmp_path / "x/shallow", upstream="origin/main", target="origin/target")
    assert code == 4
    assert out.splitlines()[0].endswith(
        "shallow: unknown (this is a shallow clone, and a part of its history is missing: git fetch --unshallow)"
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--repo", "nowhere"], 1, "[history.not_a_repository] nowhere is not a git repository"),
        (["--repo", "clean", "--head", "nowhere"], 2, "[history.no_such_ref] clean has no commit named nowhere"),
        ([], 2, "[core.usage] Missing option '--repo'"),
    ],
)
def test_errors_are_one_line(fork_status, clean, monkeypatch, words, code, message):
    monkeypatch.chdir(clean.parent)
    found, out, err = fork_status(*words)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to another user")
def test_a_repository_of_another_user_is_refused_as_git_refuses_it(fork_status, clean):
    for path in (clean, clean / ".git"):
        os.chown(path, 12345, 12345)
    code, _, err = fork_status("--repo", clean)
    assert code == 1
    assert "error [history.foreign_repository] " in err
    assert "safe.directory" in err


def test_nothing_reaches_the_terminal_that_steers_it(fork_status, tmp_path):
    name = "a\x1b[2J\u202e\n.txt"
    repo = three_branches(tmp_path / "r\x1b[1m", {name: LINES}, target={name: THEIRS})
    repo.commit("mine\x1b]0;owned\x07\u202e", {name: MINE, f"d{name}/requirements.txt": "x\n"})
    for words in ((), ("--json",)):
        code, out, err = fork_status("--repo", repo.path, *words)
        assert code == 3
        assert not {"\x1b", "\x07", "\u202e"} & set(out + err)
        out.encode()
    _, _, err = fork_status("--repo", repo.path, upstream="\x1b[2Jnowhere")
    assert "\x1b" not in err


def test_progress_is_said_from_time_to_time(fork_status, clean, monkeypatch):
    monkeypatch.setattr(cli, "EVERY_S", 0.0)
    _, out, err = fork_status("--repo", clean, "--json")
    assert json.loads(out)["repositories"]
    assert f"· {clean}: 1 of 1 carried commits tried\n" in err


def test_nothing_of_the_repository_is_run(fork_status, conflicting, tmp_path):
    """Hooks, filters, drivers of merges and differences, a file system monitor: each would leave a file."""
    repo = Repository(conflicting)
    touch = f"touch {tmp_path}/ran"
    for key in ("merge.own.driver", "diff.own.command", "diff.own.textconv", "filter.own.smudge", "filter.own.clean"):
        repo.git("config", key, touch)
    for key in ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "diff.external"):
        repo.git("config", key, touch)
    (conflicting / ".gitattributes").write_text("* merge=own diff=own filter=own\n")
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction"):
        path = conflicting / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{touch}\n")
        path.chmod(0o755)
    before = everything(conflicting)
    assert fork_status("--repo", conflicting)[0] == 3
    assert everything(conflicting) == before
    assert not (tmp_path / "ran").exists()
