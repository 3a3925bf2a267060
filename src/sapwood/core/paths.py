"""Where state lives: everything that Sapwood writes is below one folder."""

from pathlib import Path

from sapwood.core import settings


def var_dir() -> Path:
    """The folder of all state (`SAPWOOD_VAR`), absolute."""
    return Path(settings.VAR.get()).absolute()


def role_dir() -> Path:
    """The folder of this role's state, made on first use, readable by its owner only."""
    path = var_dir() / settings.ROLE.get()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
