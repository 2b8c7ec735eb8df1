"""Read XML of a stranger as a stream of elements; declarations of entities are refused, nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from aibom.errors import LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_CHUNK = 1 << 20
_DEPTH = 200
_XML_BYTES = 512 << 20

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


def parse_xml(
    data: ByteSource, limits: Limits, *, start: Start, end: End | None = None, text: Callable[[str], None] | None = None
) -> bool:
    """Call `start`, `end` and `text` for each element; names come without namespace. Return whether all was read.

    It ends at the first declaration of an entity, since entities can stand for files and for gigabytes; False says so.

    Raises:
        MalformedFile: it is not well-formed.
        LimitExceeded: it is larger or deeper than is allowed.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    state = {"depth": 0, "left": limits.graph_fields}

    def started(name: str, attributes: dict[str, str]) -> None:
        state["depth"] += 1
        state["left"] -= 1
        if state["depth"] > _DEPTH or state["left"] < 0:
            raise LimitExceeded(f"XML deeper than {_DEPTH} or of more elements than the limit allows")
        start(name.rsplit(" ", 1)[-1], attributes)

    def ended(name: str) -> None:
        state["depth"] -= 1
        if end is not None:
            end(name.rsplit(" ", 1)[-1])

    def declared(*_: object) -> None:
        raise _EntityDeclaredError

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.EntityDeclHandler = declared
    parser.ExternalEntityRefHandler = None
    if text is not None:
        parser.CharacterDataHandler = text
    if data.size > _XML_BYTES:
        raise LimitExceeded(f"XML of {data.size} bytes, limit {_XML_BYTES}")
    try:
        for offset in range(0, data.size, _CHUNK):
            parser.Parse(data.read_at(offset, _CHUNK), False)  # noqa: FBT003 -- the parser's own signature
        parser.Parse(b"", True)  # noqa: FBT003 -- as above
    except expat.ExpatError as error:
        raise MalformedFile(f"not well-formed XML: {error}") from None
    except _EntityDeclaredError:
        return False
    return True


class _EntityDeclaredError(Exception):
    """Ends the parse."""
