"""Which SSH servers are believed to be who they say: those in the known_hosts of the user."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from aibom.errors import TargetError


def known_hosts_only(place: Path | None = None) -> Any:
    """Return a policy for paramiko that refuses servers whose key is not in `~/.ssh/known_hosts`.

    fsspec's own default takes any key that it is shown, so that whoever stands in between could serve the files.

    Raises:
        ImportError: paramiko is not installed.
    """
    paramiko = importlib.import_module("paramiko")
    known = place or Path.home() / ".ssh" / "known_hosts"

    class KnownHostsOnly(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, name-defined]  # it has no types
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            del client
            keys = paramiko.HostKeys()
            if known.is_file():
                keys.load(str(known))
            if not keys.check(hostname, key):
                raise TargetError(
                    f"the key of {hostname} is not in known_hosts",
                    hint="connect with `ssh` once and compare the fingerprint, or add it with ssh-keyscan",
                )

    return KnownHostsOnly()
