"""Databases and search: engine, version, and whether Tutor runs them or somebody else does."""

from collections.abc import Callable, Mapping
from typing import Any

from sapwood.formats.phrase import Phrase
from sapwood.site.facts.tutor import shapes
from sapwood.site.facts.tutor.sources import Config, Rendered

ENGINES = {
    "mysql": "mysql",
    "mariadb": "mariadb",
    "percona": "percona",
    "percona-server": "percona",
    "postgres": "postgresql",
    "postgresql": "postgresql",
}
Missing = Callable[[str, Phrase], None]


def database(
    config: Config | None, images: Mapping[str, str] | None, settings: Rendered | None, missing: Missing
) -> dict[str, str | None]:
    """Engine, version and host kind (`bundled` or `external`) of the relational database. Never a host's name."""
    image = (
        next((images[name] for name in ("mysql", "mariadb", "postgres", "postgresql") if name in images), None)
        if images
        else None
    )
    runs = config.runs.get("mysql") if config else None
    if image and runs is not False:
        name, version = shapes.image_parts(image)
        engine = ENGINES.get(name)
        if engine is None:
            missing(
                "database.engine", Phrase("the image of the database has a name that says nothing about its engine")
            )
        if version is None:
            missing("database.version", Phrase("the image of the database has no version in its tag"))
        return {"engine": engine, "version": version, "host_kind": "bundled"}
    if runs is False or images is not None:
        missing("database.version", Phrase("the database is run by somebody else; the files do not hold its version"))
        backend = settings.database_backend if settings else None
        if backend == "postgresql":
            return {"engine": "postgresql", "version": None, "host_kind": "external"}
        missing("database.engine", Phrase("an external server speaks MySQL: the files cannot tell MySQL from MariaDB"))
        return {"engine": None, "version": None, "host_kind": "external"}
    name, version = shapes.image_parts(config.database_image if config else None)
    for fact in ("engine", "version", "host_kind"):
        missing(f"database.{fact}", Phrase("the environment is not rendered"))
    return {"engine": ENGINES.get(name), "version": version, "host_kind": None}


def components(config: Config | None, images: Mapping[str, str] | None) -> dict[str, Any]:
    """The other stores: document database, cache, search."""
    runs = config.runs if config else {}
    found: dict[str, Any] = {
        "mongodb": _component("mongodb", "mongodb", runs, images),
        "redis": _component("redis", "redis", runs, images),
    }
    for engine in ("meilisearch", "elasticsearch", "typesense"):
        if images and engine in images:
            found["search"] = _component(engine, engine, runs, images)
    found.setdefault("search", {"engine": None, "version": None, "host_kind": "external" if images else None})
    return found


def _component(
    service: str, engine: str, runs: Mapping[str, bool], images: Mapping[str, str] | None
) -> dict[str, str | None]:
    if images and service in images and runs.get(service) is not False:
        return {"engine": engine, "version": shapes.image_parts(images[service])[1], "host_kind": "bundled"}
    return {"engine": engine, "version": None, "host_kind": "external" if images is not None else None}
