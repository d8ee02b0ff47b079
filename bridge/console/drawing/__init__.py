"""Pictures as numbers: where templates put lines, boxes and texts of an inline SVG. Pure."""
