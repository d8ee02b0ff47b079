"""Looking for what is dangerous about code, without running it."""
