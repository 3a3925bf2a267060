"""`sapwood people`: whom deliveries reach."""

import click


@click.group()
def people() -> None:
    """People whom approved items may reach."""
