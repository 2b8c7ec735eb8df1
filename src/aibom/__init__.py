"""aibom: what is in a model repository, what runs when it is loaded, and under which terms.

    import datetime as dt
    import aibom

    source = aibom.open_source("./my-model")
    report = aibom.scan(source, aibom.Settings(as_of=dt.date.today()), created=dt.datetime.now(dt.UTC))
    bom = aibom.emit(report, "cyclonedx")

Nothing here prints, reads the clock or reaches the network for a target that does not name it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from aibom._version import __version__

if TYPE_CHECKING:
    from aibom.emitters import emit
    from aibom.emitters.options import EmitOptions
    from aibom.emitters.report_json import from_json
    from aibom.errors import AibomError
    from aibom.findings import Finding, Rule, Severity
    from aibom.pipeline import scan
    from aibom.report import Determination, Report
    from aibom.settings import Settings
    from aibom.sources.targets import open_source

__all__ = [
    "AibomError",
    "Determination",
    "EmitOptions",
    "Finding",
    "Report",
    "Rule",
    "Settings",
    "Severity",
    "__version__",
    "emit",
    "from_json",
    "open_source",
    "scan",
]

# Name to module: `aibom --version` and whoever needs one record import no more than that.
_WHERE = {
    "AibomError": "aibom.errors",
    "Determination": "aibom.report",
    "EmitOptions": "aibom.emitters.options",
    "Finding": "aibom.findings",
    "Report": "aibom.report",
    "Rule": "aibom.findings",
    "Settings": "aibom.settings",
    "Severity": "aibom.findings",
    "emit": "aibom.emitters",
    "from_json": "aibom.emitters.report_json",
    "open_source": "aibom.sources.targets",
    "scan": "aibom.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'aibom' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
