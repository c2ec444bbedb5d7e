"""What the engine remembers in ``work``: which task is whose, how far it came, what has arrived.

``odm.json`` names the task before the first request is sent, so that whatever the node did with it is
found again under that name. ``odm-uploads.jsonl`` gets one line when a file is begun and one when the
node has confirmed it: a file that was begun and not confirmed lies at the node whole, in part or not
at all.
"""

import json
import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Literal

from aerial.codec import read_record, write_json
from aerial.errors import InputError
from aerial.records import Mosaic
from aerial.records.record import record

Stage = Literal["named", "open", "committed", "fetched"]


@record
class Sent:
    """One task: at the node ``node`` (its URL without the token), of the job with the digest ``job``.

    ``stage``: ``named`` before the node is asked to open it, ``open`` for uploads, ``committed`` when it
    is the node's turn, ``fetched`` when its result lies here. ``mosaic``: what came of it.
    """

    node: str
    task: str
    job: str
    stage: Stage = "named"
    mosaic: Mosaic | None = None


class Journal:
    """The journal of one folder; every write is whole or not there."""

    def __init__(self, work: Path) -> None:
        self.folder = work / ".odm"
        self._state, self._uploads = work / "odm.json", work / "odm-uploads.jsonl"
        self._lock = Lock()

    def read(self) -> Sent | None:
        """Return the task of an earlier call; None where there is none, or a file of another form."""
        try:
            return read_record(Sent, self._state)
        except InputError:
            return None

    def write(self, sent: Sent) -> Sent:
        """Remember ``sent``."""
        write_json(self._state, sent)
        return sent

    def begin(self, node: str, job: str) -> Sent:
        """Give a new task its name and remember it; what was uploaded for an earlier one is forgotten."""
        self._uploads.unlink(missing_ok=True)
        return self.write(Sent(node=node, task=str(uuid.uuid4()), job=job))

    def at(self, sent: Sent, stage: Stage) -> Sent:
        """Remember that a task has come to ``stage``."""
        return self.write(replace(sent, stage=stage))

    def forget(self) -> None:
        """Forget the task and everything that was made for it."""
        self._state.unlink(missing_ok=True)
        self.clear()

    def clear(self) -> None:
        """Remove the files that were only needed on the way."""
        self._uploads.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def note(self, task: str, what: Literal["begun", "sent", "not sent"], *names: str) -> None:
        """Remember what became of files; may be called from several threads."""
        lines = "".join(
            json.dumps({"task": task, "what": what, "name": name}, ensure_ascii=False) + "\n"
            for name in names
        )
        with self._lock:
            handle = os.open(self._uploads, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, lines.encode())
            finally:
                os.close(handle)

    def uploads(self, task: str) -> tuple[set[str], set[str]]:
        """Return the names that the node has, and those that it may have in part.

        A line that a kill tore is one of a file that was about to be begun: nothing of it was sent,
        or of one whose confirmation is lost: it counts as doubtful.
        """
        last: dict[str, str] = {}
        try:
            text = self._uploads.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                if entry["task"] == task:
                    last[entry["name"]] = entry["what"]
            except (ValueError, KeyError, TypeError):
                continue
        return (
            {name for name, what in last.items() if what == "sent"},
            {name for name, what in last.items() if what == "begun"},
        )
