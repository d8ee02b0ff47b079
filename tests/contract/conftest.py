"""Properties are about results, not about how busy the machine is: no deadline for an example."""

from hypothesis import settings

settings.register_profile("bridge", deadline=None)
settings.load_profile("bridge")
