"""The verifying client: no Django, no database. It turns trusted bytes and an untrusted network into verified bytes."""
