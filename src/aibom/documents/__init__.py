"""Read the bills of materials that `diff` and `score` look at: a report of ours, or a document of any tool.

All are read into the shape of CycloneDX JSON, so that there is one reading of each fact and not one for each format.
"""

from aibom.documents.opening import Document, load, open_document
from aibom.documents.parts import MAX_DEPTH, Placed, components, files, full_name, subject, values
from aibom.documents.shape import Json

__all__ = [
    "MAX_DEPTH",
    "Document",
    "Json",
    "Placed",
    "components",
    "files",
    "full_name",
    "load",
    "open_document",
    "subject",
    "values",
]
