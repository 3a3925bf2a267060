"""The publishing side: a plain folder that any static server or CDN can serve."""
