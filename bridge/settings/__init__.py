"""Settings: their schema, where each value comes from, and where files are found."""
