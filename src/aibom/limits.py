"""How much of one target is read: counts, never seconds, so that a scan gives the same answer everywhere."""

from __future__ import annotations

from msgspec import Struct

KIB = 1024
MIB = 1024 * KIB


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds on what a target may make us do. Sizes are bytes; the report carries the limits in use."""

    files: int = 200_000
    path_depth: int = 64
    sniff_bytes: int = 4 * KIB
    header_bytes: int = 100 * MIB  # the safetensors library's own limit
    tensors: int = 1_000_000
    metadata_entries: int = 100_000
    metadata_value_bytes: int = 64 * KIB
    text_bytes: int = 2 * MIB
    json_bytes: int = 32 * MIB
    json_depth: int = 100
    yaml_bytes: int = MIB
    yaml_aliases: int = 100
    pickle_bytes: int = 512 * MIB
    pickle_opcodes: int = 50_000_000
    pickle_objects: int = 8_000_000
    pickle_streams: int = 1_000
    pickle_nesting: int = 8
    graph_fields: int = 5_000_000  # fields of protobuf messages, objects of FlatBuffers and the like
    findings_per_file: int = 200
    container_members: int = 100_000
    container_depth: int = 6
    expanded_bytes: int = 2 * 1024 * MIB
    expansion_ratio: int = 1_000
    expansion_floor_bytes: int = 256 * MIB
    """Output below this size is never called a bomb, whatever its ratio."""
