"""Real repositories, made by the real git, away from whoever runs the tests."""

import os
import subprocess
from pathlib import Path

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "gc.auto",
    "GIT_CONFIG_VALUE_0": "0",
    "GIT_CONFIG_KEY_1": "protocol.file.allow",
    "GIT_CONFIG_VALUE_1": "always",
}
LINES = "".join(f"line {number}\n" for number in range(1, 41))


class Repository:
    """A clone in a folder, on branch `main`, and the git that works on it."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self.clock = 1_700_000_000
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *words: str, given: bytes = b"", check: bool = True) -> str:
        return self.raw(*words, given=given, check=check).decode("utf-8", "surrogateescape").strip()

    def raw(self, *words: str, given: bytes = b"", check: bool = True) -> bytes:
        self.clock += 1
        dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{self.clock} +0000")
        done = subprocess.run(
            ["git", "-C", str(self.path), *words], input=given, capture_output=True, check=False, env={**ENV, **dates}
        )
        assert done.returncode == 0 or not check, done.stderr.decode(errors="replace")
        return done.stdout

    def write(self, files: dict[str | bytes, str | bytes | None]) -> None:
        for name, content in files.items():
            path = self.path / os.fsdecode(name)
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str | bytes = "a change", files: dict | None = None) -> str:
        """Write the files (None: removed) and commit everything."""
        self.write(files or {})
        self.git("add", "-A")
        given = message if isinstance(message, bytes) else message.encode()
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", given=given)
        return self.git("rev-parse", "HEAD")

    def build(self, branches: dict[str, tuple[str, list[dict[str, str]]]]) -> None:
        """Branches in one go, quicker than by commits: name > (start, the files of each commit, all of them)."""
        stream = list[str]()
        for name, (start, commits) in branches.items():
            for number, files in enumerate(commits):
                stream += [f"commit refs/heads/{name}", f"committer a <a@example.org> {self.clock + number} +0000"]
                stream += ["data 1", "x", *([f"from refs/heads/{start}"] if start and not number else []), "deleteall"]
                for path, text in files.items():
                    stream += [f"M 100644 inline {path}", f"data {len(text.encode())}", text]
        self.git("fast-import", "--quiet", given="".join(f"{line}\n" for line in stream).encode())

    def branch(self, name: str, start: str = "main") -> None:
        self.git("checkout", "-q", "-b", name, start)

    def checkout(self, name: str) -> None:
        self.git("checkout", "-q", name)


def three_branches(path: Path, base: dict, *, target: dict | None = None, fork: dict | None = None) -> Repository:
    """`main` with the base; `target` and `fork` each with one commit more; the fork is checked out."""
    repo = Repository(path)
    repo.commit("base", base)
    repo.branch("target")
    if target is not None:
        repo.commit("target", target)
    repo.branch("fork")
    if fork is not None:
        repo.commit("fork", fork)
    return repo


def everything(folder: Path) -> dict[str, tuple]:
    """All that a folder is: names, kinds, times, sizes, owners and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, content)
    return found
