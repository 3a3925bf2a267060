"""What the project runs once."""
