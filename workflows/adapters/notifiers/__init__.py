"""Telling people: by result events alone, or by a webhook too."""
