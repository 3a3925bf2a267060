"""What accounts knows of Open edX: how its LMS signs people in."""
