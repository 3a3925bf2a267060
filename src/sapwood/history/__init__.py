"""Reads what projects leave behind in their source: migrations now, git repositories next. Nothing of theirs is run."""
