"""The front door of checks: which packs there are, and running them against a shadow or, only reading, a live site."""

from sapwood.site.checks.actions import NoIsolationError, PackFailedError, run
from sapwood.site.checks.data import Pack, PackRun, Result, Safety, Target, Verdict
from sapwood.site.checks.gate import opened as gate
from sapwood.site.checks.queries import PackError, find_packs, require_packs

__all__ = [
    "NoIsolationError",
    "Pack",
    "PackError",
    "PackFailedError",
    "PackRun",
    "Result",
    "Safety",
    "Target",
    "Verdict",
    "find_packs",
    "gate",
    "require_packs",
    "run",
]
