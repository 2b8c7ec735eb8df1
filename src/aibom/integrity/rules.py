"""What can be wrong between files and what somebody stated or signed about them."""

from __future__ import annotations

from aibom.digests import HASH_MISMATCH
from aibom.findings import Rule, Severity, Subject

_OMS = "https://github.com/ossf/model-signing-spec"

MISSING_FILE = Rule(
    id="missing-file",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="A file that belongs to the model is not there",
    explanation=(
        "An index, a split or a signed statement names a file that the target does not hold. The model is incomplete: "
        "it does not load, or it loads with something else in that place."
    ),
    help="Complete the download, and compare with the publisher's list of files.",
    cwes=(353,),
)
INDEX_MISMATCH = Rule(
    id="index-mismatch",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="The index and the shards disagree",
    explanation=(
        "A sharded model is loaded by an index that says which tensor stands in which file. Where the index and the "
        "files' own headers disagree, loaders fail, leave weights at their random start, or load others than those "
        "that were reviewed."
    ),
    help="Fetch index and shards again from one revision; do not mix files of several.",
    cwes=(345,),
)
UNSIGNED_FILE = Rule(
    id="unsigned-file",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="A file that the signature does not cover",
    explanation=(
        "The model is signed, but this file is not part of what was signed: it was added later, or the signer left it "
        "out. A signature says nothing about such a file, and a loader does not know the difference."
    ),
    help="Remove the file, or ask the signer to sign it with the rest.",
    references=(_OMS,),
    cwes=(345,),
)
SIGNATURE_INVALID = Rule(
    id="signature-invalid",
    subject=Subject.INTEGRITY,
    severity=Severity.CRITICAL,
    summary="A signature does not hold",
    explanation=(
        "The signature was not made by the key that was given, over these bytes, by a certificate that was valid for "
        "it, or the signed statement breaks the rules of its format. What it says about the model counts for nothing."
    ),
    help="Do not use the model before the publisher has explained this; fetch model and signature again.",
    references=(_OMS,),
    cwes=(347,),
)
SIGNER_UNTRUSTED = Rule(
    id="signer-untrusted",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="Signed, but not by anybody you trust",
    explanation=(
        "Keys, authorities or identities were given to check signatures with, and this signature was made by somebody "
        "else. Anybody can sign a model with a key of their own."
    ),
    help="Get the signer's key or identity from a place you trust, and give it with --key, --ca or --identity.",
    cwes=(296,),
)
SIGNATURE_UNCHECKED = Rule(
    id="signature-unchecked",
    subject=Subject.INTEGRITY,
    severity=Severity.INFO,
    summary="There is a signature that nobody checked",
    explanation=(
        "The model carries a signature, but the scan was not told whose signature to expect, or can't check this kind. "
        "An unchecked signature is worth nothing: an attacker can make one too."
    ),
    help="Give the signer's public key (--key), authority (--ca) or --identity with --issuer.",
)
SIGNATURE_REQUIRED = Rule(
    id="signature-required",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="A file without a verified signature, where one is required",
    explanation=(
        "Signatures were made a condition of this scan, and no verified signature covers this weight, code or "
        "configuration file."
    ),
    help="Ask the publisher for a signature over the whole model, or give the key that it was made with.",
    cwes=(345,),
)
TENSOR_MISMATCH = Rule(
    id="tensor-mismatch",
    subject=Subject.INTEGRITY,
    severity=Severity.HIGH,
    summary="Two copies of the weights are not the same weights",
    explanation=(
        "The repository offers its weights in two files, and a tensor of the same name, type and shape differs between "
        "them. Which model runs depends on the loader, and a review of one copy says nothing about the other."
    ),
    help="Ask the publisher which copy is meant, and remove the other one.",
    cwes=(345,),
)
RULES = (
    HASH_MISMATCH,
    MISSING_FILE,
    INDEX_MISMATCH,
    UNSIGNED_FILE,
    SIGNATURE_INVALID,
    SIGNER_UNTRUSTED,
    SIGNATURE_UNCHECKED,
    SIGNATURE_REQUIRED,
    TENSOR_MISMATCH,
)
