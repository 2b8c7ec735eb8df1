"""Measure the recognition of license texts on a labelled set that no print was made from: right, wrong, abstained.

    pip download --no-deps scancode-toolkit-mini==32.5.0 -d WHEELS
    python tools/measure_license_texts.py WHEELS

The set is ScanCode's license texts (CC-BY-4.0, https://github.com/aboutcode-org/scancode-toolkit) without those that
prints were built from. A text is right if it is given the SPDX id of its label, abstained on if it is given none.
"""

from __future__ import annotations

import re
import sys
import zipfile
from collections import Counter
from pathlib import Path

from aibom.data.license_table import license_table
from aibom.resolvers.license_names import keys_of
from aibom.resolvers.license_texts import detect

# Texts that ScanCode keeps under a name of its own and that are, but for names of persons and products, the text of an
# SPDX license: compared word by word.
SAME_TEXT = {
    "apple-excl": "AML",
    "brian-gladman-3-clause": "Brian-Gladman-3-Clause-no-conversion",
    "bsd-no-disclaimer-unmodified": "BSD-Source-Code-no-disclaimer",
    "bsd-unchanged": "BSD-2-Clause-pos-unchanged",
    "bsd-unmodified": "BSD-2-Clause-pos-unchanged",
    "bsla-no-advert": "BSD-4.3TAHOE",
    "capec-tou": "CAPEC-tou",
    "cecill-b-en": "CECILL-B",
    "cecill-c-en": "CECILL-C",
    "iso-8879": "ISO-permission",
    "libselinux-pd": "libselinux-1.0",
    "minecraft-mod": "MMPL-1.0.1",
    "mit-readme": "MIT-0",
    "mvt-1.1": "MVT-1.1",
    "openmdw-1.0": "OpenMDW-1.0",
    "red-hat-bsd-simplified": "BSD-2-Clause-Views",
    "rsa-md4": "RSA-MD",
    "sgmlug": "SGMLUG-PM",
    "synthesis-toolkit": "MIT-STK",
    "unrar": "UnRAR",
    "westhawk": "HPND-Pbmplus",
    "wordnet": "WordNet",
    "wtfnmfpl-1.0": "WTFNMFPL",
    "x11-acer": "ISC",
    "x11-doc": "HPND-doc-sell",
}
_MIN_WORDS = 20


def main(wheels: Path) -> None:
    """Print how many texts are right, wrong and abstained on, and every wrong one."""
    used = {key for row in license_table().rows if not row.in_spdx for key in row.scancode_keys}
    counts: Counter[str] = Counter()
    with zipfile.ZipFile(next(wheels.glob("scancode_toolkit_mini-*.whl"))) as archive:
        for name in sorted(archive.namelist()):
            if re.fullmatch(r"licensedcode/data/licenses/.+\.LICENSE", name):
                judge(archive.read(name).decode(), used, counts)
    total = sum(counts.values())
    print(f"{total} texts: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))


def judge(content: str, used: set[str], counts: Counter[str]) -> None:
    """Count one text."""
    _, header, text = content.split("---", 2)
    label = dict(re.findall(r"^(\w+): (.*)$", header, re.MULTILINE))
    if label["key"] in used or "yes" in (label.get("is_deprecated"), label.get("is_exception")):
        return
    if len(text.split()) < _MIN_WORDS:
        return
    expected = {label.get("spdx_license_key", ""), *re.findall(r"^    - (\S+)$", header, re.MULTILINE)}
    found = detect(text)
    if found is None or not found.licenses:
        counts["abstained"] += 1
        return
    ids = {_open(key) for item in found.licenses for key in keys_of(item.expression or "")}
    if {_open(key) for key in expected} & ids:
        counts["right"] += 1
    elif SAME_TEXT.get(label["key"], "\0") in found.statement:
        counts["right, under the name that SPDX gives the text"] += 1
    else:
        counts["wrong"] += 1
        print("wrong:", label["key"], found.statement)


def _open(key: str) -> str:
    """The text of a GNU license does not say whether later versions are allowed."""
    return re.sub(r"-(only|or-later)$", "", key)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
