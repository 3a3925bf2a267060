"""`sapwood fork status` beside `git cherry` and `git merge-tree`, which answer two of its questions: time and memory.

Without arguments on a history that is made here; with PATH UPSTREAM TARGET HEAD on one that is there.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

FILES, COMMITS, CARRIED, LINES = 3_000, 5_000, 60, 60
OURS = """
import json, sys
from pathlib import Path
from sapwood.history.forks import fork_status
found = fork_status(Path(sys.argv[1]), sys.argv[2], sys.argv[3], head=sys.argv[4])
whole = {"verdict": found.verdict, "reason": found.reason, "conflicts_as_a_whole": len(found.conflicts)}
print(json.dumps(whole | found.counts))
"""


def text(number: int, edits: dict[int, str]) -> str:
    """One file's lines, some of them edited."""
    return "".join(edits.get(line, f"file {number} line {line}") + "\n" for line in range(LINES))


def make(path: Path) -> None:
    """An upstream that goes on for 5,000 commits after the fork left it; every tenth of the fork's is in it too."""
    chance = random.Random(3)
    out = ["commit refs/heads/main\ncommitter a <a@example.org> 1 +0000\ndata 1\nx\n"]
    name = "apps/app{}/part{}/module{}.py".format
    paths = [name(number % 40, number % 7, number) for number in range(FILES)]
    for number, where in enumerate(paths):
        content = text(number, {})
        out.append(f"M 100644 inline {where}\ndata {len(content)}\n{content}\n")

    def commits(branch: str, count: int, edits: dict[int, dict[int, str]], shared: list[tuple[int, int, str]]) -> None:
        for at in range(count):
            number, line = chance.randrange(FILES), chance.randrange(LINES)
            word = f"{branch} {at}"
            if shared and at % (count // len(shared)) == 0:
                number, line, word = shared[at // (count // len(shared)) % len(shared)]
            edits.setdefault(number, {})[line] = word
            content = text(number, edits[number])
            start = "from refs/heads/main\n" if at == 0 else ""
            out.append(
                f"commit refs/heads/{branch}\ncommitter {branch} <a@example.org> {at + 2} +0000\ndata 1\nx\n{start}"
            )
            out.append(f"M 100644 inline {paths[number]}\ndata {len(content)}\n{content}\n")

    shared = [(chance.randrange(FILES), chance.randrange(LINES), f"shared {at}") for at in range(CARRIED // 10)]
    commits("target", COMMITS, {}, shared)
    commits("fork", CARRIED, {}, shared)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
    subprocess.run(["git", "-C", str(path), "fast-import", "--quiet"], input="".join(out).encode(), check=True)
    subprocess.run(["git", "-C", str(path), "gc", "-q"], check=True)


def measured(argv: list[str]) -> tuple[dict[str, float], str]:
    """Seconds of processor time and peak memory of a command, and what it printed."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    printed = process.stdout.read()
    _, _, usage = os.wait4(process.pid, 0)
    return {"cpu_s": round(usage.ru_utime + usage.ru_stime, 3), "peak_mb": round(usage.ru_maxrss / 1000)}, printed


def compare(path: str, upstream: str, target: str, head: str) -> dict[str, object]:
    """Each alone (the best of three), and ours against one `git cherry` and a `git merge-tree` per trial merge."""
    commands = {
        "ours": [sys.executable, "-c", OURS, path, upstream, target, head],
        "import_alone": [sys.executable, "-c", "import sapwood.history.forks"],
        "git_cherry": ["git", "-C", path, "cherry", target, head, upstream],
        "git_merge_tree": ["git", "-C", path, "merge-tree", "--write-tree", "--name-only", target, head],
    }
    figures, printed = {}, {}
    for name, argv in commands.items():
        runs = [measured(argv) for _ in range(3)]
        figures[name] = min((run[0] for run in runs), key=lambda run: run["cpu_s"])
        printed[name] = runs[0][1]
    status = json.loads(printed["ours"])
    twenty = [measured(commands["git_merge_tree"])[0]["cpu_s"] for _ in range(20)]
    figures["git_merge_tree"]["cpu_s"] = round(sum(twenty) / 20, 3)
    trials = status["to_bring_over"] + status["merge"] + 1
    peer = figures["git_cherry"]["cpu_s"] + trials * figures["git_merge_tree"]["cpu_s"]
    cherry = [line[:1] for line in printed["git_cherry"].splitlines()]
    return {
        "status": status,
        "cherry": {"carried": cherry.count("+"), "equivalent": cherry.count("-")},
        **figures,
        "trial_merges": trials,
        "peer_cpu_s": round(peer, 2),
        "ratio_to_peer": round((figures["ours"]["cpu_s"] - figures["import_alone"]["cpu_s"]) / peer, 2),
    }


def main() -> None:
    if len(sys.argv) > 1:
        figures = compare(*sys.argv[1:5])
    else:
        with tempfile.TemporaryDirectory(prefix="sapwood-bench-") as folder:
            make(Path(folder) / "fork.git")
            figures = compare(f"{folder}/fork.git", "main", "target", "fork")
    print(json.dumps({"claim": "fork status beside git cherry and git merge-tree", "figures": figures}))


if __name__ == "__main__":
    main()
