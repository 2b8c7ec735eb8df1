"""Digests met with what was declared and signed. `checking` is the door; what only checks signatures loads no more."""
