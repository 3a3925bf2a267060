"""Stands in for the container engine at the edge of the world: `docker`, as tests put it first in the PATH.

It writes down each call, keeps containers in a file, and imitates what the calls of Tutor and of Sapwood would do: the
platform is a small Django project on SQLite (`conftest.Campus`), whose file is what MySQL keeps. `rules.json` makes
calls fail or hang. It is no proof that a real engine does the same.
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import yaml

STATE = Path(__file__).resolve().parent.parent
DATABASE = "site.sqlite3"
FLAGS = {"--rm", "-T", "--no-deps", "-d", "--remove-orphans", "--detach"}


def main(argv: list[str]) -> None:
    """One call."""
    with (STATE / "calls.jsonl").open("a") as file:
        file.write(json.dumps(argv) + "\n")
    heed_rules(argv)
    if argv[0] == "compose":
        compose(argv[1:])
    elif argv[0] in {"ps", "network", "volume"}:
        listing(argv)
    elif argv[0] == "exec":
        one = next(one for one in containers() if one["id"] == argv[2])
        inside(one["root"], one["service"], one["model"], argv[3:], {})
    elif argv[0] in {"rm", "stop"}:
        named = set(argv[1:])
        with changing() as found:
            for one in list(found):
                if one["id"] in named and argv[0] == "rm":
                    found.remove(one)
                elif one["id"] in named:
                    one["running"] = False
    elif argv[:2] == ["image", "inspect"] or argv[0] in {"version", "build", "run"}:
        return
    else:
        sys.exit(f"unknown call {argv}")


def say(text: str) -> None:
    """On the standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def heed_rules(argv: list[str]) -> None:
    """Fail, hang or kill whoever called, as the test wants."""
    path, said = STATE / "rules.json", " ".join(argv)
    for rule in json.loads(path.read_text()) if path.exists() else []:
        if not all(word in said for word in rule["match"]):
            continue
        say(rule.get("words", ""))
        if rule.get("touch"):
            Path(rule["touch"]).touch()
        if rule.get("hang"):
            time.sleep(3600)
        if rule.get("code"):
            sys.exit(rule["code"])


def containers() -> list[dict[str, Any]]:
    path = STATE / "containers.json"
    return json.loads(path.read_text()) if path.exists() else []


class changing:  # noqa: N801 - reads like a function
    """The containers, written back at the end."""

    def __enter__(self) -> list[dict[str, Any]]:
        self.lock = (STATE / "lock").open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.found = containers()
        return self.found

    def __exit__(self, *_how: object) -> None:
        fresh = STATE / "containers.new"
        fresh.write_text(json.dumps(self.found))
        fresh.replace(STATE / "containers.json")
        self.lock.close()


def compose(argv: list[str]) -> None:  # noqa: C901 - one branch per verb
    if argv == ["version"]:
        return
    files, project, rest = [], "", list(argv)
    while rest and rest[0] in {"-f", "--project-name"}:
        flag, value, *rest = rest
        files += [value] if flag == "-f" else []
        project = value if flag == "--project-name" else project
        while rest and rest[0] == "-f":
            files.append(rest[1])
            rest = rest[2:]
    model: dict[str, Any] = {}
    for file in files:
        model = merged(model, yaml.safe_load(Path(file).read_text()) or {})
    root = str(Path(files[0]).parents[2])
    model.setdefault("networks", {}).setdefault("default", {})
    verb, *words = rest
    if verb == "config":
        say(yaml.safe_dump({"name": project, **resolved(model, Path(files[0]).parent)}))
    elif verb == "up":
        up(model, root, project, [word for word in words if word not in FLAGS] or list(model["services"]))
    elif verb == "stop":
        services = set(words) or set(model["services"])
        with changing() as found:
            for one in found:
                if one["project"] == project and one["service"] in services and not one["oneoff"]:
                    one["running"] = False
    elif verb == "run":
        job(model, root, project, words)
    elif verb == "ls":
        say("[]")
    elif verb not in {"pull", "exec"}:
        sys.exit(f"unknown verb {verb}")


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: merged(one.get(key), other[key]) if key in other else one[key] for key in {**one, **other}}
    return one if other is None else other


def resolved(model: dict[str, Any], here: Path) -> dict[str, Any]:
    """Paths of volumes made absolute, as compose prints them."""
    for service in model["services"].values():
        for number, volume in enumerate(service.get("volumes") or []):
            source, colon, rest = volume.partition(":")
            if source.startswith("."):
                service["volumes"][number] = f"{os.path.normpath(here / source)}{colon}{rest}"
    return model


def up(model: dict[str, Any], root: str, project: str, services: list[str]) -> None:
    wanted = list(services)
    for name in wanted:
        wanted += [one for one in model["services"][name].get("depends_on") or [] if one not in wanted]
    with changing() as found:
        for name in wanted:
            found[:] = [
                one for one in found if (one["project"], one["service"], one["oneoff"]) != (project, name, False)
            ]
            found.append(
                {
                    "id": f"{project}-{name}", "project": project, "service": name, "oneoff": False, "root": root,
                    "running": name != "permissions", "image": model["services"][name].get("image", ""), "model": model,
                }
            )  # fmt: skip


def job(model: dict[str, Any], root: str, project: str, words: list[str]) -> None:
    mounts, rest = {}, list(words)
    while rest and rest[0].startswith("-"):
        flag, *rest = rest
        if flag == "-v":
            source, target = rest[0].split(":")[:2]
            mounts[target], rest = source, rest[1:]
    service, *command = rest
    key = f"{project}-{service}-run-{os.getpid()}"
    with changing() as found:
        found.append(
            {
                "id": key, "project": project, "service": service, "oneoff": True, "root": root, "running": True,
                "image": "", "model": {},
            }
        )  # fmt: skip
    heed_rules(["job", *command])
    try:
        inside(root, service, model, command, mounts)
    finally:
        with changing() as found:
            found[:] = [one for one in found if one["id"] != key]


def listing(argv: list[str]) -> None:
    if argv[1:2] == ["rm"] or argv[0] != "ps":
        return
    wanted = dict(
        word.removeprefix("label=com.docker.compose.").split("=", 1)
        for word in argv
        if word.startswith("label=com.docker.compose.")
    )
    if any(word.startswith("status=") for word in argv):
        return
    for one in containers():
        if not one["running"] and "--all" not in argv:
            continue
        if all(str(one[name]) == value for name, value in wanted.items()):
            say(one["id"])


def inside(root: str, service: str, model: dict[str, Any], command: list[str], mounts: dict[str, str]) -> None:
    """What a command does in a container of a service."""
    data, said = Path(root) / "data", " ".join(command)
    database = data / "mysql" / DATABASE
    if service == "mysql":
        if "mysqldump" in said:
            say(base64.b64encode(database.read_bytes()).decode() + "\n-- Dump completed")
        elif "SHOW DATABASES" in said:
            say("information_schema\nmysql\nopenedx")
        elif "exec mysql " in said:
            database.parent.mkdir(parents=True, exist_ok=True)
            database.write_bytes(base64.b64decode(sys.stdin.read().split("\n")[0]))
    elif service == "mongodb":
        kept = data / "mongodb" / "kept"
        if "mongodump" in said:
            sys.stdout.write(kept.read_text() if kept.exists() else "")
        elif "mongorestore" in said:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(sys.stdin.read())
    elif command[:2] == ["python", "-c"]:
        internal = (model["networks"].get("default") or {}).get("internal")
        sys.exit(0 if internal else 3)
    elif command[0] == "python":
        platform(model, service, database, mounts, command[1:])
    elif "manage.py" in said and "migrate" in said:
        check = ["--check"] if "--check" in said else []
        run([python(model, service), "-m", "django", "migrate", "--verbosity=0", *check], environment(database))
        if "mv " in said:
            (data / "lms" / "moved").touch()


def python(model: dict[str, Any], service: str) -> str:
    tag = model["services"][service]["image"].rpartition(":")[2]
    sides = json.loads((STATE / "sides.json").read_text())
    return next(python for start, python in sides.items() if tag.startswith(start))


def environment(database: Path) -> dict[str, str]:
    paths = f"{STATE}:{json.loads((STATE / 'campus.json').read_text())}"
    more = {"DJANGO_SETTINGS_MODULE": "site_settings", "SITE_DATABASE": str(database), "PYTHONPATH": paths}
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **more}


def platform(model: dict[str, Any], service: str, database: Path, mounts: dict[str, str], words: list[str]) -> None:
    def host(path: str) -> str:
        return next(path.replace(there, here) for there, here in mounts.items() if path.startswith(there))

    script, request, answers = map(host, words[1:])
    content = json.loads(Path(request).read_text())
    content |= {"settings": "site_settings", "pythonpath": [], "scratch": host(content["scratch"])}
    Path(request).write_text(json.dumps(content))
    code = "import sys, runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    run([python(model, service), "-c", code, script, request, answers], environment(database))


def run(argv: list[str], env: dict[str, str]) -> NoReturn:
    sys.exit(subprocess.run(argv, env=env, check=False).returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
