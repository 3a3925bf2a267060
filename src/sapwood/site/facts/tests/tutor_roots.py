"""Writes small Tutor roots by hand: the shape of what Tutor renders, none of its text."""

from pathlib import Path
from typing import Any

import yaml

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary-multi-line\nsecond line\n-----END RSA PRIVATE KEY-----"


def write(path: Path, content: str | bytes | dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = yaml.safe_dump(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def config(**more: Any) -> dict[str, Any]:
    return {
        "ID": "abcdefgh",
        "JWT_RSA_PRIVATE_KEY": KEY,
        "MYSQL_ROOT_PASSWORD": "rootpw",
        "OPENEDX_SECRET_KEY": "secretkey",
        "PLUGINS": ["mfe", "indigo"],
        "LMS_HOST": "lms.campus.test",
        **more,
    }


def dockerfile(
    ref: str = "release/teak.3", repository: str = "https://github.com/openedx/edx-platform.git", more: str = ""
) -> str:
    return (
        "FROM docker.io/ubuntu:22.04 AS minimal\n"
        "ARG PYTHON_VERSION=3.11.8\n"
        f"ARG EDX_PLATFORM_REPOSITORY={repository}\n"
        f"ARG EDX_PLATFORM_VERSION={ref}\n"
        f"{more}\n"
    )


def services(tutor: str = "20.0.3", **more: Any) -> dict[str, Any]:
    return {
        "services": {
            "mysql": {"image": "docker.io/mysql:8.4.0", "environment": {"MYSQL_ROOT_PASSWORD": "rootpw"}},
            "mongodb": {"image": "docker.io/mongo:7.0.7"},
            "redis": {"image": "docker.io/redis:7.4.5"},
            "meilisearch": {
                "image": "docker.io/getmeili/meilisearch:v1.8.4",
                "environment": {"MEILI_MASTER_KEY": "mk"},
            },
            "lms": {"image": f"docker.io/overhangio/openedx:{tutor}"},
            **more,
        }
    }


def settings(engine: str = "django.db.backends.mysql") -> dict[str, Any]:
    return {
        "LANGUAGE_CODE": "es-419",
        "SECRET_KEY": "secretkey",
        "DATABASES": {"default": {"ENGINE": engine, "HOST": "db.internal.test", "USER": "u", "PASSWORD": "dbpw"}},
    }


def make_root(folder: Path, **parts: Any) -> Path:
    """A root with every file; a part given as None is left out."""
    files: dict[str, Any] = {
        "config.yml": config(),
        "env/version": "20.0.3",
        "env/build/openedx/Dockerfile": dockerfile(),
        "env/local/docker-compose.yml": services(),
        "env/apps/openedx/config/lms.env.yml": settings(),
    }
    files |= parts
    for name, content in files.items():
        if content is not None:
            write(folder / name, content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
