"""`aibom convert`: another format from a saved report, without a second scan."""

from __future__ import annotations

from pathlib import Path

import click

from aibom.cli.output import parse_outputs, read_document, write
from aibom.emitters import EMITTERS
from aibom.emitters.options import EmitOptions
from aibom.emitters.report_json import from_json


@click.command("convert", short_help="Write a report in another format.", epilog="Formats: " + ", ".join(EMITTERS))
@click.argument("report", type=click.Path(path_type=Path))
@click.option("-o", "--output", "outputs", multiple=True, metavar="FORMAT[=PATH]", help="Repeatable; default table.")
@click.option("--spec-version", type=click.Choice(["1.7", "1.6"]), default="1.7", show_default=True, help="CycloneDX.")
def command(report: Path, outputs: tuple[str, ...], spec_version: str) -> None:
    """Convert REPORT, written by `aibom scan -o json=REPORT`. `-` reads it from stdin.

    \b
    Examples:
      aibom convert report.json -o cyclonedx=bom.cdx.json
      aibom convert report.json -o html=report.html -o sarif=report.sarif
      aibom scan ./my-model -o json | aibom convert - -o markdown
    """
    wanted = parse_outputs(outputs)
    saved = from_json(read_document(report))
    options = EmitOptions(spec_version="1.6" if spec_version == "1.6" else "1.7")
    texts = [(output, EMITTERS[output.format](saved, options)) for output in wanted]
    for output, text in texts:
        write(output, text)
