"""What goes into workflows and activities and what comes out: frozen pydantic models."""
