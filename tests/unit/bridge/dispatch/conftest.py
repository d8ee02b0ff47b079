"""Properties are about results, not about how busy the machine is: no deadline for an example."""

from hypothesis import settings

settings.register_profile("dispatch", deadline=None, max_examples=100, stateful_step_count=40)
settings.load_profile("dispatch")
