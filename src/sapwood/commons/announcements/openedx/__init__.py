"""What is particular to Open edX: example announcements and example sites."""
