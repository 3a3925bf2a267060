"""Reads of the inbox; each page costs a constant number of queries."""
