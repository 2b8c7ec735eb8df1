"""Measure the recognition of license texts on labelled texts that no print was made from: right, wrong, abstained.

    pip download --no-deps scancode-toolkit-mini==32.5.0 -d WHEELS
    python tools/measure_license_texts.py WHEELS

Both sets are ScanCode's (CC-BY-4.0, https://github.com/aboutcode-org/scancode-toolkit): its license texts without those
that prints were built from, and the license texts as found in the wild among its detection rules. The second set is cut
in two by a hash of the names: thresholds and words were chosen on one half, and the other half tells how good they are.
A text is right if it is given SPDX ids of its label, abstained on if it is given none.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from build_license_sketches import AS_DISTRIBUTED

from aibom.data.license_table import license_table
from aibom.resolvers.license_names import keys_of
from aibom.resolvers.license_texts import detect

# Texts that are not word for word what they are said to be, and whose label is another: each was read.
LABELS = {
    # BSD-2-Clause and BSD-3-Clause with the holder's name left out or put in.
    "bsd-new_1319.RULE": "BSD-2-Clause",
    "bsd-unmodified_4.RULE": "BSD-2-Clause",
    "bsd-x11_7.RULE": "BSD-3-Clause",
    # MIT and ISC with a word or a name exchanged.
    "other-permissive_169.RULE": "MIT",
    "x11-acer.LICENSE": "ISC",
    # The agreement that its first lines name.
    "proprietary-license_931.RULE": "DeepFloyd IF License Agreement",
    "tencent-hunyuan-3d-2.0-cla_1.RULE": "Tencent Hunyuan Community License",
}
_MIN_WORDS = 20
_LICENSE = re.compile(r"licensedcode/data/licenses/.+\.LICENSE")
_RULE = re.compile(r"licensedcode/data/rules/.+\.RULE")
_OPERATORS = {"AND", "OR", "WITH", "and", "or", "with"}


def main(wheels: Path) -> None:
    """Print how many texts are right, wrong and abstained on in each set, and every wrong one."""
    with zipfile.ZipFile(next(wheels.glob("scancode_toolkit_mini-*.whl"))) as archive:
        found = {name: archive.read(name).decode() for name in sorted(archive.namelist()) if _is_text(name)}
    labels = dict(_spdx(found))
    sets: dict[str, Counter[str]] = {
        "license texts": Counter(),
        "wild, tuned on": Counter(),
        "wild, held out": Counter(),
    }
    for name, expected, text in (*_texts(found, labels), *_rules(found, labels)):
        leaf = name.rpartition("/")[2]
        half = "held out" if hashlib.sha256(leaf.encode()).digest()[-1] % 2 else "tuned on"
        counts = sets[f"wild, {half}" if leaf.endswith(".RULE") else "license texts"]
        verdict, statement = judge(expected, text, LABELS.get(leaf))
        counts[verdict] += 1
        if verdict == "wrong":
            print("wrong:", leaf, statement)
    for name, counts in sets.items():
        print(
            f"{name}: {sum(counts.values())}: " + ", ".join(f"{count} {what}" for what, count in counts.most_common())
        )


def _is_text(name: str) -> bool:
    return bool(_LICENSE.fullmatch(name) or _RULE.fullmatch(name))


def _header(content: str) -> tuple[str, str]:
    _, header, text = content.split("---", 2)
    return header, text


def _fields(header: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+): (.*)$", header, re.MULTILINE))


def _spdx(found: Mapping[str, str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the SPDX ids of every key of ScanCode's."""
    for name, content in found.items():
        if _LICENSE.fullmatch(name):
            header, _ = _header(content)
            fields = _fields(header)
            ids = {fields.get("spdx_license_key", ""), *re.findall(r"^    - (\S+)$", header, re.MULTILINE)}
            yield fields["key"], {_open(key) for key in ids}


def _texts(found: Mapping[str, str], labels: Mapping[str, set[str]]) -> Iterator[tuple[str, set[str], str]]:
    used = {key for row in license_table().rows if not row.in_spdx for key in row.scancode_keys} | set(AS_DISTRIBUTED)
    for name, content in found.items():
        if not _LICENSE.fullmatch(name):
            continue
        header, text = _header(content)
        fields = _fields(header)
        if fields["key"] in used or "yes" in (fields.get("is_deprecated"), fields.get("is_exception")):
            continue
        if len(text.split()) >= _MIN_WORDS:
            yield name, labels[fields["key"]], text


def _rules(found: Mapping[str, str], labels: Mapping[str, set[str]]) -> Iterator[tuple[str, set[str], str]]:
    for name, content in found.items():
        if not _RULE.fullmatch(name):
            continue
        header, text = _header(content)
        fields = _fields(header)
        if fields.get("is_license_text") != "yes" or "yes" in (
            fields.get("is_deprecated"),
            fields.get("is_false_positive"),
        ):
            continue
        keys = set(re.findall(r"[\w.+-]+", fields["license_expression"])) - _OPERATORS
        text = re.sub(r"\{\{|\}\}", "", text)  # marks of required phrases
        if len(text.split()) >= _MIN_WORDS:
            yield name, {item for key in keys for item in labels.get(key, ())}, text


def judge(expected: set[str], text: str, other_name: str | None) -> tuple[str, str]:
    """Return what became of one text, and what was said of it."""
    found = detect(text)
    if found is None or not found.licenses:
        return "abstained", ""
    # The ids of one license text are an open choice; of several texts in one file each has to be in the label.
    if all({_open(key) for key in keys_of(item.expression or "")} & expected for item in found.licenses):
        return "right", found.statement
    # A text that is word for word the one of SPDX is that one, whatever ScanCode calls it.
    if found.method == "digest" or (other_name is not None and other_name in found.statement):
        return "right, under another name than the label", found.statement
    return "wrong", found.statement


def _open(key: str) -> str:
    """The text of a GNU license does not say whether later versions are allowed."""
    return re.sub(r"-(only|or-later)$", "", key)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
