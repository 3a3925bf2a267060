"""Writes: `publishing` on the commons, `receiving` on a site."""
