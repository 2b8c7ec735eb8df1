"""Ask detect-secrets, where it is installed, for kinds of credentials that our own table does not know."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from aibom.data.secret_patterns import Leak
from aibom.limits import MIB
from aibom.resolvers.leaks import Match, Window, is_placeholder

log = logging.getLogger("aibom.resolvers.leaks_second_opinion")

# Detectors that know a shape. Those that guess (entropy, keywords, public addresses, and prefixes so short that words
# have them) are left out: in a repository of digests, vocabularies and tensors they see secrets everywhere. So are
# those whose tokens our table knows: theirs take parts of longer words for tokens.
_DETECTORS = (
    "AzureStorageKeyDetector", "CloudantDetector", "DiscordBotTokenDetector", "IbmCloudIamDetector",
    "IbmCosHmacDetector", "MailchimpDetector", "SoftlayerDetector", "SquareOAuthDetector", "TwilioKeyDetector",
)  # fmt: skip
# Detection only: the filters that would ask a provider whether a secret is live are never loaded.
_FILTERS = (
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_templated_secret",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
)
_TEXT = MIB
_LINE = 4096


def is_installed() -> bool:
    """Say whether the extra `aibom[secrets]` is there."""
    from importlib.util import find_spec  # noqa: PLC0415 -- only where the check was asked for

    return find_spec("detect_secrets") is not None


def second_opinion(window: Window) -> Iterator[Match]:
    """Yield what detect-secrets sees in a text of up to a MiB, in lines of usual length."""
    if len(window.text) > _TEXT:
        return
    from detect_secrets.core.scan import scan_line  # noqa: PLC0415 -- an extra
    from detect_secrets.settings import transient_settings  # noqa: PLC0415

    settings: dict[str, Any] = {
        "plugins_used": [{"name": name} for name in _DETECTORS],
        "filters_used": [{"path": path} for path in _FILTERS],
    }
    with transient_settings(settings):
        for number, line in enumerate(window.text.split("\n"), window.before + 1):
            if not line.strip() or len(line) > _LINE:
                continue
            for secret in scan_line(line):
                # Some detectors give only the prefix that they know a token by.
                value = secret.secret_value or ""
                if len(value) >= 12 and not is_placeholder(value):
                    yield Match(
                        what=f"what detect-secrets calls {secret.type}",
                        leak=Leak.TOKEN,
                        line=number,
                        masked=f"… ({len(value)} characters)",
                        value=value,
                    )
