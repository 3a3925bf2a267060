"""Property tests look for counterexamples, not for slowness: the machine may be busy."""

from hypothesis import HealthCheck, settings

settings.register_profile("sapwood", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sapwood")
