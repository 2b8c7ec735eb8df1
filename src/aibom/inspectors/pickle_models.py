"""Find the Keras models that a pickle hands to Keras' own loaders, which load them with safe mode switched off.

Keras 3 pickles a model as its `.keras` archive in a BytesIO (`keras/src/saving/keras_saveable.py`); Keras 2.12 to 2.15
as the bytes of one, Keras 2.8 to 2.11 as those of a tar with a SavedModel (`keras/saving/pickle_utils.py`).
"""

from __future__ import annotations

from aibom.files import Format
from aibom.formats.magic import by_signature
from aibom.formats.tar_kinds import is_tar
from aibom.formats.zip_kinds import has_zip_directory
from aibom.inspectors.contents import Content
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, Node
from aibom.limits import MIB
from aibom.sources.bytesource import ByteSource, MemorySource, SliceSource

_FROM_STREAM = "._unpickle_model"
_FROM_BYTES = "deserialize_model_from_bytecode"
_ENCODED = 64 * MIB
_HEAD = 4096
# What `tarfile.open` opens by itself.
_COMPRESSED = frozenset({Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA})


def loads_model(callee: Global) -> bool:
    """Say whether this is a function with which Keras rebuilds a model from bytes."""
    return callee.name.endswith(_FROM_STREAM) or callee.name == _FROM_BYTES


class Models:
    """The models that one file hands to Keras, each once, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[object, tuple[Content, ...]] = {}

    @property
    def contents(self) -> list[Content]:
        """All models, to be inspected as members."""
        return [content for contents in self._found.values() for content in contents]

    def take(self, callee: Global, argument: Node, at: int, data: ByteSource, place: int, *, in_place: bool) -> bool:
        """Keep the model that `callee` is called with; False where its bytes can't be located, or are no model.

        `at` is the offset of the call. It and the argument's offsets count in `data`, which begins at `place` of the
        file, or (not `in_place`) was put together by an opcode there.
        """
        located = _stream(argument) if callee.name.endswith(_FROM_STREAM) else argument
        match located:
            case Blob(offset=offset, length=length, text=False):
                key: object = (place + offset, length)
                source: ByteSource = SliceSource(data, offset, length)
                place, offset_in_file = place + offset, place + offset if in_place else None
            case _:
                raw = _encoded(located, data)
                if raw is None:
                    return False
                key, source, place, offset_in_file = raw, MemorySource(raw), place + at, None
        if key not in self._found and len(self._found) >= self._most:
            return False
        if key not in self._found:
            from aibom.inspectors.keras_files import inspect_unguarded  # noqa: PLC0415 -- few pickles hold such a model

            self._found[key] = tuple(
                Content(
                    name=f"[{name} @{place:#x}]", format=format_, data=source, offset=offset_in_file,
                    inspector=inspect_unguarded if format_ is Format.KERAS_V3 else None,
                )
                for name, format_ in _kinds(callee, source)
            )  # fmt: skip
        return bool(self._found[key])


def _kinds(callee: Global, source: ByteSource) -> list[tuple[str, Format]]:
    """Say what the loader takes the bytes for: as Keras 2 has two ways to read them, they may be both."""
    if callee.name.endswith(_FROM_STREAM):
        return [("keras", Format.KERAS_V3)]
    head = source.read_at(0, _HEAD)
    found = Format.TAR if is_tar(head) else by_signature(head)
    kinds = [("tar", found)] if found is Format.TAR or found in _COMPRESSED else []
    return [*kinds, ("keras", Format.KERAS_V3)] if has_zip_directory(source) else kinds


def _stream(node: Node) -> Node:
    """Return the bytes that a BytesIO holds; None where the file does not tell."""
    match node:
        case Call(callee=Global(module="io" | "_io", name="BytesIO"), kwargs=None):
            pass
        case _:
            return None
    if node.items or node.pairs:
        return None
    content = node.args[0] if isinstance(node.args, tuple) and len(node.args) == 1 and node.how is How.CALL else None
    for state in node.state:
        match state:
            # Attributes of its own would stand before the methods that Keras calls.
            case (content, int(), None | Dict(items=[])):
                pass
            case _:
                return None
    return content


def _encoded(node: Node, data: ByteSource) -> bytes | None:
    """Return bytes that are put together: protocols below 3 write them as Latin-1 text and a call that encodes it."""
    match node:
        case bytes() if node:
            return node
        case Call(callee=Global(module="_codecs", name="encode"), args=(str() | Blob(text=True) as text, str(codec))):
            pass
        case _:
            return None
    if codec not in {"latin1", "latin-1"} or (isinstance(text, Blob) and text.length > _ENCODED):
        return None
    try:
        decoded = data.read_at(text.offset, text.length).decode() if isinstance(text, Blob) else text
        return decoded.encode("latin-1")
    except UnicodeError:
        return None
