"""Every rule in one tuple, for `explain`, the docs and SARIF."""

from __future__ import annotations
