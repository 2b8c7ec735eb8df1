"""The one place that reads the clock."""

from __future__ import annotations

import datetime as dt
import os

from aibom.errors import UsageError


def now() -> dt.datetime:
    """Return the time of this run in UTC, or SOURCE_DATE_EPOCH (seconds) where it is set.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return dt.datetime.now(dt.UTC).replace(microsecond=0)
    try:
        return dt.datetime.fromtimestamp(int(epoch), dt.UTC)
    except (ValueError, OverflowError, OSError) as fault:
        raise UsageError(f"SOURCE_DATE_EPOCH is {epoch!r}, not a number of seconds") from fault
