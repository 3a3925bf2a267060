"""The documents that cross between the commons and a site. Pure Python: no Django, no input or output."""
