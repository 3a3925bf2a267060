"""Sites made by Tutor: on a Tutor that is only pretended, for the driver alone; real ones stand in their own test."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from sapwood.site.facts.tests.tutor_roots import make_root

SUBJECT = """
name = "riverside"
driver = "tutor"
root = "root"
[current]
tutor = "old/bin/tutor"
[target]
tutor = "new/bin/tutor"
"""
COMPOSE = {
    "services": {
        "mysql": {"image": "docker.io/mysql:8.4.0", "volumes": ["../../data/mysql:/var/lib/mysql"]},
        "mongodb": {"image": "docker.io/mongo:7.0.7", "volumes": ["../../data/mongodb:/data/db"]},
        "lms": {
            "image": "docker.io/overhangio/openedx:20.0.3",
            "volumes": ["../../data/lms:/openedx/data", "../../../../etc:/etc", "../apps/x:/y"],
        },
    }
}
INIT = [{"service": "lms", "manage": ["lms migrate"], "moves": True, "mongodb_level": None}]


def answer(tutor: str, release: str, ref: str, **more: Any) -> dict[str, Any]:
    return {
        "event": "tutor",
        "tutor": tutor,
        "release": release,
        "ref": f"release/{ref}",
        "enabled": ["mfe"],
        "loaded": ["mfe"],
        "plugins": {"mfe": {"version": tutor, "pins": []}},
        "settings": {"RUN_MYSQL": {"mark": "a", "value": True}, "OPENEDX_SECRET_KEY": {"mark": "b"}},
        "chosen": ["PLUGINS", "OPENEDX_SECRET_KEY"],
        "images": {"DOCKER_IMAGE_OPENEDX": f"docker.io/overhangio/openedx:{tutor}"},
        "runs": {"RUN_MYSQL": True},
        "build": [],
        "places": ["lms-env"],
        "patches": [],
        "own_patches": [],
        "init": INIT,
        "upgrade": {"known": True, "steps": [], "notes": []},
        **more,
    }


OLD = answer("20.0.3", "teak", "teak.3")
NEW = answer("21.0.9", "ulmo", "ulmo.4")


def pretend(folder: Path, said: dict[str, Any]) -> Path:
    """An environment whose interpreter gives one answer, whatever it is asked."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "said.json").write_text(json.dumps(said))
    script = f"""\
        #!{sys.executable}
        import sys
        if sys.argv[1:3] == ["-I", "-c"]:
            print('{{"python": "3.12.1", "tutor": "{said["tutor"]}", "plugins": {{}}}}')
        else:
            open(sys.argv[-1], "w").write(open({str(folder / "said.json")!r}).read() + chr(10))
    """
    for name in ("python", "tutor"):
        (folder / "bin" / name).write_text(textwrap.dedent(script))
        (folder / "bin" / name).chmod(0o755)
    return folder


def pretended(
    folder: Path, *, old: dict[str, Any] | None = None, new: dict[str, Any] | None = None, **parts: Any
) -> Path:
    """A site with a root and two pretended Tutors; its subject file."""
    make_root(folder / "root", **{"env/local/docker-compose.yml": COMPOSE, **parts})
    (folder / "root" / "data" / "mysql").mkdir(parents=True)
    (folder / "root" / "data" / "mysql" / "ibdata1").write_bytes(b"x" * 1000)
    pretend(folder / "old", old or OLD)
    pretend(folder / "new", new or NEW)
    path = folder / "site.toml"
    path.write_text(SUBJECT)
    return path
