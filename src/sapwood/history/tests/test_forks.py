"""What a fork carries: real repositories, made by git, read by `fork_status`."""

import shutil

import pytest

from sapwood.history.forks import State, Verdict, fork_status
from sapwood.history.merging import pick
from sapwood.history.repositories import NoSuchRefError, NotARepositoryError, Source, shown_name
from sapwood.history.tests.repositories import LINES, Repository, everything, three_branches


def status(repo, upstream="main", target="target", **more):
    return fork_status(repo.path, upstream, target, **more)


def edited(line, text):
    return LINES.replace(f"line {line}\n", f"{text}\n")


def kinds(found):
    return {(one.path, one.kind.value, one.origin) for one in found}


def test_a_fork_that_carries_nothing_is_clean(tmp_path):
    found = status(three_branches(tmp_path / "r", {"f": LINES}, target={"f": edited(1, "new")}))
    assert (found.verdict, found.commits, found.base) == (Verdict.CLEAN, (), found.head.commit)


def test_commits_are_told_apart(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES, "g": LINES})
    mine = repo.commit("mine", {"f": edited(3, "mine")})
    fix = repo.commit("a fix", {"g": edited(9, "fixed")})
    repo.commit("nothing at all")
    repo.commit("contributed and merged as it was", {"h": "h\n"})
    repo.checkout("target")
    repo.git("merge", "-q", "--no-edit", "fork")
    repo.git("revert", "--no-edit", mine)
    repo.git("reset", "-q", "--hard", "main")
    repo.commit("an older change", {"f": edited(30, "theirs")})
    repo.git("cherry-pick", fix)
    same = repo.git("rev-parse", "HEAD")
    repo.checkout("fork")
    found = status(repo)
    assert [(one.subject, one.state.value) for one in found.commits] == [
        ("mine", "carried"),
        ("a fix", "equivalent"),
        ("nothing at all", "empty"),
        ("contributed and merged as it was", "carried"),
    ]
    assert found.commits[1].equivalent == same
    assert found.verdict == Verdict.CLEAN
    assert found.counts["to_bring_over"] == 2


def test_a_commit_that_the_target_has_itself_is_upstream(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES}, fork={"f": edited(3, "mine")})
    repo.checkout("target")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "fork")
    repo.checkout("fork")
    repo.commit("later", {"g": "g\n"})
    assert [one.state for one in status(repo).commits] == [State.UPSTREAM, State.CARRIED]


def test_a_fork_of_which_all_is_upstream_is_clean_though_a_merge_would_conflict(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES}, fork={"f": edited(3, "fixed")})
    repo.checkout("target")
    repo.git("cherry-pick", "fork")
    repo.commit("and further", {"f": edited(3, "fixed and then changed again")})
    repo.checkout("fork")
    found = status(repo)
    assert found.counts["equivalent"] == 1
    assert kinds(found.conflicts) == {("f", "content", "")}
    assert found.verdict == Verdict.CLEAN


@pytest.mark.parametrize(
    ("base", "target", "fork", "expected"),
    [
        ({"f": LINES}, {"f": edited(5, "theirs")}, {"f": edited(5, "mine")}, {("f", "content", "")}),
        ({"f": LINES}, {"f": edited(35, "theirs")}, {"f": edited(5, "mine")}, set()),
        ({"f": LINES, "g": "g"}, {"f": None}, {"f": edited(5, "mine")}, {("f", "modify/delete", "")}),
        ({"f": LINES, "g": "g"}, {"f": edited(5, "theirs")}, {"f": None}, {("f", "modify/delete", "")}),
        ({"g": "g"}, {"f": "theirs\n"}, {"f": "mine\n"}, {("f", "add/add", "")}),
        ({"f": b"a\0b"}, {"f": b"a\0theirs"}, {"f": b"a\0mine"}, {("f", "binary", "")}),
        (
            {"f": LINES, "g": "g"},
            {"f": None, "new/f": edited(5, "theirs")},
            {"f": edited(5, "mine")},
            {("new/f", "rename", "f")},
        ),
        (
            {"f": LINES, "g": "g"},
            {"f": None, "theirs": LINES},
            {"f": None, "mine": LINES},
            {("mine", "rename", "f"), ("theirs", "rename", "f")},
        ),
        ({"f": LINES, "g": "g"}, {"f": None}, {"f": None, "mine": LINES}, {("mine", "rename", "f")}),
        ({"g": "g"}, {"f": "a file\n"}, {"f/g": "a folder\n"}, {("f", "file/directory", "")}),
    ],
)
def test_what_conflicts_and_why(tmp_path, base, target, fork, expected):
    found = status(three_branches(tmp_path / "r", base, target=target, fork=fork))
    assert kinds(found.conflicts) == expected
    assert kinds(found.commits[0].conflicts) == expected
    assert found.verdict == (Verdict.CONFLICTS if expected else Verdict.CLEAN)


def test_a_pointer_of_lfs_is_binary(tmp_path):
    def pointer(oid):
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid * 64}\nsize 12\n"

    repo = three_branches(tmp_path / "r", {"f": pointer("a")}, target={"f": pointer("b")}, fork={"f": pointer("c")})
    assert kinds(status(repo).conflicts) == {("f", "binary", "")}


def test_symlinks_and_submodules_conflict_as_what_they_are(tmp_path):
    repo = Repository(tmp_path / "r")
    commits = [repo.commit(name) for name in ("one", "two", "three")]

    def side(branch, link, commit):
        repo.git("checkout", "-q", "-B", branch, "main")
        (repo.path / "link").unlink(missing_ok=True)
        (repo.path / "link").symlink_to(link)
        repo.git("add", "link")
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},module")
        repo.git("commit", "-q", "-m", branch)

    side("main", "/etc/base", commits[0])
    side("target", "/etc/theirs", commits[1])
    side("fork", "/etc/mine", commits[2])
    assert kinds(status(repo).conflicts) == {("link", "symlink", ""), ("module", "submodule", "")}


def test_a_conflict_is_told_once_and_not_by_every_later_commit(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES}, target={"f": edited(5, "theirs")})
    repo.commit("conflicts", {"f": edited(5, "mine")})
    repo.commit("goes on from there", {"f": edited(5, "mine, better")})
    assert [bool(one.conflicts) for one in status(repo).commits] == [True, False]


def test_what_the_upstream_branch_alone_has_is_not_the_forks(tmp_path):
    """A backport to the release that the fork follows conflicts with the target; the fork never touched it."""
    repo = three_branches(tmp_path / "r", {"f": LINES, "g": LINES}, target={"f": edited(5, "fixed on the target")})
    repo.checkout("main")
    repo.commit("backport", {"f": edited(5, "fixed another way")})
    repo.checkout("fork")
    repo.git("merge", "-q", "main")
    repo.commit("mine", {"g": edited(7, "mine")})
    found = status(repo)
    assert (found.verdict, found.conflicts) == (Verdict.CLEAN, ())
    assert [one.subject for one in found.commits] == ["mine"]


def test_merges_are_told_apart_and_what_they_changed_themselves_is_said(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES, "g": LINES})
    repo.commit("mine", {"f": edited(5, "mine")})
    repo.checkout("main")
    repo.commit("upstream goes on", {"f": edited(5, "theirs"), "g": edited(1, "theirs")})
    repo.checkout("fork")
    repo.git("merge", "-q", "main", check=False)
    repo.commit("merged by hand", {"f": edited(5, "both")})
    repo.branch("topic", "fork")
    repo.commit("topic", {"h": "h\n"})
    repo.checkout("fork")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    repo.git("branch", "-f", "target", "main")
    found = status(repo)
    assert [(one.state.value, one.own_changes) for one in found.commits] == [
        ("carried", ()),
        ("merge", ("f",)),
        ("carried", ()),
        ("merge", ()),
    ]
    assert found.conflicts == ()  # the merge settled it, for whoever merges
    assert kinds(found.commits[0].conflicts) == {("f", "content", "")}  # and a rebase meets it again
    assert found.verdict == Verdict.CONFLICTS


def test_criss_cross_merges_are_read(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES, "g": LINES})
    repo.commit("mine", {"f": edited(5, "mine")})
    repo.checkout("main")
    repo.commit("theirs", {"g": edited(5, "theirs")})
    repo.git("tag", "before")
    repo.git("merge", "-q", "--no-edit", "fork")
    repo.checkout("fork")
    repo.git("merge", "-q", "--no-edit", "before")
    repo.commit("mine again", {"f": edited(20, "mine again")})
    repo.checkout("main")
    repo.commit("theirs again", {"g": edited(20, "theirs again")})
    repo.checkout("fork")
    assert len(repo.git("merge-base", "--all", "main", "fork").splitlines()) == 2
    found = status(repo, target="main")
    assert found.verdict == Verdict.CLEAN
    assert [(one.subject, one.state.value) for one in found.commits][-1] == ("mine again", "carried")


def test_an_octopus_and_a_root_of_its_own_are_read(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES})
    for name in ("a", "b"):
        repo.branch(name)
        repo.commit(name, {name: name})
    repo.git("checkout", "-q", "--orphan", "elsewhere")
    repo.git("rm", "-rfq", ".")
    repo.commit("a root", {"own": "own\n"})
    repo.checkout("fork")
    repo.commit("mine", {"c": "c\n"})
    repo.git("merge", "-q", "--no-edit", "a", "b")
    assert len(repo.git("rev-list", "--parents", "-1", "HEAD").split()) == 4
    repo.git("merge", "-q", "--no-edit", "--allow-unrelated-histories", "elsewhere")
    found = status(repo)
    assert sorted(one.state.value for one in found.commits) == [*["carried"] * 4, "merge", "merge"]
    assert not any(one.own_changes for one in found.commits)
    assert found.verdict == Verdict.CLEAN


def test_dependency_pins_are_named(tmp_path):
    files = ["requirements/edx/base.txt", "requirements.in", "package.json", "package-lock.json", "setup.py", "uv.lock"]
    fork = dict.fromkeys([*files, "docs/package.json.md", "src/lock.py"], "new\n")
    found = status(three_branches(tmp_path / "r", {"f": LINES}, fork=fork))
    assert set(found.commits[0].pins) == set(files)


def test_nothing_is_written(tmp_path):
    """Not an object, not a ref, not even a file's time; the last one takes care of libgit2's freshening."""
    repo = three_branches(
        tmp_path / "r",
        {"f": LINES, "g": LINES, "h/f": LINES},
        target={"f": edited(5, "theirs"), "g": edited(30, "theirs"), "h/f": edited(30, "theirs")},
        fork={"f": edited(5, "mine"), "g": edited(5, "mine"), "h/f": edited(5, "mine")},
    )
    # What the merge makes is there already, loose and packed: libgit2 would touch those files.
    repo.git("hash-object", "-w", "--stdin", given=edited(5, "mine").replace("line 30\n", "theirs\n").encode())
    before = everything(repo.path)
    assert status(repo).verdict == Verdict.CONFLICTS
    assert everything(repo.path) == before
    repo.git("repack", "-a", "-d", "-q")
    before = everything(repo.path)
    assert status(repo).verdict == Verdict.CONFLICTS
    assert everything(repo.path) == before


def test_memory_is_given_back_on_the_way(tmp_path, monkeypatch):
    repo = three_branches(tmp_path / "r", {"d/e/f": LINES}, target={"d/e/f": edited(30, "theirs"), "d/g": "g\n"})
    commits = [repo.commit(f"mine {line}", {"d/e/f": edited(line, "mine")}) for line in range(1, 28)]
    sizes = {}
    for limit in (10**9, 0):
        monkeypatch.setattr("sapwood.history.merging.MAX_MEMORY_BYTES", limit)
        source = Source(repo.path)
        onto = source.commit("target").tree_id
        for commit in commits:
            outcome = pick(source, source.commit(commit), onto)
            onto = outcome.tree
            assert outcome.conflicts == ()
        sizes[limit] = source.memory.size_bytes
    assert sizes[0] < sizes[10**9] / 10
    assert status(repo).verdict == Verdict.CLEAN


def test_a_bare_repository_a_worktree_and_alternates_are_read_alike(tmp_path):
    repo = three_branches(
        tmp_path / "r", {"f": LINES}, target={"f": edited(5, "theirs")}, fork={"f": edited(5, "mine")}
    )
    expected = status(repo).to_dict()
    assert expected["verdict"] == "conflicts"
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    repo.git("clone", "-q", "--shared", "--bare", ".", str(tmp_path / "shared.git"))
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"), "fork", "-f")
    for name in ("bare.git", "shared.git", "tree"):
        found = fork_status(tmp_path / name, "main", "target").to_dict()
        assert {**found, "repository": ""} == {**expected, "repository": ""}, name


def test_a_shallow_clone_is_not_known(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES}, target={"g": "g\n"}, fork={"f": edited(5, "mine")})
    repo.git("clone", "-q", "--depth=1", "--no-single-branch", f"file://{repo.path}", str(tmp_path / "shallow"))
    found = fork_status(tmp_path / "shallow", "origin/main", "origin/target")
    assert (found.verdict, found.reason.split(":")[0]) == (
        Verdict.UNKNOWN,
        "this is a shallow clone, and a part of its history is missing",
    )


def test_missing_objects_are_not_known(tmp_path):
    repo = three_branches(
        tmp_path / "r", {"f": LINES}, target={"f": edited(5, "theirs")}, fork={"f": edited(5, "mine")}
    )
    repo.git("config", "uploadpack.allowfilter", "true")
    repo.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repo.path}", str(tmp_path / "partial"))
    oid = repo.git("rev-parse", "target:f")
    (repo.path / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    # Older gits note a partial clone by an extension too.
    repo.git("-C", str(tmp_path / "partial"), "config", "extensions.partialClone", "origin")
    for path in (repo.path, tmp_path / "partial"):
        found = fork_status(path, "main", "target", head="fork")
        assert found.verdict == Verdict.UNKNOWN
        assert found.reason.startswith("an object is missing or broken: ")


def test_a_broken_object_is_not_known(tmp_path):
    repo = three_branches(
        tmp_path / "r", {"f": LINES}, target={"f": edited(5, "theirs")}, fork={"f": edited(5, "mine")}
    )
    oid = repo.git("rev-parse", "target:f")
    path = repo.path / ".git" / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"not zlib at all")
    assert status(repo).verdict == Verdict.UNKNOWN


def test_histories_without_a_common_commit_are_not_known(tmp_path):
    repo = three_branches(tmp_path / "r", {"f": LINES}, fork={"g": "g\n"})
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit("another beginning", {"f": "other\n"})
    repo.checkout("fork")
    assert status(repo, upstream="other").reason == "the fork and the upstream branch have no common history"
    assert status(repo, target="other").reason == "the fork and the target have no common history"


def test_too_many_commits_are_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr("sapwood.history.forks.MAX_CARRIED", 1)
    repo = three_branches(tmp_path / "r", {"f": LINES}, fork={"g": "g\n"})
    repo.commit("second")
    assert status(repo).reason.startswith("more than 1 commits are carried")


def test_what_is_no_repository_and_what_is_no_name(tmp_path):
    with pytest.raises(NotARepositoryError):
        fork_status(tmp_path, "main", "target")
    with pytest.raises(NotARepositoryError):
        fork_status(tmp_path / "nowhere", "main", "target")
    repo = three_branches(tmp_path / "r", {"f": LINES})
    (repo.path / "sub").mkdir()
    with pytest.raises(NotARepositoryError):
        fork_status(repo.path / "sub", "main", "target")
    for ref in ("nowhere", "", "-x", "main:f", "a..b", "\udcff"):
        with pytest.raises(NoSuchRefError):
            status(repo, upstream=ref)
    with pytest.raises(NoSuchRefError, match="has no commits"):
        fork_status(Repository(tmp_path / "empty").path, "main", "target")
    shutil.rmtree(repo.path / ".git" / "objects")
    with pytest.raises(NotARepositoryError):
        status(repo)


def test_hostile_names_and_messages_are_harmless(tmp_path):
    name = b'a\n\x1b[31m\xe2\x80\xae\xff"\\.txt'
    repo = three_branches(
        tmp_path / "r", {name: LINES, "\u0645\u0644\u0641": LINES}, target={name: edited(5, "theirs")}
    )
    repo.commit("mine", {name: edited(5, "mine")})
    raw = repo.raw("cat-file", "commit", "HEAD").replace(
        b"mine", b"\x1b]0;owned\x07 \xe2\x80\xaegnp.exe \xff\nsecond line"
    )
    repo.git("reset", "-q", "--soft", repo.git("hash-object", "-w", "-t", "commit", "--stdin", given=raw))
    found = status(repo)
    assert kinds(found.conflicts) == {('"a\\n\\033[31m\\342\\200\\256\\377\\"\\\\.txt"', "content", "")}
    assert found.commits[0].subject == "]0;owned gnp.exe \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(("seconds", "year"), [(0, 1970), (-5, 1969), (253402300800, 9999), (99999999999999999, 9999)])
def test_a_commit_of_any_time_is_read(tmp_path, seconds, year):
    repo = three_branches(tmp_path / "r", {"f": LINES}, target={"g": "g\n"}, fork={"f": edited(5, "mine")})
    old = repo.raw("cat-file", "commit", "HEAD")
    raw = b"".join(
        line.rsplit(b" ", 2)[0] + f" {seconds} +0000\n".encode() if line.startswith(b"committer") else line
        for line in old.splitlines(keepends=True)
    )
    forged = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", given=raw)
    [commit] = status(repo, head=forged).commits
    assert commit.committed_at.year == year


@pytest.mark.parametrize("entry", [b"100644 .git\0", b"100644 ..\0", b"7777777777777 f\0", b"\xffgarbage\0", b""])
def test_a_tree_that_no_git_would_make_is_never_clean(tmp_path, entry):
    repo = three_branches(tmp_path / "r", {"f": LINES}, target={"f": edited(5, "theirs")})
    blob = repo.git("hash-object", "-w", "--stdin", given=b"hostile")
    given = entry + bytes.fromhex(blob)
    tree = repo.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=given)
    raw = repo.raw("cat-file", "commit", "main").split(b"\n", 1)[1].replace(b"author", b"parent %b\nauthor", 1)
    raw = f"tree {tree}\n".encode() + raw.replace(b"%b", repo.git("rev-parse", "main").encode())
    forged = repo.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", given=raw)
    for head, target in ((forged, "target"), ("target", forged)):
        found = status(repo, head=head, target=target)
        assert found.verdict == Verdict.UNKNOWN
        assert found.reason.startswith("an object is missing or broken: ")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"src/f.py", "src/f.py"),
        ("ملف ünï.txt".encode(), "ملف ünï.txt"),
        (b"", '""'),
        (b"\xff", '"\\377"'),
        ("looks\u3164empty".encode(), '"looks\\343\\205\\244empty"'),
        (("a" + "\u0300" * 9).encode(), '"a' + "\\314\\200" * 9 + '"'),
    ],
)
def test_a_name_is_shown_as_it_is_or_quoted(name, shown):
    assert shown_name(name) == shown


def test_a_merge_of_the_target_is_no_equivalent(tmp_path):
    """Git compares no merges either; what it brought is told by the commits on its branch."""
    repo = three_branches(tmp_path / "r", {"f": LINES}, fork={"f": edited(5, "mine")})
    repo.branch("topic", "target")
    repo.commit("half", {"f": edited(5, "half of mine")})
    repo.commit("whole", {"f": edited(5, "mine")})
    repo.checkout("target")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    assert repo.git("cherry", "target", "fork", "main")[0] == "+"
    found = status(repo, head="fork")
    assert (found.commits[0].state, found.verdict) == (State.CARRIED, Verdict.CLEAN)
