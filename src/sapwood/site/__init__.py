"""What each institution runs beside its platform."""
