"""A report as text, a module a format."""
