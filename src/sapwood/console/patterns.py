"""Made-up but true-looking content for the patterns page: every component in every state."""

from typing import Any


def context() -> dict[str, Any]:
    """All samples by name."""
    return {}
