"""Flow: how many runs of a key there may be at a time, and which events are called for together. Pure."""
