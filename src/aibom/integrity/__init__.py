"""Digests met with what was declared and signed."""
