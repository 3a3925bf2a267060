"""Pages of announcements."""
