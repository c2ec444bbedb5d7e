"""A file and the hash that it had."""

from aerial.records.record import record


@record
class FileRef:
    """``path`` is relative, POSIX style, to the folder of the record's own file; ``sha256`` in hex."""

    path: str
    sha256: str
