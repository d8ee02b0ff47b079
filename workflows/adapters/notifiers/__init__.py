"""Notifications: by result events only, or also by a webhook."""
