"""The inputs and outputs of workflows and activities: frozen pydantic models."""
