"""What the user decides about a scan. Nothing here comes from the target."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from aibom.limits import Limits


class Identity(Struct, frozen=True, kw_only=True):
    """Name, version and owner of the model where the user knows better than the directory's name."""

    name: str | None = None
    version: str | None = None
    supplier: str | None = None
    author: str | None = None
    purl: str | None = None


class Ignore(Struct, frozen=True, kw_only=True):
    """A decision that findings of a rule (on a path, on one content) do not count. `source` names file and entry."""

    rule: str
    reason: str
    source: str
    path: str | None = None
    sha256: str | None = None
    until: dt.date | None = None


class Policy(Struct, frozen=True, kw_only=True):
    """Gates that the user sets; a model that does not pass one fails the scan, whatever `--fail-on` says.

    Licences are SPDX expressions or keys of the licence table (`llama3.1`); a non-empty `allow_licenses` refuses all
    others and the unknown. Formats are the published names. `deny_determinations` maps a provision (`art-51-systemic`)
    to the strength from which it is refused.
    """

    allow_licenses: tuple[str, ...] = ()
    deny_licenses: tuple[str, ...] = ()
    deny_formats: tuple[str, ...] = ()
    deny_determinations: Mapping[str, str] = field(default_factory=dict)


class Profile(Struct, frozen=True, kw_only=True):
    """What the user does with the model; turns duties and thresholds of licences into answers. None is unknown.

    `users` is monthly active users, `revenue` US dollars a year, `region` a country code or `EU`.
    """

    commercial: bool | None = None
    users: int | None = None
    revenue: float | None = None
    region: str | None = None
    hosts: bool | None = None
    trains_others: bool | None = None


class Material(Struct, frozen=True, kw_only=True):
    """A public key, certificate or trusted root of the user's. `name` is the file's, `sha256` that of `content`.

    A report keeps name and digest and drops the content.
    """

    name: str
    sha256: str
    content: bytes = b""


class Trust(Struct, frozen=True, kw_only=True):
    """Whose signatures count. All of it comes from the user; a bundle can't add to it.

    `keys` are public keys (PEM, minisign, OpenPGP), `authorities` certificates in PEM, `identities` and `issuers` what
    a keyless certificate has to name; `trusted_root` is a Sigstore trusted root in JSON.
    """

    keys: tuple[Material, ...] = ()
    authorities: tuple[Material, ...] = ()
    identities: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    trusted_root: Material | None = None
    require_signature: bool = False

    def recorded(self) -> Trust:
        """Return it without the contents of files: what a report says about it."""
        return replace(
            self,
            keys=tuple(replace(item, content=b"") for item in self.keys),
            authorities=tuple(replace(item, content=b"") for item in self.authorities),
            trusted_root=self.trusted_root and replace(self.trusted_root, content=b""),
        )


class Settings(Struct, frozen=True, kw_only=True):
    """The settings of one scan; `as_of` is the day against which dated rules are evaluated."""

    as_of: dt.date
    limits: Limits = field(default_factory=Limits)
    jobs: int = 2
    digest_algorithms: tuple[str, ...] = ("sha256",)
    identity: Identity = field(default_factory=Identity)
    operator: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    """Facts only the user can know (`role`, `intended-purpose` ...); labelled as declared in every output."""
    ignores: tuple[Ignore, ...] = ()
    policy: Policy = field(default_factory=Policy)
    profile: Profile = field(default_factory=Profile)
    offline: bool = False
    download: bool = False
    """Read remote files whole and digest them; without it a remote target's digests are the declared ones."""
    trust: Trust = field(default_factory=Trust)
    tensor_digests: bool = False
    """Digest every tensor too, so that copies of the same weights in other files are recognised."""
    second_opinion: str | None = None
    """`scancode` lets ScanCode, in a process of its own, read the license files too."""
    publish_check: bool = False
    """Search every text for credentials, internal addresses and home directories, for somebody about to publish."""
