"""From the files of a Tutor root to a site's facts: what is declared, what was built, where the two differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sapwood.core.errors import NotFoundError
from sapwood.formats.phrase import Phrase
from sapwood.formats.sitefacts import Plugin, SiteFacts
from sapwood.site.facts.tutor import shapes, sources
from sapwood.site.facts.tutor.customization import customization
from sapwood.site.facts.tutor.files import Root
from sapwood.site.facts.tutor.installed import Installed, ask
from sapwood.site.facts.tutor.plugins import LocalPlugin, read_plugins
from sapwood.site.facts.tutor.services import components, database

PLATFORM = "openedx-platform"
CLOCK_SLACK_S = 120


class NoRootError(NotFoundError):
    """The folder is not a Tutor root."""

    code = "facts.no_tutor_root"


@dataclass(frozen=True)
class Read:
    """Everything that was read, before anything is concluded."""

    root: Root
    tutor_version: str | None
    config: sources.Config | None
    image: sources.Image | None
    images: Mapping[str, str] | None
    settings: sources.Rendered | None
    frontends: Mapping[str, tuple[str, str]]
    plugins_root: Root | None
    local: Mapping[str, LocalPlugin]
    installed: Installed | None
    why: dict[str, Phrase] = field(default_factory=dict)

    def missing(self, fact: str, reason: Phrase) -> None:
        """Say why a fact is unknown."""
        self.why[fact] = reason

    def because(self, name: str) -> Phrase:
        """Why a file told nothing: it is not there, or was refused."""
        refused = self.root.refused.get(name)
        if refused:
            return Phrase("%(name)s was not read: %(reason)s", name=name, reason=refused)
        return Phrase("%(name)s does not say, or is not there", name=name)


def inspect_root(root: Path, *, plugins_root: Path | None = None, python: Path | None = None) -> SiteFacts:
    """The facts of the installation below `root`. Raises NoRootError when it is no Tutor root."""
    if not root.is_dir():
        raise NoRootError(
            Phrase("%(root)s is not a folder", root=root),
            hint=Phrase("Give the folder that `tutor config printroot` prints."),
        )
    read = _read(Root(root), Root(plugins_root) if plugins_root else None, python)
    if read.config is None and read.tutor_version is None and read.image is None and not read.root.refused:
        raise NoRootError(
            Phrase("%(root)s holds neither config.yml nor a rendered environment", root=root),
            hint=Phrase("Give the folder that `tutor config printroot` prints, readable by this user."),
        )
    return _conclude(read)


def _read(root: Root, plugins_root: Root | None, python: Path | None) -> Read:
    return Read(
        root=root,
        tutor_version=shapes.whole_version(root.text(sources.VERSION_FILE)),
        config=sources.read_config(root),
        image=sources.read_dockerfile(root),
        images=sources.read_images(root),
        settings=sources.read_settings(root),
        frontends=sources.read_frontends(root),
        plugins_root=plugins_root,
        local=read_plugins(plugins_root) if plugins_root else {},
        installed=ask(python) if python else None,
    )


def _conclude(read: Read) -> SiteFacts:
    if read.tutor_version is None:
        read.missing("tutor_version", read.because(sources.VERSION_FILE))
    build = _build(read)
    plugins = _plugins(read)
    declared = _declared(read, build)
    inferred, line = _inferred(read, build)
    patches = _patches(read)
    facts = SiteFacts(
        declared_release=declared,
        inferred_release=inferred,
        inferred_line=line,
        distribution=("tutor", read.tutor_version),
        build=build,
        mismatches=tuple(_mismatches(read, build)),
        plugins=plugins,
        database=database(read.config, read.images, read.settings, read.missing),
        components=components(read.config, read.images),
        images=_images(read),
        branches=_branches(read, build),
        patches=patches,
        languages=_languages(read),
        site_count=None,
        why={},
        extra={
            "tutor_version": read.tutor_version,
            "host": {"python": read.installed.python if read.installed else None},
            "deployment": {"orchestrator": None},
            "customization": customization(read.config, read.image, build, plugins, read.local, read.frontends),
            "plugin_count": len(plugins) if plugins is not None else None,
            "local_plugin_count": len(read.local) if read.plugins_root else None,
        },
    )
    read.missing("site_count", Phrase("the number of sites is in the database, not in these files"))
    read.missing("deployment.orchestrator", Phrase("the files for Docker and for Kubernetes are both rendered"))
    if not (read.installed and read.installed.python):
        read.missing("host.python", _not_asked(read) or Phrase("the interpreter does not say"))
    return SiteFacts.from_dict({**facts.to_dict(), "why": dict(sorted(read.why.items()))})


def _build(read: Read) -> dict[str, Any] | None:
    """What the platform's image is built from: a tag, a branch's head, a single commit or a fork."""
    config, image = read.config or sources.Config(), read.image or sources.Image()
    repository = image.repository or config.platform_repository
    ref = image.ref or config.platform_version or config.common_version
    if ref is None and not config.mounts_platform:
        read.missing("build", read.because(sources.DOCKERFILE))
        return None
    named = shapes.NAMED.match(ref or "")
    upstream = repository is None or repository in sources.UPSTREAM
    if config.mounts_platform or not upstream:
        kind = "fork"
    elif named and named["point"] not in {None, "master"}:
        kind = "tag"
    elif named or ref in {"master", "main"}:
        kind = "branch"
    else:
        kind = "commit" if shapes.COMMIT.match(ref or "") else "fork"
    return {
        "kind": kind,
        "repository": repository,
        "ref": ref,
        "line": named["line"] if named else None,
        "mounted": config.mounts_platform,
        "custom_image": _custom_image(read),
    }


def _custom_image(read: Read) -> bool | None:
    name = (read.images or {}).get("lms") or (read.config.platform_image if read.config else None)
    return None if name is None else shapes.image_parts(name)[0] != "openedx" or "overhangio/openedx" not in name


def _release(ref: str | None) -> str | None:
    named = shapes.NAMED.match(ref or "")
    return f"{named['line']}.{named['point']}" if named and named["point"] not in {None, "master"} else None


def _declared(read: Read, build: Mapping[str, Any] | None) -> str | None:
    """The release that the configuration asks for; where it is silent, the one that the rendered files name."""
    config = read.config or sources.Config()
    text = config.platform_version or config.common_version or (str(build["ref"]) if build and build["ref"] else None)
    if text is None:
        silent = (read.because(name) for name in (sources.CONFIG, sources.DOCKERFILE))
        read.missing("declared_release", Phrase.listed(silent))
        return None
    return _release(text) or text


def _inferred(read: Read, build: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """The release that the rendered build checks out, and its line; None when it is not a release."""
    line = str(build["line"]) if build and build["line"] else None
    if build is None:
        read.missing("inferred_release", read.because(sources.DOCKERFILE))
        return None, line
    release = _release(read.image.ref if read.image else None)
    if build["kind"] == "tag" and release:
        return release, line
    reasons = {
        "tag": Phrase("the environment is not rendered, so nothing shows what was built"),
        "branch": Phrase(
            "the build follows the branch %(ref)s, so the release depends on the day of the build", ref=build["ref"]
        ),
        "commit": Phrase("the build checks out the single commit %(ref)s", ref=build["ref"]),
        "fork": Phrase("the build checks out a fork or a local checkout"),
    }
    read.missing("inferred_release", reasons[build["kind"]])
    return None, line


def _plugins(read: Read) -> tuple[Plugin, ...] | None:
    names = read.config.plugins if read.config else None
    if names is None:
        read.missing(
            "plugins", read.because(sources.CONFIG) if read.config is None else Phrase("config.yml lists no PLUGINS")
        )
        return None
    known = dict(read.installed.plugins) if read.installed else {}
    plugins = []
    for name in names:
        version = known.get(name) or (read.local[name].version if name in read.local else None)
        if version is None:
            read.missing(f"plugins.{name}.version", _not_asked(read) or Phrase("the interpreter has no such plugin"))
        plugins.append(Plugin(name, version))
    return tuple(plugins)


def _not_asked(read: Read) -> Phrase:
    return (
        read.installed.problem
        if read.installed
        else Phrase("no interpreter was given (%(option)s)", option="--tutor-python")
    )


def _patches(read: Read) -> tuple[dict[str, Any], ...] | None:
    """Names of patches that local plugins make, and commits that the image applies."""
    found: list[dict[str, Any]] = []
    for plugin in read.local.values():
        found += [{"kind": "environment", "plugin": plugin.name, "name": name} for name in plugin.patches]
    if read.image:
        found += [{"kind": "commit", "repository": name, "commit": commit} for name, commit in read.image.patches]
    if read.plugins_root is None:
        read.missing(
            "patches.environment", Phrase("no plugins root was given (%(option)s)", option="--tutor-plugins-root")
        )
    for name, reason in (read.plugins_root.refused if read.plugins_root else {}).items():
        if shapes.shaped(name.rpartition(".")[0], shapes.NAME):
            read.missing(f"patches.{name}", Phrase("the plugin was not read: %(reason)s", reason=reason))
    if read.image is None:
        read.missing("patches.commit", read.because(sources.DOCKERFILE))
    return tuple(found) if read.image or read.plugins_root else None


def _images(read: Read) -> dict[str, str] | None:
    if read.images is None:
        read.missing("images", read.because(sources.COMPOSE[0]))
        return None
    return dict(read.images)


def _branches(read: Read, build: Mapping[str, Any] | None) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if build and (build["ref"] or build["mounted"]):
        found[PLATFORM] = {"repository": build["repository"], "ref": build["ref"], "kind": build["kind"]}
    for name, (repository, ref) in read.frontends.items():
        found[name] = {"repository": repository, "ref": ref, "kind": _frontend_kind(repository, ref)}
    if not found:
        read.missing("branches", read.because(sources.DOCKERFILE))
    return found or None


def _frontend_kind(repository: str, ref: str) -> str:
    named = shapes.NAMED.match(ref)
    if not repository.startswith(("github.com/openedx/", "github.com/edx/")):
        return "fork"
    return "tag" if named and named["point"] not in {None, "master"} else "branch"


def _languages(read: Read) -> tuple[str, ...] | None:
    code = (read.config.language if read.config else None) or (read.settings.language if read.settings else None)
    if code is None:
        read.missing("languages", read.because(sources.SETTINGS[0]))
        return None
    return (code,)


def _mismatches(read: Read, build: Mapping[str, Any] | None) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []

    def say(code: str, message: Phrase) -> None:
        found.append({"code": code, "message": message})

    config, image = read.config or sources.Config(), read.image
    wanted = config.platform_version or config.common_version
    if wanted and image and image.ref and wanted != image.ref:
        say(
            "declared_not_built",
            Phrase(
                "config.yml asks for %(wanted)s, the rendered build checks out %(built)s",
                wanted=wanted,
                built=image.ref,
            ),
        )
    asked = config.platform_repository
    if asked and image and image.repository and asked != image.repository:
        say(
            "declared_not_built",
            Phrase(
                "config.yml asks for %(wanted)s, the rendered build checks out %(built)s",
                wanted=asked,
                built=image.repository,
            ),
        )
    _, tag = shapes.image_parts((read.images or {}).get("lms"))
    if build and not build["custom_image"] and tag and read.tutor_version and tag != read.tutor_version:
        say(
            "image_not_rendered",
            Phrase(
                "the LMS runs the image of Tutor %(tag)s, the environment is of Tutor %(rendered)s",
                tag=tag,
                rendered=read.tutor_version,
            ),
        )
    if read.installed and read.installed.tutor and read.tutor_version and read.installed.tutor != read.tutor_version:
        text = Phrase(
            "Tutor %(installed)s is installed, the environment was rendered by Tutor %(rendered)s",
            installed=read.installed.tutor,
            rendered=read.tutor_version,
        )
        say("installed_not_rendered", text)
    if config.mounts_platform:
        say("mounted", Phrase("a local checkout of the platform is mounted: what runs is not what the image holds"))
    changed, rendered = read.root.changed_at(sources.CONFIG), read.root.changed_at(sources.VERSION_FILE)
    if changed and rendered and changed - rendered > CLOCK_SLACK_S:
        say("environment_outdated", Phrase("config.yml was changed after the environment was rendered"))
    found += _plugin_mismatches(read)
    return found


def _plugin_mismatches(read: Read) -> list[dict[str, str]]:
    major = (read.tutor_version or "").partition(".")[0]
    official = ("mfe", "indigo", "forum", "discovery", "credentials", "notes", "xqueue", "ecommerce", "minio")
    return [
        {
            "code": "plugin_of_other_line",
            "message": Phrase(
                "the plugin %(name)s %(version)s is of another line than Tutor %(rendered)s",
                name=name,
                version=version,
                rendered=read.tutor_version,
            ),
        }
        for name, version in (read.installed.plugins.items() if read.installed else ())
        if name in official and major and version.partition(".")[0] != major
    ]
