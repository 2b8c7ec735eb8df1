"""Tell kinds of text apart: by what stands in them, and by name where content can't decide."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aibom.files import Format
from aibom.formats.json_keys import looks_like_json, top_level
from aibom.sources.bytesource import ByteSource

_WINDOW = 64 * 1024
_BUNDLE = 1024 * 1024
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n\r\f\x1b\x08\x0b")) + b"\x7f"

_BY_ENDING = {
    ".py": Format.PYTHON, ".pyi": Format.PYTHON, ".pyw": Format.PYTHON, ".ipynb": Format.NOTEBOOK,
    ".sh": Format.SHELL, ".bash": Format.SHELL, ".zsh": Format.SHELL, ".bat": Format.SHELL, ".cmd": Format.SHELL,
    ".ps1": Format.SHELL, ".yaml": Format.YAML, ".yml": Format.YAML, ".toml": Format.TOML, ".md": Format.MARKDOWN,
    ".markdown": Format.MARKDOWN, ".mdx": Format.MARKDOWN, ".xml": Format.XML, ".html": Format.HTML,
    ".htm": Format.HTML, ".csv": Format.CSV, ".tsv": Format.CSV, ".json": Format.JSON, ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL, ".jinja": Format.CHAT_TEMPLATE, ".jinja2": Format.CHAT_TEMPLATE,
    ".j2": Format.CHAT_TEMPLATE,
}  # fmt: skip
_YAML_NAMES = {"mlmodel": Format.MLFLOW, "kitfile": Format.KITFILE}
_SUMS = re.compile(rb"(?:\\?[0-9a-fA-F]{64} [ *]\S[^\n]*|SHA256 \([^\n]+\) = [0-9a-fA-F]{64}|[#;][^\n]*|)\s*")
_MARK = re.compile(rb"^([A-Za-z_][\w-]*):", re.MULTILINE)
_PMML = re.compile(rb"<PMML[\s>]")
# Protobuf's text form: the fields with which a SavedModel, or a bare TensorFlow graph, begins.
_SAVED_MODEL_TEXT = re.compile(rb"^(saved_model_schema_version\s*:|meta_graphs\s*:?\s*[{<])", re.MULTILINE)
_GRAPH_TEXT = re.compile(rb"^\s*node\s*:?\s*[{<]", re.MULTILINE)
_PATH_FILE_CODE = re.compile(rb"^import[ \t]", re.MULTILINE)
_OPENVINO = re.compile(rb"<net\s[^>]*version\s*=")


def is_text(head: bytes, size: int) -> bool:
    """Say whether these bytes are text: UTF-8, UTF-16 with a mark, or 8-bit text without control characters."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return len(head) % 2 == 0 and _decodes(head, "utf-16", size)
    if len(head.translate(None, _CONTROL)) < len(head):
        return False
    if _decodes(head, "utf-8", size):
        return True
    # 8-bit text in any code page. In a few hundred bytes of anything else a control character is all but sure; that
    # words stand apart tells it from arrays of one value.
    high = sum(byte >= 0x80 for byte in head)
    apart = sum(head.count(space) for space in b" \n\t")
    return high * 10 <= len(head) * 3 or (len(head) >= 256 and apart * 25 >= len(head))


def _decodes(head: bytes, encoding: str, size: int) -> bool:
    # A character may be cut in two where the file goes on behind these bytes.
    for cut in range(4 if size > len(head) else 1):
        try:
            head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def kind_of_text(name: str, head: bytes, size: int, data: ByteSource | None) -> Format:
    """Return the format of a text; `name` decides among those that read alike."""
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        # Readers of XML, YAML and JSON take two bytes a character as well: the words decide here too.
        head, data = head[: len(head) & ~1].decode("utf-16", "replace").encode(), None
    body = head.removeprefix(b"\xef\xbb\xbf")
    leaf = name.rsplit("/", 1)[-1].lower()
    ending = leaf[leaf.rfind(".") :] if "." in leaf else ""
    found = _by_first_words(body, size)
    if found is not None:
        return found
    if looks_like_json(body) and ending not in {".py", ".md", ".jinja", ".yaml", ".yml"}:
        return _kind_of_json(leaf, ending, body, data)
    if ending in {".yaml", ".yml"} or leaf in _YAML_NAMES:
        return _kind_of_yaml(leaf, body)
    if leaf == "config.pbtxt":
        return Format.TRITON_CONFIG
    if leaf == "saved_model.pbtxt" or _SAVED_MODEL_TEXT.search(body):
        return Format.TF_SAVEDMODEL
    if ending == ".pbtxt" and _GRAPH_TEXT.search(body):
        return Format.TF_GRAPHDEF
    if ending == ".pth" and _PATH_FILE_CODE.search(body):
        # In a folder of packages, Python runs such lines at every start (documentation of `site`).
        return Format.PYTHON
    if leaf.startswith(("dockerfile", "containerfile")) or ending == ".dockerfile":
        return Format.DOCKERFILE
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    return _by_content(leaf, body)


def _by_first_words(body: bytes, size: int) -> Format | None:
    if body.startswith((b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")):
        # The specification: a pointer file is less than 1024 bytes long.
        return Format.LFS_POINTER if size < 1024 and b"\noid " in body else None
    if body.startswith(b"#!"):
        return Format.PYTHON if b"python" in body.split(b"\n", 1)[0] else Format.SHELL
    if body.startswith((b"tree\nversion=", b"tree\r\nversion=")):
        return Format.LIGHTGBM_TEXT
    start = body.lstrip()[:512].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Format.HTML
    if start.startswith((b"<?xml", b"<pmml", b"<net ", b"<svg", b"<!doctype")):
        return _kind_of_xml(body)
    return None


def _kind_of_xml(body: bytes) -> Format:
    if _PMML.search(body):
        return Format.PMML
    return Format.OPENVINO if _OPENVINO.search(body) else Format.XML


# --- JSON -------------------------------------------------------------------------------------------------------------


def _kind_of_json(leaf: str, ending: str, body: bytes, data: ByteSource | None) -> Format:
    if ending in {".jsonl", ".ndjson"} or _is_lines(body):
        return Format.JSONL
    raw = data.read_at(0, _WINDOW) if data is not None and data.size > len(body) else body
    keys = top_level(raw)
    found = _by_keys(keys, leaf, raw)
    if found is Format.SIGSTORE_BUNDLE and data is not None:
        return _kind_of_bundle(data.read_at(0, _BUNDLE))
    return found or (Format.CHAT_TEMPLATE if leaf.startswith("chat_template") else Format.JSON)


def _is_lines(body: bytes) -> bool:
    """Say whether the first two lines are each a whole object."""
    lines = body.split(b"\n", 2)
    return len(lines) == 3 and all(
        line.strip().startswith(b"{") and line.strip().endswith(b"}") and line.count(b"{") == line.count(b"}")
        for line in lines[:2]
    )


def _by_keys(keys: Mapping[str, bytes], leaf: str, raw: bytes) -> Format | None:
    has = keys.keys()
    if "weight_map" in has:
        return Format.SAFETENSORS_INDEX if b".safetensors" in raw else Format.PYTORCH_INDEX
    if "nbformat" in has or ("cells" in has and leaf.endswith(".ipynb")):
        return Format.NOTEBOOK
    if "peft_type" in has or leaf == "adapter_config.json":
        return Format.PEFT_CONFIG
    if "learner" in has and ("version" in has or leaf.endswith(".json")):
        return Format.XGBOOST_JSON
    if "dsseEnvelope" in has or "messageSignature" in has or b"vnd.dev.sigstore.bundle" in keys.get("mediaType", b""):
        return Format.SIGSTORE_BUNDLE
    if "payloadType" in has and "signatures" in has and "payload" in has:
        return Format.SIGSTORE_BUNDLE
    if "schemaVersion" in has and ("layers" in has or "manifests" in has or "config" in has):
        return Format.OLLAMA_MANIFEST if b"application/vnd.ollama.image" in raw else Format.OCI_MANIFEST
    if "manifestVersion" in has and "package" in has:
        return Format.KITFILE
    if "itemInfoEntries" in has:
        return Format.COREML_MANIFEST
    if {"class_name", "config"} <= has:
        return Format.KERAS_CONFIG
    if "tokenizer_class" in has or leaf == "tokenizer_config.json":
        return Format.TOKENIZER_CONFIG
    if {"architectures", "model_type"} <= has or (leaf == "config.json" and has & {"architectures", "model_type"}):
        return Format.TRANSFORMERS_CONFIG
    return Format.CHAT_TEMPLATE if has == {"chat_template"} else None


def _kind_of_bundle(raw: bytes) -> Format:
    """Tell a model signature from any other bundle: its statement, base64 in the envelope, names the predicate."""
    # "model_signing/" in base64, at the three places a group of three bytes may begin.
    known = (b"bW9kZWxfc2lnbmluZy", b"1vZGVsX3NpZ25pbmcv", b"tb2RlbF9zaWduaW5nL")
    return Format.OMS_SIGNATURE if any(part in raw for part in known) else Format.SIGSTORE_BUNDLE


# --- YAML and the rest ------------------------------------------------------------------------------------------------


def _kind_of_yaml(leaf: str, body: bytes) -> Format:
    keys = set(_MARK.findall(body))
    if b"merge_method" in keys:
        return Format.MERGEKIT_CONFIG
    if b"flavors" in keys and (leaf == "mlmodel" or keys & {b"mlflow_version", b"model_uuid", b"artifact_path"}):
        return Format.MLFLOW
    if b"manifestVersion" in keys and (b"package" in keys or leaf == "kitfile"):
        return Format.KITFILE
    return _YAML_NAMES.get(leaf, Format.YAML)


def _by_content(leaf: str, body: bytes) -> Format:
    """Decide on a text whose name says nothing."""
    lines = body.split(b"\n")
    whole = lines if len(lines) == 1 else lines[:-1]
    if any(line.strip() for line in whole) and all(_SUMS.fullmatch(line) for line in whole[:64]):
        listed = [line for line in whole[:64] if line.strip() and line[:1] not in b"#;"]
        if listed:
            return Format.SHA256SUMS
    if b"{%" in body and (b"messages" in body or "template" in leaf):
        return Format.CHAT_TEMPLATE
    if body.startswith((b"---\n", b"---\r\n", b"%YAML ")) and leaf.partition(".")[0] not in {"readme", "modelcard"}:
        return _kind_of_yaml(leaf, body)
    if leaf in {"readme", "modelcard"}:
        return Format.MARKDOWN
    return Format.TEXT
