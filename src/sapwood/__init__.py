"""Sapwood: the living layer between an open source project and the sites that run it."""

__version__ = "0.1.0"
