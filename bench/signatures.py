"""Verifying signatures: no second read of a big repository, and little time for a small one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.measure import AIBOM, ROOT, Group, process
from bench.scans import GIB, write_safetensors

REPO = ROOT / "build" / "bench" / "signed"
_PEER = Path(sys.executable).parent / "model_signing"


def run(*, small: bool = False, scale: int = 1) -> list[Group]:
    """Measure; `small` takes a hundredth of the bytes, to try the script, `scale` any part of them."""
    shutil.rmtree(REPO, ignore_errors=True)
    (REPO / "keys").mkdir(parents=True)
    private, public = REPO / "keys" / "key.pem", REPO / "keys" / "key.pub"
    _quietly("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(private))
    _quietly("openssl", "ec", "-in", str(private), "-pubout", "-out", str(public))
    try:
        return [_big(private, public, 100 if small else scale), _little(private, public)]
    finally:
        shutil.rmtree(REPO)


def _big(private: Path, public: Path, scale: int) -> Group:
    group = Group("a signed repository of 6 GiB in two safetensors files")
    model = REPO / "big"
    model.mkdir()
    write_safetensors(model / "model.safetensors", 4 * GIB // scale)
    write_safetensors(model / "vision.safetensors", 2 * GIB // scale)
    (model / "config.json").write_text("{}")
    plain = [AIBOM, "scan", str(model), "--jobs", "2", "-q"]
    signed = [*plain, "--key", str(public), "--require-signature"]
    process(plain, rounds=1)
    _sign(private, model)
    signature, aside = model / "model.sig", REPO / "model.sig"
    peer = [
        str(_PEER),
        "verify",
        "key",
        "--public_key",
        str(public),
        "--signature",
        str(model / "model.sig"),
        str(model),
    ]
    # In turn, so that a noisy minute hits all of them.
    times: dict[str, list[float]] = {"plain": [], "signed": [], "peer": [], "tensors": []}
    for _ in range(3):
        signature.rename(aside)
        times["plain"].append(process(plain, rounds=1).seconds)
        aside.rename(signature)
        times["signed"].append(process(signed, rounds=1).seconds)
        times["peer"].append(process(peer, rounds=1).seconds)
        times["tensors"].append(process([*plain, "--tensor-digests"], rounds=1).seconds)
    middle = {name: sorted(values)[1] for name, values in times.items()}
    group.add("warm, 2 threads", "aibom scan, unsigned", middle["plain"])
    group.add("warm, 2 threads", "aibom scan --key --require-signature", middle["signed"], base=middle["plain"])
    group.add("warm", "model_signing verify key", middle["peer"], base=middle["plain"])
    group.add("warm, 2 threads", "aibom scan --tensor-digests", middle["tensors"], base=middle["plain"])
    return group


def _little(private: Path, public: Path) -> Group:
    group = Group("a signed model of a few KB, whole process")
    model = REPO / "little"
    shutil.copytree(ROOT / "fixtures" / "real" / "transformers" / "tiny-bert", model)
    _sign(private, model)
    bom = REPO / "bom.json"
    _quietly(AIBOM, "scan", str(model), "-o", f"cyclonedx={bom}", "-q")
    _quietly(AIBOM, "sign", str(bom), "--key", str(private))
    python = process([sys.executable, "-c", "pass"], rounds=9).seconds
    group.add("start", "python -c pass (the limit)", python)
    for subject, command in (
        ("aibom scan --key", [AIBOM, "scan", str(model), "--key", str(public), "-q"]),
        ("aibom verify BOM --key", [AIBOM, "verify", str(bom), str(model), "--key", str(public), "-q"]),
        ("model_signing verify key", [str(_PEER), "verify", "key", "--public_key", str(public), "--signature",
                                      str(model / "model.sig"), str(model)]),
    ):  # fmt: skip
        cost = process(command, rounds=7)
        group.add("key", subject, cost.seconds, peak=cost.peak_mib)
    root, leaf, leaf_key = _issue()
    _quietly(str(_PEER), "sign", "certificate", "--private_key", str(leaf_key), "--signing_certificate", str(leaf),
             "--certificate_chain", str(root), "--signature", str(model / "model.sig"), str(model))  # fmt: skip
    _quietly(AIBOM, "scan", str(model), "-o", f"cyclonedx={bom}", "-q")
    _quietly(AIBOM, "sign", str(bom), "--key", str(leaf_key), "--cert", str(leaf))
    for subject, command in (
        ("aibom scan --ca", [AIBOM, "scan", str(model), "--ca", str(root), "--require-signature", "-q"]),
        ("aibom verify BOM --ca", [AIBOM, "verify", str(bom), str(model), "--ca", str(root), "-q"]),
        ("model_signing verify certificate", [str(_PEER), "verify", "certificate", "--certificate_chain", str(root),
                                              "--signature", str(model / "model.sig"), str(model)]),
    ):  # fmt: skip
        cost = process(command, rounds=7)
        group.add("certificate", subject, cost.seconds, peak=cost.peak_mib)
    return group


def _issue() -> tuple[Path, Path, Path]:
    """Issue a certificate for signing code; return the authority's, the signer's, and the signer's key."""
    keys = REPO / "keys"
    root, root_key, leaf, leaf_key, request = (
        keys / name for name in ("root.pem", "root.key", "leaf.pem", "leaf.key", "leaf.csr")
    )
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _quietly("openssl", "req", "-x509", *curve, "-keyout", str(root_key), "-out", str(root), "-subj", "/CN=root",
             "-days", "9", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    uses = keys / "uses.cnf"
    uses.write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    _quietly("openssl", "req", *curve, "-keyout", str(leaf_key), "-out", str(request), "-subj", "/CN=leaf")
    _quietly("openssl", "x509", "-req", "-in", str(request), "-CA", str(root), "-CAkey", str(root_key),
             "-CAcreateserial", "-out", str(leaf), "-days", "8", "-extfile", str(uses))  # fmt: skip
    return root, leaf, leaf_key


def _sign(private: Path, model: Path) -> None:
    _quietly(
        str(_PEER), "sign", "key", "--private_key", str(private), "--signature", str(model / "model.sig"), str(model)
    )


def _quietly(*command: str) -> Sequence[str]:
    subprocess.run(command, check=True, capture_output=True)
    return command


if __name__ == "__main__":
    for result in run(scale=int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(result.name)
        for row in result.rows:
            print(f"  {row.subject:<40} {row.seconds:.3f} s  {row.ratio or 0:.2f}  {row.note}")
