"""Stands in for Tutor where a test needs many calls: what it gives to the engine is what Tutor 20 to 22 would give.

Its release and the tag of its images stand in `said.json` beside its folder. The real ones have tests of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent.parent
SECRETS = ("MYSQL_ROOT_PASSWORD", "OPENEDX_MYSQL_PASSWORD", "OPENEDX_SECRET_KEY")


def main(root: Path, words: list[str]) -> None:
    """One call."""
    version = json.loads((HERE / "said.json").read_text())["tutor"]
    config = yaml.safe_load((root / "config.yml").read_text())
    if words[:2] == ["config", "save"]:
        save(root, config, version)
    elif words[0] == "images":
        engine("build", *words[2:])
    elif words[:2] == ["local", "start"]:
        compose(root, config, "up", "--remove-orphans", "-d", *[word for word in words[2:] if word != "--detach"])
    elif words[:2] == ["local", "stop"]:
        compose(root, config, "stop", *words[2:])
    elif words[:2] == ["local", "run"]:
        compose(root, config, "run", "--rm", "-T", *words[2:])
    elif words[:2] == ["local", "dc"]:
        compose(root, config, *words[2:])
    elif words[:2] == ["local", "upgrade"]:
        compose(root, config, "up", "--remove-orphans", "-d", "mongodb")
        compose(root, config, "stop")
        save(root, config, version)
    elif words[:3] == ["local", "do", "init"]:
        jobs = ("-f", str(root / "env/local/docker-compose.jobs.yml"), "run", "--rm", "-T")
        compose(root, config, *jobs, "mysql-job", "sh", "-e", "-c", "mysql -e 'CREATE USER'")
        if "--limit=mysql" not in words:
            compose(root, config, *jobs, "lms-job", "sh", "-e", "-c", "./manage.py lms migrate; mv uploads away")
    else:
        sys.exit(f"unknown call {words}")


def save(root: Path, config: dict[str, object], version: str) -> None:
    for name in SECRETS:
        config.setdefault(name, os.urandom(8).hex())
    (root / "config.yml").write_text(yaml.safe_dump(config))
    local = root / "env" / "local"
    local.mkdir(parents=True, exist_ok=True)
    openedx = f"docker.io/overhangio/openedx:{version}"
    services = {
        "permissions": {"image": f"docker.io/overhangio/openedx-permissions:{version}"},
        "mysql": {"image": "docker.io/mysql:8.4.0", "volumes": ["../../data/mysql:/var/lib/mysql"]},
        "mongodb": {"image": "docker.io/mongo:7.0.7", "volumes": ["../../data/mongodb:/data/db"]},
        "lms": {"image": openedx, "volumes": ["../../data/lms:/openedx/data"], "depends_on": ["mysql", "mongodb"]},
        "cms": {"image": openedx, "volumes": ["../../data/cms:/openedx/data"], "depends_on": ["lms"]},
    }
    (local / "docker-compose.yml").write_text(yaml.safe_dump({"services": services}))
    production = {
        "caddy": {"image": "docker.io/caddy:2", "ports": [f"{config.get('CADDY_HTTP_PORT', 80)}:80"]},
        "lms-worker": {"image": openedx, "depends_on": ["lms"]},
    }
    (local / "docker-compose.prod.yml").write_text(yaml.safe_dump({"services": production}))
    jobs = {
        "mysql-job": {"image": "docker.io/mysql:8.4.0", "depends_on": ["mysql"]},
        "lms-job": {"image": openedx, "depends_on": ["mysql"]},
    }
    (local / "docker-compose.jobs.yml").write_text(yaml.safe_dump({"services": jobs}))
    (root / "env" / "version").write_text(version)


def compose(root: Path, config: dict[str, object], *words: str) -> None:
    names = ("docker-compose", "docker-compose.prod", "docker-compose.override", "docker-compose.prod.override")
    paths = [root / "env" / "local" / f"{name}.yml" for name in names]
    files = [word for path in paths if path.exists() for word in ("-f", str(path))]
    engine("compose", *files, "--project-name", str(config.get("LOCAL_PROJECT_NAME", "tutor_local")), *words)


def engine(*words: str) -> None:
    sys.stdout.write("docker " + " ".join(words) + "\n")
    sys.stdout.flush()
    if code := subprocess.run(["docker", *words], check=False).returncode:
        sys.exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[2]), sys.argv[3:])
