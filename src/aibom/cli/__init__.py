"""The command line: the one place that turns errors into exit codes."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from aibom._version import __version__
from aibom.errors import AibomError

EXIT_FAILED = 3
EXIT_INTERRUPTED = 130

# A module a command, imported when the command is used: `aibom --version` must not pay for the scanner.
_COMMANDS = {
    "scan": "aibom.cli.scan",
    "verify": "aibom.cli.verify",
    "sign": "aibom.cli.sign",
    "diff": "aibom.cli.diff",
    "convert": "aibom.cli.convert",
    "to-safetensors": "aibom.cli.to_safetensors",
    "score": "aibom.cli.score",
    "explain": "aibom.cli.explain",
    "cache": "aibom.cli.cache",
    "fleet": "aibom.cli.fleet",
    "inventory": "aibom.cli.inventory_command",
    "data": "aibom.cli.data",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = importlib.import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in _COMMANDS and os.path.exists(name):  # noqa: PTH110
            ctx.fail(f"No such command {name!r}; to scan it: aibom scan {name}")
        if name and name not in _COMMANDS and (near := difflib.get_close_matches(name, _COMMANDS, n=1)):
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 nothing at or above --fail-on, 1 something is, 2 wrong usage, 3 not done, 130 interrupted.",
)
@click.version_option(__version__, prog_name="aibom")
def group() -> None:
    """Say what is in a model repository, what runs when it is loaded, and under which terms.

    \b
    Examples:
      aibom scan ./my-model
      aibom scan ./my-model -o table -o cyclonedx=my-model.cdx.json
      aibom explain pickle-dangerous-import
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        result: Any = group.main(args=arguments, prog_name="aibom", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as fault:
        fault.show()
        return fault.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return EXIT_INTERRUPTED
    except AibomError as fault:
        _say(f"error: {fault}", f"  hint: {fault.hint}" if fault.hint else None)
        _show_trace()
        return fault.exit_code
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); what it has not read is not missed. Python would complain again
        # when it flushes stdout at exit, so stdout goes nowhere from here on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as fault:  # noqa: BLE001 -- the last line of defence: one line, not a traceback
        _say(f"error: {type(fault).__name__}: {fault}", "  hint: this is a bug; run again with -vv and report it")
        _show_trace()
        return EXIT_FAILED
    return result if isinstance(result, int) else 0


def _say(*lines: str | None) -> None:
    from aibom.emitters.inert import visible  # noqa: PLC0415 -- start-up time

    for line in lines:
        if line is not None:
            # A message may name a file, and a file's name may paint a terminal.
            click.echo(visible(line), err=True)


def _show_trace() -> None:
    if logging.getLogger("aibom").isEnabledFor(logging.DEBUG):
        traceback.print_exc()
