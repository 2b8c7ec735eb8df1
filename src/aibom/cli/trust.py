"""Options that say whose signatures count, and the reading of the files they name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aibom.errors import FileFault, MalformedFile, UsageError
from aibom.settings import Material, Trust

if TYPE_CHECKING:
    from aibom.config import PolicyTable

# A keyring of a whole distribution has a few MiB.
_MAX_BYTES = 64 * 1024 * 1024
_FILE = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--key", "keys", multiple=True, type=_FILE, metavar="FILE",
                 help="Trust this public key: PEM, minisign or OpenPGP. Repeatable."),
    click.option("--ca", "authorities", multiple=True, type=_FILE, metavar="FILE",
                 help="Trust certificates that this authority (PEM) issued. Repeatable."),
    click.option("--identity", "identities", multiple=True, metavar="NAME",
                 help="Signer to expect in a certificate: e-mail, URI or name. Repeatable."),
    click.option("--issuer", "issuers", multiple=True, metavar="URL",
                 help="Who has to have confirmed the identity of a keyless signature. Repeatable."),
    click.option("--trusted-root", type=_FILE, metavar="FILE", help="Sigstore trusted root; default: the one shipped."),
)  # fmt: skip


def trust_options(command: Any) -> Any:
    """Add the options that say whose signatures count."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def signature_options(command: Any) -> Any:
    """Add what only a scan asks of integrity, before the options of trust."""
    for option in (
        click.option("--require-signature", is_flag=True, help="Fail where no verified signature covers what acts."),
        click.option("--tensor-digests", is_flag=True, help="Digest every tensor, to compare copies of the weights."),
    ):
        command = option(command)
    return trust_options(command)


def read_options(options: dict[str, Any], policy: PolicyTable | None = None, folder: Path | None = None) -> Trust:
    """Return the trust that options and policy give; paths in a policy are relative to `folder`.

    Raises:
        UsageError: a file can't be read or is not what it should be.
    """
    from aibom.integrity.certificates import read_authorities  # noqa: PLC0415 -- start-up time
    from aibom.integrity.keys import read_key  # noqa: PLC0415

    base = folder or Path()
    keys = tuple(_read(path, "--key") for path in options["keys"])
    keys += tuple(_read(base / path, "trusted-keys") for path in (policy.trusted_keys if policy else ()))
    authorities = tuple(_read(path, "--ca") for path in options["authorities"])
    root = _read(options["trusted_root"], "--trusted-root") if options["trusted_root"] else None
    for item in keys:
        _checked(item, "--key", lambda: read_key(item))  # noqa: B023 -- called at once
    for item in authorities:
        _checked(item, "--ca", lambda: read_authorities((item,)))  # noqa: B023
    if root is not None:
        _checked(root, "--trusted-root", lambda: _check_root(root.content))
    return Trust(
        keys=keys,
        authorities=authorities,
        identities=(*options["identities"], *(policy.trusted_identities if policy else ())),
        issuers=options["issuers"],
        trusted_root=root,
        require_signature=bool(options.get("require_signature") or (policy and policy.require_signature)),
    )


def trust_origins(trust: Trust, options: dict[str, Any], policy_file: str) -> dict[str, str]:
    """Say where each key, identity and requirement came from: the command line, or the file that holds the policy."""
    given = "command line"
    origins = {f"trusted-key {item.sha256}": given for item in trust.keys[: len(options["keys"])]}
    for item in trust.keys:
        origins.setdefault(f"trusted-key {item.sha256}", policy_file)
    origins |= {f"authority {item.sha256}": given for item in trust.authorities}
    for name in trust.identities:
        origins[f"identity {name}"] = given if name in options["identities"] else policy_file
    origins |= {f"issuer {name}": given for name in trust.issuers}
    if trust.trusted_root:
        origins[f"trusted-root {trust.trusted_root.sha256}"] = given
    if trust.require_signature:
        origins["require-signature"] = given if options.get("require_signature") else policy_file
    return origins


def trust_shown(trust: Trust) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and the name of its origin for everything that signatures are checked with."""
    materials = [("trusted-key", item) for item in trust.keys]
    materials += [("authority", item) for item in trust.authorities]
    materials += [("trusted-root", item) for item in (trust.trusted_root,) if item]
    for label, item in materials:
        yield label, f"{item.name} (sha256:{item.sha256[:16]})", f"{label} {item.sha256}"
    for label, names in (("identity", trust.identities), ("issuer", trust.issuers)):
        for name in names:
            yield label, name, f"{label} {name}"
    yield "require-signature", str(trust.require_signature), "require-signature"


def _check_root(content: bytes) -> None:
    from aibom.integrity.strict_json import strict_object  # noqa: PLC0415 -- start-up time
    from aibom.limits import Limits  # noqa: PLC0415

    value = strict_object(content, Limits())
    if not str(value.get("mediaType")).startswith("application/vnd.dev.sigstore.trustedroot"):
        raise MalformedFile("is no Sigstore trusted root in JSON")


def _checked(item: Material, option: str, read: Callable[[], object]) -> None:
    try:
        read()
    except FileFault as fault:
        message = str(fault).removeprefix(item.name).strip()
        raise UsageError(f"{option}: {item.name} {message}", hint="aibom scan --help lists what each takes") from fault


def _read(path: Path, option: str) -> Material:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as fault:
        raise UsageError(f"{option}: {path.name} can't be read: {fault.strerror}") from fault
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{option}: {path.name} has more than {_MAX_BYTES} bytes")
    return Material(name=path.name, sha256=hashlib.sha256(content).hexdigest(), content=content)
