"""`--publish-check`: what somebody asks who is about to publish a model."""

from __future__ import annotations

from typing import Any

import click


def publish_option(command: Any) -> Any:
    """Add the option."""
    return click.option(
        "--publish-check",
        is_flag=True,
        help="Look for credentials, internal addresses and home directories that must not be published.",
    )(command)
