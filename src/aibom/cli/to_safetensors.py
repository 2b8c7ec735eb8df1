"""`aibom to-safetensors`: the weights of a checkpoint, lifted out without running it."""

from __future__ import annotations

from pathlib import Path

import click

from aibom.emitters.inert import one_line
from aibom.emitters.terminal import format_bytes
from aibom.errors import TargetError
from aibom.files import RepoFile
from aibom.formats import recognize, role_of
from aibom.lift import lift
from aibom.limits import Limits
from aibom.sources.local import SingleFileSource, open_local


@click.command("to-safetensors", short_help="Lift weights out of a torch checkpoint without running it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="OUT", help="The file to write."
)
@click.option("--tensors-only", is_flag=True, help="Also from a file in which something dangerous was found.")
def command(file: Path, output: Path, *, tensors_only: bool) -> None:
    """Write the tensors of FILE as safetensors. Nothing of FILE is unpickled; what is no tensor is left behind.

    \b
    Examples:
      aibom to-safetensors pytorch_model.bin -o model.safetensors
      aibom to-safetensors suspicious.ckpt -o weights.safetensors --tensors-only
      aibom to-safetensors old-legacy.pth -o model.safetensors
    """
    source = open_local(str(file))
    if not isinstance(source, SingleFileSource):
        raise TargetError(f"{file} is a folder", hint="give one checkpoint file")
    limits = Limits()
    with source.open(source.target) as data:
        kind = recognize(source.target, data.read_at(0, limits.sniff_bytes), data.size, data)
        record = RepoFile(path=source.target, size=data.size, format=kind, role=role_of(source.target, kind))
        result = lift(data, record, output, limits, tensors_only=tensors_only)
    click.echo(f"{len(result.names)} tensors, {format_bytes(result.size)}: {output}")
    if not result.read_back:
        click.echo("not read back by the safetensors library, which needs numpy for that")
    for what in result.left:
        click.echo(one_line(f"left behind: {what}"))
