"""`aibom sign`: a detached, signed attestation beside a BOM."""

from __future__ import annotations

import os
from pathlib import Path

import click

from aibom.cli.output import write_file
from aibom.errors import DataError, UsageError

_MAX_KEY_BYTES = 1024 * 1024
SIGNATURE_ENDING = ".sigstore.json"


@click.command("sign", short_help="Sign a BOM: a detached attestation beside it.")
@click.argument("bom", type=click.Path(path_type=Path))
@click.option(
    "--key", "key", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Private key in PEM."
)
@click.option("--cert", "chain", type=click.Path(path_type=Path), metavar="FILE", help="Certificates, your own first.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: BOM.sigstore.json.")
def command(bom: Path, key: Path, chain: Path | None, output: Path | None) -> int:
    """Sign BOM, a CycloneDX BOM in JSON, and write BOM.sigstore.json: an in-toto statement in a DSSE envelope.

    The statement names every weight file with its SHA-256 and the root digest of the model; the BOM is its predicate.
    The password of an encrypted key is read from AIBOM_KEY_PASSWORD.

    \b
    Examples:
      aibom sign my-model.cdx.json --key release.pem
      aibom sign my-model.cdx.json --key release.pem --cert chain.pem
      aibom verify my-model.cdx.json ./my-model --key release.pub
    """
    from aibom.attest import sign_bom  # noqa: PLC0415 -- start-up time
    from aibom.limits import Limits  # noqa: PLC0415

    password = os.environ.get("AIBOM_KEY_PASSWORD")
    bundle = sign_bom(
        read_file(bom, "the BOM", Limits().json_bytes),
        read_file(key, "the key", _MAX_KEY_BYTES),
        password=password.encode() if password else None,
        chain_pem=read_file(chain, "the certificates", _MAX_KEY_BYTES) if chain else None,
    )
    target = output or bom.with_name(bom.name + SIGNATURE_ENDING)
    if not target.parent.is_dir():
        raise UsageError(f"the folder of {target.name} does not exist", hint=f"mkdir -p {target.parent}")
    write_file(target, bundle)
    click.echo(f"{target}: signed", err=True)
    return 0


def read_file(path: Path, what: str, limit: int) -> bytes:
    """Read a file that the user named.

    Raises:
        DataError: it can't be read, or it is longer than `limit` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as fault:
        raise DataError(f"{what} {path.name} can't be read: {fault.strerror}") from fault
    if len(content) > limit:
        raise DataError(f"{what} {path.name} has more than {limit} bytes")
    return content
