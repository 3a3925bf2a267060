"""A small catalogue of an invented project, and the one that ships for the first real project."""

import copy
from pathlib import Path
from typing import Any

from sapwood.formats.catalogue import Catalogue

SHIPPED = Path(__file__).parents[2] / "commons" / "releases" / "openedx" / "catalogue.json"


def shipped_data() -> dict[str, Any]:
    return Catalogue.from_bytes(SHIPPED.read_bytes()).to_dict()


def shipped() -> Catalogue:
    return Catalogue.from_bytes(SHIPPED.read_bytes())


def line(name: str, status: str, releases: list[tuple[str, str | None]], until: str | None = None, **more: Any):
    return {
        "name": name,
        "letter": name[0].upper(),
        "status": status,
        "releases": [{"version": v, "tag": f"v/{v}", "date": d} for v, d in releases],
        "branch": f"v/{name}" if releases else None,
        "supported_until": until,
        "tag_form": "v/{name}.N",
        "source": ["table"],
        **more,
    }


SMALL: dict[str, Any] = {
    "type": "catalogue",
    "version": 1,
    "uuid": "0d8a3c56-6a1b-4a8e-9a53-0d6f3f0f2c11",
    "revision": 1,
    "channel": "releases",
    "project": "example",
    "as_of": "2026-06-01",
    "sources": {"table": {"title": "Release table"}},
    "lines": [
        line(
            "alder",
            "unsupported",
            [("alder.1", "2025-01-10"), ("alder.2", "2025-03-10")],
            "2025-07-01",
            cut="2024-12-01",
        ),
        line("birch", "unsupported", [("birch.1", "2025-07-01"), ("birch.2", "2025-09-01")], "2026-01-15"),
        line("cedar", "supported", [("cedar.1", "2026-01-15"), ("cedar.2", "2026-03-01")]),
        line("dogwood", "planned", [], planned="2026-09-01"),
    ],
    "distributions": {
        "kit": [
            {
                "version": "1.0.0",
                "date": "2025-01-10",
                "ships": "alder.1",
                "first_with_release": True,
                "tag_date": "2025-01-10",
            },
            {
                "version": "1.0.2",
                "date": "2025-03-11",
                "ships": "alder.2",
                "first_with_release": True,
                "tag_date": "2025-03-11",
            },
            {
                "version": "2.0.0",
                "date": "2025-07-01",
                "ships": "birch.1",
                "first_with_release": True,
                "tag_date": "2025-07-01",
            },
            {
                "version": "2.0.3",
                "date": "2025-09-02",
                "ships": "birch.2",
                "first_with_release": True,
                "tag_date": "2025-09-02",
            },
            {"version": "2.0.4", "date": "2025-10-02", "ships": "birch.2", "tag_date": "2025-10-02"},
            {
                "version": "3.0.0",
                "date": "2026-01-16",
                "ships": "cedar.1",
                "first_with_release": True,
                "tag_date": "2026-01-16",
            },
        ]
    },
    "edge_defaults": {
        "steps": [{"id": "backup", "when": "before", "title": "Back up", "applies_if": True, "applies_text": "always"}],
        "risks": [],
    },
    "edges": [
        {"from": "alder", "to": "birch", "needs_release": "alder.2", "steps": [], "risks": []},
        {
            "from": "birch",
            "to": "cedar",
            "steps": [
                {
                    "id": "convert",
                    "when": "during",
                    "title": "Convert",
                    "applies_if": {"fact": "database.engine", "op": "==", "value": "mariadb"},
                    "applies_text": "MariaDB",
                },
                {"id": "ask", "when": "before", "title": "Ask", "applies_if": None, "applies_text": "many courses"},
            ],
            "risks": [
                {
                    "id": "slow",
                    "severity": "downtime",
                    "title": "Slow",
                    "applies_if": {"fact": "plugins.big", "op": "present"},
                }
            ],
        },
        {"from": "cedar", "to": "dogwood", "announced": True, "steps": [], "risks": []},
    ],
    "advisories": [
        {
            "id": "ADV-1",
            "cve": "CVE-2025-1",
            "first_seen": "2025-10-01",
            "published": "2025-10-05",
            "title": "A hole",
            "affects": {"component": "core", "versions": None, "lines": ["birch"], "releases": ["birch.1", "birch.2"]},
            "fixed_in": {"branch": "2025-10-01", "tag": "cedar.1", "kit": "2.0.4"},
            "severity": {"rating": "high", "source": "cve#CVE-2025-1"},
            "source": ["table"],
        },
        {
            "id": "ADV-2",
            "first_seen": "2026-02-01",
            "title": "Another hole",
            "affects": {"component": "core", "versions": None, "lines": ["cedar"], "releases": ["cedar.1"]},
            "fixed_in": {"branch": "2026-02-02", "tag": "cedar.2"},
            "severity": None,
            "source": ["table"],
        },
    ],
}
SMALL["sources"]["cve"] = {"title": "CVE records"}


def small_data() -> dict[str, Any]:
    return copy.deepcopy(SMALL)


def small(**changes: Any) -> Catalogue:
    return Catalogue.from_dict(small_data() | changes)
