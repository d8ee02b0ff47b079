"""Parts that pipelines share: making and releasing code, approval, provenance, conclusion."""
