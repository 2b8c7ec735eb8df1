"""Find the files of terms of a model, and recognise what their texts are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from aibom.components import Scope
from aibom.files import Location, Role
from aibom.resolvers.documents import Text
from aibom.resolvers.license_texts import Detection, detect
from aibom.resolvers.repository import Repository, folder_of, name_of

_MODEL_FILE = re.compile(r"^(model[-_. ]?licen[cs]e|licen[cs]e[-_. ]?(model|weights))", re.IGNORECASE)
_CODE_FILE = re.compile(r"^(code[-_. ]?licen[cs]e|licen[cs]e[-_. ]?code)", re.IGNORECASE)
_DATA_FILE = re.compile(r"^(data(set)?[-_. ]?licen[cs]e|licen[cs]e[-_. ]?data)", re.IGNORECASE)
_LICENSE_FILE = re.compile(
    r"^((model|code|data(set)?)[-_. ]?)?(licen[cs]e|copying|unlicense)([-_. ].*)?$|.*licen[cs]e\.(txt|md)$",
    re.IGNORECASE,
)
POLICY_FILE = re.compile(r"(use|usage)[-_ ]?policy|acceptable[-_ ]?use|prohibited[-_ ]?use", re.IGNORECASE)
_NOTICE_FILE = re.compile(r"^notice([-_. ].*)?$", re.IGNORECASE)
_MAX_FILES = 50


class LicenseFile(Struct, frozen=True, kw_only=True):
    """A file of terms, with what its text was recognised as (None: nothing)."""

    path: str
    scope: Scope
    detection: Detection | None
    text: Text
    members: tuple[str, ...] = ()
    """Where the file lies inside a container at `path`."""

    @property
    def place(self) -> Location:
        """The file's first line."""
        return Location(path=self.path, members=self.members, line=1)


def named_files(repository: Repository, folder: str) -> Mapping[str, tuple[str, ...]]:
    """Return files of terms by what their names say, in a model's folder and at the root."""
    paths = [path for place in dict.fromkeys((folder, "")) for path in repository.files_in(place)]
    return {
        "policies": tuple(path for path in paths if POLICY_FILE.search(name_of(path))),
        "notices": tuple(path for path in paths if _NOTICE_FILE.match(name_of(path))),
        "unread": tuple(
            path
            for path in paths
            if path.lower().endswith(".pdf") and re.search(r"licen[cs]e|terms", name_of(path), re.IGNORECASE)
        ),
    }


def files_of_terms(repository: Repository, folder: str) -> tuple[LicenseFile, ...]:
    """Return the license files that hold for a model's folder, each recognised once."""
    return repository.once("license-files", folder, lambda: tuple(license_files(repository, folder)))


def license_files(repository: Repository, folder: str) -> Iterator[LicenseFile]:
    """Yield the license files in a model's folder, else those above it, and in a LICENSES folder."""
    folders = [folder]
    while folder:
        folder = folder_of(folder)
        folders.append(folder)
    left = _MAX_FILES
    for place in (*folders, "LICENSES", "licenses"):
        found = [path for path in repository.files_in(place) if _is_license(repository, path)]
        separate = any(_MODEL_FILE.match(name_of(path)) for path in found)
        for path in found[:left]:
            if (text := repository.text(path)) is not None:
                yield LicenseFile(
                    path=path, scope=_scope(name_of(path), separate=separate), detection=detect(text.text), text=text
                )
        left -= len(found[:left])
        if found and place == "":
            return


def _is_license(repository: Repository, path: str) -> bool:
    name = name_of(path)
    if POLICY_FILE.search(name) or _NOTICE_FILE.match(name) or name.lower().endswith((".pdf", ".py", ".json", ".yaml")):
        return False
    item = repository.inspection(path)
    role = item.file.role if item else Role.OTHER
    return bool(_LICENSE_FILE.match(name)) or role is Role.LICENSE


def _scope(name: str, *, separate: bool) -> Scope:
    if _CODE_FILE.match(name):
        return Scope.CODE
    if _DATA_FILE.match(name):
        return Scope.DATA
    # Beside a license of the model, the plain LICENSE is that of the code.
    return Scope.CODE if separate and not _MODEL_FILE.match(name) else Scope.WEIGHTS
