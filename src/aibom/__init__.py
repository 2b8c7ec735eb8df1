"""aibom: what is in a model repository, what runs when it is loaded, and under which terms."""

from aibom._version import __version__

__all__ = ["__version__"]
