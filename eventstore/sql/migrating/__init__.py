"""What the migrator itself runs."""
