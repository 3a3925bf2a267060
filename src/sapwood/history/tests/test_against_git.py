"""Patch ids and trial merges, held against what git itself says."""

import itertools
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sapwood.history.forks import State, fork_status
from sapwood.history.patches import changes, patch_of
from sapwood.history.repositories import Source
from sapwood.history.tests.repositories import Repository

VERSION = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
with_merge_tree = pytest.mark.skipif(
    tuple(map(int, VERSION.split(".")[:2])) < (2, 38), reason="git merge-tree --write-tree came with git 2.38"
)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

lines = st.sampled_from(["a\n", "b\n", "  a\n", "a  b\n", "\n", "ä\n", "\tif x:\n", "--- c\n", "+++ d\n", "@@ e\n"])
texts = (
    st.lists(lines, max_size=12)
    .map("".join)
    .flatmap(lambda text: st.sampled_from([text, text.rstrip("\n")]))
    .filter(bool)
)
names = st.sampled_from(["f", "g", "dir/f", "dir/sub/h", "a name", 'quote"d', "ünï"])
trees = st.dictionaries(names, texts, min_size=1, max_size=5)

# Longer files of distinct lines, which merge line by line; renames are left out: each of the two has rules of its own.
long_texts = st.lists(st.booleans(), min_size=12, max_size=12)


def rewritten(flags, word):
    return "".join(f"{word if flag else 'line'} {number}\n\n\n" for number, flag in enumerate(flags))


@pytest.mark.slow
@SLOW
@given(st.lists(trees, min_size=2, max_size=6))
def test_a_patch_id_is_gits(snapshots):
    with TemporaryDirectory() as folder:
        repo = Repository(Path(folder))
        repo.build({"main": ("", snapshots)})
        shown = repo.raw("log", "-p", "--no-renames", "--format=%H", "main")
        theirs = dict(reversed(line.split()) for line in repo.git("patch-id", "--stable", given=shown).splitlines())
        source = Source(repo.path)
        for commit in repo.git("rev-list", "main").splitlines():
            diff = changes(source.commit(commit))
            assert len(diff) == 0 or patch_of(diff).patch_id == theirs[commit]


@pytest.mark.slow
@SLOW
@given(st.lists(trees, min_size=1, max_size=4), st.lists(trees, min_size=1, max_size=2), st.integers(0, 3))
def test_what_is_upstream_already_is_what_git_cherry_says(fork, target, picked):
    base = {"base": "base\n"}
    pairs = [base, *fork]
    picked = min(picked, len(fork) - 1)
    with TemporaryDirectory() as folder:
        repo = Repository(Path(folder))
        # The target's last commit makes the change that one of the fork's makes.
        target = [*target, pairs[picked], pairs[picked + 1]]
        repo.build({"main": ("", [base]), "fork": ("main", fork), "target": ("main", target)})
        said = dict(reversed(line.split()) for line in repo.git("cherry", "target", "fork", "main").splitlines())
        found = {one.id: one.state for one in fork_status(repo.path, "main", "target", head="fork").commits}
        assert {commit for commit, state in found.items() if state != State.UPSTREAM} == said.keys()
        for commit, state in found.items() - {(commit, State.UPSTREAM) for commit in found}:
            if state != State.EMPTY:
                assert (state == State.EQUIVALENT) == (said[commit] == "-"), commit


def test_binary_files_and_modes_are_part_of_a_change(tmp_path):
    """Git's patch id of two changes of a binary file is the same; `git cherry` tells them apart, and so do we."""
    repo = Repository(tmp_path / "r")
    repo.commit("base", {"f": b"\0base", "g": "g\n"})
    repo.branch("fork")
    repo.commit("bytes", {"f": b"\0mine"})
    (repo.path / "g").chmod(0o755)
    repo.commit("mode")
    repo.branch("target")
    repo.commit("bytes", {"f": b"\0theirs"})
    (repo.path / "g").chmod(0o755)
    repo.commit("mode")
    repo.checkout("fork")
    said = [line[0] for line in repo.git("cherry", "target", "fork", "main").splitlines()]
    found = [one.state for one in fork_status(repo.path, "main", "target").commits]
    assert (found, said) == ([State.CARRIED, State.EQUIVALENT], ["+", "-"])


@with_merge_tree
@pytest.mark.slow
@SLOW
@given(
    st.lists(st.tuples(long_texts, long_texts), min_size=1, max_size=4), st.sampled_from(["neither", "fork", "target"])
)
def test_a_trial_merge_gives_what_git_merge_tree_gives(files, gone):
    names = [f"dir{number % 2}/file{number}" for number in range(len(files))]
    plain = {"base": "base\n"} | dict.fromkeys(names, rewritten([False] * 12, ""))
    branches = {"main": ("", [plain])}
    for side, branch in enumerate(("fork", "target")):
        edited = {name: rewritten(flags[side], branch) for name, flags in zip(names, files, strict=True)}
        if gone == branch:
            del edited[names[0]]
        branches[branch] = ("main", [plain | edited if gone != branch else {"base": "base\n"} | edited])
    with TemporaryDirectory() as folder:
        repo = Repository(Path(folder))
        repo.build(branches)
        shown = repo.git("merge-tree", "--write-tree", "--name-only", "-z", "target", "fork", check=False).split("\0")
        conflicted = set(itertools.takewhile(bool, shown[1:]))
        found = fork_status(repo.path, "main", "target", head="fork")
        assert {one.path for one in found.conflicts} == conflicted
        assert {path for one in found.commits for path in one.conflicts} == set(found.conflicts)


@with_merge_tree
def test_a_criss_cross_conflicts_as_in_git(tmp_path):
    def edited(*words):
        return "".join(f"{word}\n" for word in words)

    repo = Repository(tmp_path / "r")
    repo.commit("base", {"f": edited("a", "b", "c", "d", "e", "f", "g")})
    repo.branch("fork")
    first = repo.commit("mine", {"f": edited("mine", "b", "c", "d", "e", "f", "g")})
    repo.checkout("main")
    second = repo.commit("theirs", {"f": edited("a", "b", "c", "d", "e", "f", "theirs")})
    repo.git("merge", "-q", "--no-edit", first)
    repo.commit("theirs again", {"f": edited("theirs", "b", "c", "d", "e", "f", "theirs")})
    repo.checkout("fork")
    repo.git("merge", "-q", "--no-edit", second)
    for word, expected in (("mine", set()), ("other", {"f"})):
        repo.commit("mine again", {"f": edited(word, "b", "c", "d", "e", "f", "theirs"), "g": word})
        shown = repo.git("merge-tree", "--write-tree", "--name-only", "-z", "main", "HEAD", check=False).split("\0")
        found = fork_status(repo.path, "main", "main")
        assert {one.path for one in found.conflicts} == set(itertools.takewhile(bool, shown[1:])) == expected
