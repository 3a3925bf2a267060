"""What each file of a Tutor root says, taken by allow-list from its parsed structure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sapwood.site.facts.tutor import shapes
from sapwood.site.facts.tutor.files import Root

VERSION_FILE = "env/version"
CONFIG = "config.yml"
DOCKERFILE = "env/build/openedx/Dockerfile"
FRONTENDS = "env/plugins/mfe/build/mfe/Dockerfile"
COMPOSE = ("env/local/docker-compose.yml", "env/local/docker-compose.prod.yml")
SETTINGS = ("env/apps/openedx/config/lms.env.yml", "env/apps/openedx/config/lms.env.json")
UPSTREAM = frozenset(
    {"github.com/openedx/edx-platform", "github.com/openedx/openedx-platform", "github.com/edx/edx-platform"}
)
PATCH = re.compile(
    r"https://github\.com/([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)/(?:commit|pull/[0-9]+/commits)/([0-9a-f]{7,40})\.(?:patch|diff)"
)
ADD = re.compile(r"^ADD\s+(?:--\S+\s+)*(\S+)#(\S+)\s", re.MULTILINE)
ARG = re.compile(r"^ARG\s+([A-Z][A-Z0-9_]*)=(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Config:
    """What `config.yml` says, as far as it is anybody's business."""

    common_version: str | None = None
    platform_version: str | None = None
    platform_repository: str | None = None
    platform_image: str | None = None
    database_image: str | None = None
    runs: Mapping[str, bool] = field(default_factory=dict)
    plugins: tuple[str, ...] | None = None
    language: str | None = None
    mounts_platform: bool = False
    extra_packages: bool = False


def read_config(root: Root) -> Config | None:
    """`config.yml`, or None when it cannot be read."""
    data = root.mapping(CONFIG)
    if data is None:
        return None
    plugins = data.get("PLUGINS")
    mounts = data.get("MOUNTS")
    packages = data.get("OPENEDX_EXTRA_PIP_REQUIREMENTS")
    runs = {
        name: on
        for name in ("mysql", "mongodb", "redis", "meilisearch", "elasticsearch")
        if (on := shapes.truth(data.get(f"RUN_{name.upper()}"))) is not None
    }
    return Config(
        common_version=shapes.shaped(data.get("OPENEDX_COMMON_VERSION"), shapes.REF),
        platform_version=shapes.shaped(data.get("EDX_PLATFORM_VERSION"), shapes.REF),
        platform_repository=shapes.repository(data.get("EDX_PLATFORM_REPOSITORY")),
        platform_image=shapes.image(data.get("DOCKER_IMAGE_OPENEDX")),
        database_image=shapes.image(data.get("DOCKER_IMAGE_MYSQL")),
        runs=runs,
        plugins=_names(plugins) if isinstance(plugins, list) else None,
        language=shapes.shaped(data.get("LANGUAGE_CODE"), shapes.LANGUAGE),
        mounts_platform=isinstance(mounts, list) and any(_is_platform(item) for item in mounts),
        extra_packages=isinstance(packages, list) and bool(packages),
    )


def _names(items: list[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for item in items[:500] if (name := shapes.shaped(item, shapes.NAME))))


def _is_platform(mount: Any) -> bool:
    name = str(mount).partition(":")[0].rstrip("/").rpartition("/")[2] if isinstance(mount, str) else ""
    return name in {"edx-platform", "openedx-platform"}


@dataclass(frozen=True)
class Image:
    """What a rendered Dockerfile checks out and patches."""

    repository: str | None = None
    ref: str | None = None
    python: str | None = None
    patches: tuple[tuple[str, str], ...] = ()


def read_dockerfile(root: Root) -> Image | None:
    """The rendered Dockerfile of the platform's image, or None."""
    text = root.text(DOCKERFILE)
    if text is None:
        return None
    args = dict(ARG.findall(text))
    return Image(
        repository=shapes.repository(args.get("EDX_PLATFORM_REPOSITORY")),
        ref=shapes.shaped(args.get("EDX_PLATFORM_VERSION"), shapes.REF),
        python=shapes.whole_version(args.get("PYTHON_VERSION")),
        patches=tuple(dict.fromkeys((name, commit) for name, commit in PATCH.findall(_commands(text))))[:200],
    )


def _commands(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def read_frontends(root: Root) -> dict[str, tuple[str, str]]:
    """Which repository and ref each frontend is built from."""
    text = root.text(FRONTENDS)
    found: dict[str, tuple[str, str]] = {}
    for address, ref in ADD.findall(text or "")[:200]:
        name, at = shapes.repository(address), shapes.shaped(ref, shapes.REF)
        if name and at:
            found[name.rpartition("/")[2]] = (name, at)
    return found


def read_images(root: Root) -> dict[str, str] | None:
    """The image of each service that the rendered compose files start, or None when there are none."""
    images: dict[str, str] = {}
    seen = False
    for name in COMPOSE:
        data = root.mapping(name)
        services = (data or {}).get("services")
        if not isinstance(services, dict):
            continue
        seen = True
        for service, body in list(services.items())[:200]:
            known = shapes.shaped(service, shapes.NAME)
            text = shapes.image(body.get("image")) if isinstance(body, dict) else None
            if known and text:
                images[known] = text
    return images if seen else None


@dataclass(frozen=True)
class Rendered:
    """What the platform's rendered settings say."""

    database_backend: str | None = None
    language: str | None = None


def read_settings(root: Root) -> Rendered | None:
    """The rendered settings of the LMS, or None."""
    for name in SETTINGS:
        data = root.mapping(name)
        if data is None:
            continue
        databases = data.get("DATABASES")
        default = databases.get("default") if isinstance(databases, dict) else None
        backend = shapes.literal(default.get("ENGINE")) if isinstance(default, dict) else None
        return Rendered(
            database_backend=(backend or "").rpartition(".")[2] if backend in BACKENDS else None,
            language=shapes.shaped(data.get("LANGUAGE_CODE"), shapes.LANGUAGE),
        )
    return None


BACKENDS = frozenset({"django.db.backends.mysql", "django.db.backends.postgresql", "django.db.backends.sqlite3"})
