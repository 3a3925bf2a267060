"""Samples of a database's rows that are whole in themselves: whatever a row points at is there too."""
