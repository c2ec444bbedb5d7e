"""Media types of the files that go with a case."""

from pathlib import Path

# Not from the machine's own table, which differs from one to the next.
_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".zip": "application/zip",
}


def media_type(path: Path) -> str:
    """Return the media type by the file's suffix; of an unknown one, plain bytes."""
    return _TYPES.get(path.suffix.lower(), "application/octet-stream")
