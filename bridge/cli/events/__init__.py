"""`ntbridge events`: publish, tail, explain, export and import events."""
