"""Upgrades: plan, rehearse on a copy, and soon apply with a way back."""
