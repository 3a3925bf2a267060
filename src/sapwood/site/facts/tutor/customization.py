"""What a site changed by itself, as far as its plugins' patch names tell: yes, no, or unknown."""

from collections.abc import Iterable, Mapping
from typing import Any

from sapwood.formats.sitefacts import Plugin
from sapwood.site.facts.tutor.plugins import LocalPlugin
from sapwood.site.facts.tutor.sources import Config, Image

# Plugins that belong to Tutor itself: their patches are part of the release and change nothing that is the site's own.
PLAIN = frozenset({"mfe", "indigo"})
PATCHES = {
    "settings": ("settings", "lms-env", "cms-env", "common-env", "openedx-auth"),
    "dockerfile": ("openedx-dockerfile", "openedx-dev-dockerfile"),
    "frontend": ("mfe-",),
    "kustomize": ("kustomization", "k8s-"),
}


def customization(
    config: Config | None,
    image: Image | None,
    build: Mapping[str, Any] | None,
    plugins: tuple[Plugin, ...] | None,
    local: Mapping[str, LocalPlugin],
    frontends: Mapping[str, tuple[str, str]],
) -> dict[str, bool | None]:
    """Kinds of customization. False needs proof: every enabled plugin is plain or was read."""
    enabled = [plugin.name for plugin in plugins] if plugins is not None else None
    all_read = enabled is not None and all(
        name in PLAIN or (name in local and local[name].readable) for name in enabled
    )
    names = [name for key in enabled or () if key in local for name in local[key].patches]
    found: dict[str, bool | None] = {
        kind: _any(names, parts) or (False if all_read else None) for kind, parts in PATCHES.items()
    }
    forked = any(not name.startswith("github.com/openedx/") for name, _ in frontends.values())
    found["frontend"] = True if forked else found["frontend"]
    found["packages"] = True if config and config.extra_packages else found["dockerfile"]
    found["theme"] = None if enabled is None else _themed(enabled, all_read=all_read)
    found["dockerfile"] = True if image and build and build["kind"] == "fork" and image.patches else found["dockerfile"]
    return found


def _any(names: Iterable[str], parts: tuple[str, ...]) -> bool:
    return any(part in name for name in names for part in parts)


def _themed(enabled: list[str], *, all_read: bool) -> bool | None:
    """A theme or brand of the site's own cannot be ruled out by patch names; Indigo alone is not one."""
    return False if all_read and set(enabled) <= PLAIN else None
