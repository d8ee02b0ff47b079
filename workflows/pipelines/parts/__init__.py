"""What the pipelines are made of: making and releasing code, approval, provenance, conclusion."""
