"""Properties are about results, not about how busy the machine is: no deadline for an example."""

from hypothesis import settings

settings.register_profile("bridge", deadline=None, max_examples=50)
settings.load_profile("bridge")
