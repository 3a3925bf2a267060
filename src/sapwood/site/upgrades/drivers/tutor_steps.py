"""The steps of a Tutor site's upgrade in their order, and its stores with the way back of each."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sapwood.formats.catalogue import Step
from sapwood.formats.exposure import Applied
from sapwood.site.facts.api import TutorRoot
from sapwood.site.upgrades.drivers.base import Command, Store
from sapwood.site.upgrades.drivers.tutor_sides import IMAGE, Hop, Seen, Tutor

COMPOSE: Final = "env/local/docker-compose.yml"
DATA: Final = re.compile(r"\.\./\.\./(?P<place>data/[A-Za-z0-9_][A-Za-z0-9_-]*)(?=[/:])")
MOST_FILES: Final = 2_000_000
KINDS: Final = {
    "mysql": "sql",
    "mariadb": "sql",
    "postgres": "sql",
    "mongo": "mongodb",
    "meilisearch": "search",
    "elasticsearch": "search",
    "typesense": "search",
    "redis": "cache",
}
SERVICES: Final = {"RUN_MYSQL": "sql", "RUN_MONGODB": "mongodb", "RUN_MEILISEARCH": "search", "RUN_REDIS": "cache"}


def commands(seen: Seen) -> tuple[Command, ...]:
    """Tutor's own steps and the catalogue's, hop by hop: one runs on the release that its `place` says."""
    found: list[Command] = []
    running, release = seen.current, seen.start
    for number, hop in enumerate(seen.hops, 1):
        goal = hop.leg.hop.release or hop.leg.hop.end
        parts = {when: list(_catalogue(hop, number, when, release, goal)) for when in ("before", "during", "after")}
        found += parts["before"]
        if hop.tutor is not None:
            found += _tutor(seen, hop, hop.tutor, number, (running, release), parts["during"])
            running = hop.tutor
        else:
            found += parts["during"]
        found += parts["after"]
        release = goal
    return tuple(found)


def _catalogue(hop: Hop, number: int, when: str, release: str, goal: str) -> Iterator[Command]:
    for applied in hop.leg.steps:
        step = applied.part
        if not isinstance(step, Step) or step.when != when:
            continue
        by_tutor = step.automation.startswith("distribution")
        more = " Tutor's own steps do this." if by_tutor and hop.tutor else ""
        yield Command(
            id=f"{number}.{step.id}",
            when=when,
            title=step.title,
            argv=(),
            reason=f"{step.detail}{more}".strip(),
            source=step.source,
            place=release if when == "before" else goal,
            applies=applied.state.value,
            unverified=by_tutor,
            detail=_note(applied) | {"done_by": "tutor" if by_tutor and hop.tutor else "person"},
        )


def _note(applied: Applied) -> dict[str, Any]:
    return {"note": str(applied.note)} if applied.note else {}


def _tutor(
    seen: Seen, hop: Hop, tutor: Tutor, number: int, left: tuple[Tutor, str], during: Iterable[Command]
) -> Iterator[Command]:
    """A hop as its Tutor makes it; `left` is the Tutor that ran before, and its release."""
    (running, release), goal = left, hop.leg.hop.release or hop.leg.hop.end
    source = (f"tutor {tutor.version}: local launch",)

    def step(name: str, when: str, title: str, argv: tuple[str, ...], reason: str, **more: Any) -> Command:
        given: dict[str, Any] = {"source": source, "place": goal, "unverified": True} | more
        return Command(f"{number}.{name}", when, title, argv, reason, **given)

    old = _call(seen, running)
    new = _call(seen, tutor)
    why_backup = "Tutor says: downgrading is not supported, so this copy is the way back"
    yield step("stop", "before", "Stop the site", (*old, "local", "stop"), "nothing may write any more", place=release)
    if number == 1:
        yield step("backup", "before", "Copy every store while the site is stopped", (), why_backup, place=release)
    if hop.upgrade is not None:
        argv = (*new, "local", "upgrade", f"--from={hop.origin}")
        reason = "Tutor's own steps of the release; named, so that a rendered environment does not skip them"
        upgraded = (f"tutor {tutor.version}: local upgrade",)
        detail = {"calls": hop.upgrade["steps"], "notes": hop.upgrade["notes"]}
        yield step(
            "upgrade", "during", "Tutor's own steps of the release", argv, reason, source=upgraded, detail=detail
        )
    yield step("render", "during", "Render the environment", (*new, "config", "save"), "new templates and defaults")
    yield from during
    if images := _images(seen, tutor):
        reason = "the configuration or a plugin names images that nobody publishes"
        yield step("images", "during", "Build the images", (*new, "images", "build", *images), reason)
    pull = (*new, "local", "dc", "pull", "--ignore-pull-failures")
    yield step(
        "pull", "during", "Fetch the images", pull, "images of the new release; what was built here is not there"
    )
    start = (*new, "local", "start", "--detach")
    why = "databases must run to migrate; what publishes a port and the workers wait until the site is opened"
    yield step("start", "during", "Start what nobody reaches", start, why)
    init = (*new, "local", "do", "init")
    detail = {"tasks": [dict(task) for task in tutor.init]}
    yield step("init", "during", "Migrate and initialise", init, "migrations, search indexes, policies", detail=detail)
    if hop is [one for one in seen.hops if one.tutor][-1]:
        yield step("open", "after", "Open the site", start, "everything else starts, and people reach it")


def _call(seen: Seen, tutor: Tutor) -> tuple[str, ...]:
    plugins = seen.subject.plugins_root
    # Tutor takes the folder of plugins from the environment only.
    before = ("env", f"TUTOR_PLUGINS_ROOT={plugins}") if plugins else ()
    return (*before, str(tutor.program), "--root", str(seen.root))


def _images(seen: Seen, tutor: Tutor) -> tuple[str, ...]:
    """What Tutor says must be built, and the platform's image where the configuration names one of its own."""
    own = ("openedx",) if "DOCKER_IMAGE_OPENEDX" in seen.current.chosen else ()
    return tuple(dict.fromkeys((*tutor.build, *own)))


def stores(seen: Seen) -> tuple[Store, ...]:
    """Every place where the site keeps something, as its rendered files and its configuration name them."""
    undone = _irreversible(seen.hops)
    found = [_folder(seen, place, kind, undone) for place, kind in sorted(_folders(seen.root).items())]
    for name, kind in SERVICES.items():
        if seen.current.runs.get(name) is False:
            found.append(
                Store(
                    f"run by others: {name.removeprefix('RUN_').lower()}",
                    kind,
                    None,
                    size_why="it is run by somebody else",
                    no_way_back=f"{name} is false: its copy and its way back are with whoever runs it",
                    irreversible=tuple(undone.get(kind, ())),
                    unverified=True,
                )
            )
    found.append(
        Store(
            "configuration",
            "configuration",
            *_size([seen.root / "config.yml", seen.root / "env", *filter(None, [seen.subject.plugins_root])]),
            backup="config.yml, env and the folder of plugins are copied, readable by their owner only",
            restore="put back, with the Tutor of the release that was left",
            verify="the digest of each file",
            irreversible=("the environment is rendered anew",) if seen.hops else (),
            unverified=True,
        )
    )
    return tuple(found)


def _folder(seen: Seen, place: str, kind: str, undone: Mapping[str, list[str]]) -> Store:
    size, why = _size([seen.root / place])
    return Store(
        place.removeprefix("data/"),
        kind,
        size,
        size_why=why,
        backup=f"the folder {place} is copied while the site is stopped",
        restore="the copy put back, with the images of the release that was left",
        verify="size and digest of each file",
        irreversible=tuple(undone.get(kind, ())),
        unverified=True,
    )


def _irreversible(hops: Iterable[Hop]) -> dict[str, list[str]]:
    """What Tutor's own steps do that no database can take back, by kind of store."""
    found: dict[str, list[str]] = {}
    for hop in hops:
        if hop.tutor is None:
            continue
        goal = hop.leg.hop.release or hop.leg.hop.end
        calls = [*(hop.upgrade or {}).get("steps", ()), *hop.tutor.init]
        for level in dict.fromkeys(call["mongodb_level"] for call in calls if "mongodb_level" in call):
            found.setdefault("mongodb", []).append(
                f"{goal}: its data are raised to {level}, which an older MongoDB refuses"
            )
        if any(call.get("moves") for call in calls):
            services = ", ".join(
                dict.fromkeys(call["service"] for call in calls if call.get("moves") and "service" in call)
            )
            found.setdefault("uploads", []).append(f"{goal}: files are moved by {services}, and nothing notes which")
        if hop.leg.hop.kind == "line":
            found.setdefault("sql", []).append(f"{goal}: migrations run, and not all of them can be reversed")
    return found


def _folders(root: Path) -> dict[str, str]:
    """The folders below the root that containers keep data in, and the kind of each by the image that uses it."""
    services = (TutorRoot(root).mapping(COMPOSE) or {}).get("services")
    found: dict[str, str] = {}
    bodies = services.values() if isinstance(services, dict) else ()
    for body in (body for body in bodies if isinstance(body, dict)):
        image, volumes = body.get("image"), body.get("volumes")
        kind = kind_of(image) if isinstance(image, str) else "uploads"
        for volume in volumes if isinstance(volumes, list) else ():
            match = DATA.match(volume) if isinstance(volume, str) else None
            # The service that owns a folder is a database; what only sets its owner is not.
            if match and found.get(match["place"], "uploads") == "uploads":
                found[match["place"]] = kind
    return found


def by_hand(steps: Iterable[Command]) -> list[Command]:
    """What a person would have to do while the steps run, between the first and the last that Tutor makes."""
    found = list(steps)
    places = [number for number, step in enumerate(found) if step.automated]
    between = found[places[0] : places[-1]] if places else []
    return [step for step in between if not step.automated and step.detail.get("done_by") == "person"]


def place_of(store: Store) -> str:
    """The folder of a store below the root; none where it is no folder."""
    return f"data/{store.name}" if store.kind != "configuration" and ":" not in store.name else ""


def kind_of(image: str) -> str:
    """What a service keeps, by its image; what is no database holds uploads."""
    return KINDS.get(image.rpartition("/")[2].partition(":")[0], "uploads") if IMAGE.match(image) else "uploads"


def _size(places: Iterable[Path]) -> tuple[int | None, str]:
    """The bytes below some places, and why they are not known."""
    total = count = 0
    refused: list[OSError] = []
    for place in places:
        if place.is_file():
            total += place.stat().st_size
            continue
        for folder, _, files in os.walk(place, onerror=refused.append):
            for name in files:
                count += 1
                try:
                    total += os.lstat(Path(folder, name)).st_size
                except OSError as error:
                    refused.append(error)
            if count > MOST_FILES:
                return None, "it holds too many files to count"
    if any(not isinstance(error, FileNotFoundError) for error in refused):
        return None, "this account may not read all of it"
    return (None, "it is not there") if refused else (total, "")
