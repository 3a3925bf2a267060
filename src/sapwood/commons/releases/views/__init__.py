"""Pages of the catalogue: reading it is public, changing it takes two people."""
