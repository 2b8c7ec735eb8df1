"""From options and the configuration file to the settings of a scan; the command line goes first."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from aibom.cli.trust import read_options, trust_origins
from aibom.config import Config, ConfigTables, find_config, load_config
from aibom.digests import ALGORITHMS
from aibom.errors import UsageError
from aibom.settings import Identity, Ignore, Policy, Profile, Settings

_MOST_THREADS = 8


class Choices(Struct, frozen=True):
    """What decides about a scan and its outputs, with the place each value came from.

    `origins` maps a setting's name to `command line`, a file's name, or `default`.
    """

    settings: Settings
    fail_on: str
    outputs: tuple[str, ...]
    spec_version: str
    color: str
    lineage: str
    origins: dict[str, str]


def add_options(command: Any) -> Any:
    """Add the options that name a configuration."""
    for option in (
        click.option("--config", type=click.Path(path_type=Path), help="Read this configuration file."),
        click.option("--no-config", is_flag=True, help="Read no configuration file."),
        click.option("--policy", type=click.Path(path_type=Path), help="Take [policy] from this file instead."),
        click.option("--no-ignores", is_flag=True, help="Let no finding be ignored."),
    ):
        command = option(command)
    return command


def configuration(options: dict[str, Any], targets: Sequence[str]) -> Config:
    """Return the configuration that is in force; what stands inside a target may not switch anything off.

    Raises:
        UsageError: a file can't be read or holds what means nothing.
    """
    if options["config"] is not None and options["no_config"]:
        raise UsageError("--config and --no-config exclude each other")
    if options["config"] is not None:
        config = load_config(options["config"])
    elif options["no_config"] or (found := find_config(Path.cwd())) is None:
        config = Config(None, ConfigTables())
    else:
        config = load_config(found)
        if inside := next((target for target in targets if _holds(target, found)), None):
            click.echo(
                f"note: {found.name} stands inside the target {inside}: its output settings are used, "
                "its ignores and gates are not",
                err=True,
            )
            own = config.tables.scan
            own.fail_on = None
            config = Config(found, ConfigTables(scan=own))
    if options["policy"] is not None:
        config.tables.policy = load_config(options["policy"]).tables.policy
        config = replace(config, policy_path=options["policy"])
    return config


def choose(config: Config, options: dict[str, Any], created: dt.datetime) -> Choices:
    """Combine the command line, the configuration and the defaults.

    Raises:
        UsageError: a value means nothing.
    """
    origins: dict[str, str] = {}
    file_name = config.path.name if config.path else "default"
    scan = config.tables.scan

    def pick(name: str, given: Any, configured: Any, default: Any) -> Any:
        for value, origin in ((given, "command line"), (configured, file_name)):
            if value not in {None, ()} and value is not False:
                origins[name] = origin
                return value
        origins[name] = "default"
        return default

    digests = pick("digest", options["digests"], scan.digest, ())
    for name in digests:
        if name not in ALGORITHMS:
            raise UsageError(f"unknown digest {name!r}", hint=f"digests: {', '.join(ALGORITHMS)}")
    bom = config.tables.bom
    identity = Identity(
        name=pick("name", options["name"], bom.name, None),
        version=pick("version", options["version"], bom.version, None),
        supplier=pick("supplier", options["supplier"], bom.supplier, None),
        author=pick("author", None, bom.author, None),
        purl=_purl(pick("purl", options["purl"], bom.purl, None)),
    )
    policy_file = config.policy_file
    trust = read_options(options, config.tables.policy, policy_file.parent if policy_file else None)
    origins |= trust_origins(trust, options, policy_file.name if policy_file else "default")
    as_of = options["as_of"].date() if options["as_of"] else None
    settings = Settings(
        as_of=pick("as-of", as_of, None, created.date()),
        jobs=pick("jobs", options["jobs"], scan.jobs, min(_MOST_THREADS, len(os.sched_getaffinity(0)))),
        digest_algorithms=("sha256", *(name for name in dict.fromkeys(digests) if name != "sha256")),
        identity=identity,
        operator=_operator(config),
        ignores=() if options["no_ignores"] else _ignores(config),
        policy=_policy(config),
        profile=_profile(config),
        download=bool(options["download"]),
        offline=bool(pick("offline", options["offline"], scan.offline, None)),
        trust=trust,
        tensor_digests=options["tensor_digests"],
        publish_check=options["publish_check"],
        second_opinion=_second_reader(pick("second-opinion", options.get("second_opinion"), scan.second_opinion, None)),
    )
    return Choices(
        settings=settings,
        fail_on=_fail_on(pick("fail-on", options["fail_on"], scan.fail_on, "high")),
        outputs=pick("output", options["outputs"], scan.output, ()),
        spec_version=pick("spec-version", options["spec_version"], scan.spec_version, "1.7"),
        lineage=pick("lineage", options["lineage"], scan.lineage, "auto"),
        color=pick("color", options["color"], scan.color, "auto"),
        origins=origins,
    )


LINEAGE = ("offline", "online")
SECOND_READERS = ("scancode",)
FAIL_ON = ("low", "medium", "high", "critical", "never")


def _fail_on(value: str) -> str:
    if value not in FAIL_ON:
        raise UsageError(f"fail-on is {value!r}", hint=f"one of {', '.join(FAIL_ON)}")
    return value


def _second_reader(name: str | None) -> str | None:
    if name is None:
        return None
    if name not in SECOND_READERS:
        raise UsageError(f"second-opinion is {name!r}", hint=f"one of {', '.join(SECOND_READERS)}")
    from aibom.resolvers.scancode import is_installed  # noqa: PLC0415 -- only where it is asked for

    if not is_installed():
        raise UsageError("the second opinion of ScanCode is not installed", hint="pip install 'aibom[scancode]'")
    return name


def _holds(target: str, path: Path) -> bool:
    try:
        folder = Path(target).resolve(strict=True)
    except OSError:
        return False
    return folder.is_dir() and path.resolve().is_relative_to(folder)


def _ignores(config: Config) -> tuple[Ignore, ...]:
    assert config.path is not None or not config.tables.ignore
    return tuple(
        Ignore(
            rule=entry.rule,
            reason=entry.reason,
            path=entry.path,
            sha256=entry.sha256,
            until=entry.until,
            source=f"{config.path.name if config.path else ''} [[ignore]] {number}",
        )
        for number, entry in enumerate(config.tables.ignore, 1)
    )


def _policy(config: Config) -> Policy:
    table = config.tables.policy
    return Policy(
        allow_licenses=table.allow_licenses,
        deny_licenses=table.deny_licenses,
        deny_formats=table.deny_formats,
        deny_determinations={key: strength.value for key, strength in table.deny_determinations.items()},
    )


def _profile(config: Config) -> Profile:
    table = config.tables.profile
    return Profile(
        commercial=table.commercial,
        users=table.users,
        revenue=table.revenue,
        region=table.region,
        hosts=table.hosts,
        trains_others=table.trains_others,
    )


def _operator(config: Config) -> dict[str, str | int | float | bool]:
    table = config.tables.operator
    facts = {name.replace("_", "-"): getattr(table, name) for name in table.__struct_fields__}
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in facts.items()
        if value is not None
    }


def _purl(text: str | None) -> str | None:
    if text is None:
        return None
    from packageurl import PackageURL  # noqa: PLC0415 -- only where a purl was given

    try:
        return PackageURL.from_string(text).to_string()
    except ValueError as fault:
        raise UsageError(f"{text!r} is not a package URL: {fault}", hint="pkg:huggingface/owner/name@COMMIT") from fault
