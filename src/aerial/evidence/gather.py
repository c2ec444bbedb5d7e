"""What supports a suspect: every file of its pair and of both surveys, with the hash it had at first."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from aerial.codec import read_json, read_record, sha256_file
from aerial.errors import EvidenceError, InputError
from aerial.evidence.hashes import FILE as HASHES
from aerial.evidence.hashes import noted_hashes
from aerial.evidence.sight import sight_of
from aerial.evidence.supporting import MissingFile, Role, Supporting, SupportingFile
from aerial.records import FileRef, Survey, SurveyPhoto, Suspect
from aerial.records.record import record

# Always hashed, never carried: a mosaic is gigabytes, and the others' suspects are nobody's business here.
_TOO_LARGE = "too large to carry; the hash that was recorded is here"
_OTHERS = "other suspects are in it; the hash that was recorded is here"
_OF_PAIR = ("align.json", "detect.json", "mission.json", "hashes.json", "chips/grids.json")
_OF_SURVEY = ("survey.json", "photos.json", "quality.json", "mosaic.json", "inputs.json", "hashes.json")
# Written by the step itself as the record of others' hashes: nothing stands above them but the ledger.
_OWN_RECORD = ("detect.json", "survey.json", "hashes.json")
_OPTIONAL = ("mission.json", "inputs.json")


@record
class Places:
    """Where the files of one pair lie; ``root`` is the town's folder, which names are relative to.

    ``pair``, ``before`` and ``after`` are folders in it; ``zones`` are files. ``model`` is a
    ``model.toml`` and may lie anywhere. Logs and plan of a flight were kept in the survey's folder when
    its photographs came in; ``flights`` are further logs.
    """

    root: Path
    pair: Path
    before: Path
    after: Path
    flights: tuple[Path, ...] = ()
    zones: tuple[Path, ...] = ()
    model: Path | None = None


def gather(suspect: Suspect, places: Places) -> Supporting:
    """Return what supports ``suspect``, in order of names; nothing is copied, large files are not read.

    Files whose hash was recorded are named with that hash, whatever they hold now: who copies them
    compares. The photographs are those that see the suspect (``sight.py``), of both surveys.

    Raises:
        EvidenceError: a record names a file outside of its folder.
        InputError: a survey's or the pair's own record is absent or broken.
    """
    found = _Found(places.root)
    _pair(found, suspect, places)
    for folder in (places.before, places.after):
        _survey(found, folder, suspect)
    for log in places.flights:
        found.add(log, "flight", None)
    return found.all()


def evidence_refs(supporting: Supporting) -> tuple[FileRef, ...]:
    """Return what a case names as its evidence: every file whose hash was recorded, there or not."""
    there = [file.ref for file in supporting.files if file.recorded]
    absent = [FileRef(path=m.path, sha256=m.sha256) for m in supporting.missing if m.sha256 is not None]
    return tuple(sorted(there + absent, key=lambda ref: ref.path))


class _Found:
    """Collects files and what is missing, each name once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, SupportingFile] = {}
        self._missing: dict[str, MissingFile] = {}

    def add(
        self, source: Path, role: Role, sha256: str | None, *, name: str | None = None, optional: bool = False
    ) -> None:
        path = name or self.name_of(source)
        if source.is_symlink() or not source.is_file():
            # What was never made is not missing; what has a recorded hash was there once.
            if sha256 is not None or not optional:
                self.lacks(path, role, sha256, "not there any more" if sha256 else "not there")
            return
        ref = FileRef(path=path, sha256=sha256 or sha256_file(source))
        self._files[path] = SupportingFile(ref=ref, role=role, source=source, recorded=sha256 is not None)

    def lacks(self, path: str, role: Role, sha256: str | None, why: str) -> None:
        self._missing[path] = MissingFile(path=path, role=role, sha256=sha256, why=why)

    def name_of(self, source: Path) -> str:
        if ".." in source.parts or not source.is_relative_to(self._root):
            raise EvidenceError(
                f"{source} is not in the town's folder.", hint="Restore the record that names it."
            )
        return source.relative_to(self._root).as_posix()

    def all(self) -> Supporting:
        return Supporting(
            files=tuple(self._files[path] for path in sorted(self._files)),
            missing=tuple(self._missing[p] for p in sorted(self._missing) if p not in self._files),
        )


def _pair(found: _Found, suspect: Suspect, places: Places) -> None:
    stamp, noted = _stamp(places.pair / "detect.json"), noted_hashes(places.pair)
    recorded = noted | stamp.outputs
    for chip in suspect.chips:
        found.add(_inside(places.pair, chip.path), "picture", chip.sha256)
    for name in _OF_PAIR:
        sha256 = None if name == "detect.json" else recorded.get(name)
        found.add(places.pair / name, "comparison", sha256, optional=name in (*_OPTIONAL, HASHES))
    for name, why in (("suspects.geojson", _OTHERS), ("change.tif", _TOO_LARGE)):
        found.lacks(found.name_of(places.pair / name), "comparison", recorded.get(name), why)
    used = noted | stamp.inputs
    if places.model is not None:
        found.add(places.model, "model", used.get("model/model.toml"), name="model/model.toml")
    else:
        found.lacks("model/model.toml", "model", used.get("model/model.toml"), "not there any more")
    for zone in places.zones:
        found.add(zone, "zones", used.get(f"zones/{zone.name}"), name=f"zones/{zone.name}")
    gone = {name for name in used if name.startswith("zones/")} - {f"zones/{z.name}" for z in places.zones}
    for name in sorted(gone):
        found.lacks(name, "zones", used[name], "not there any more")


def _survey(found: _Found, folder: Path, suspect: Suspect) -> None:
    survey = read_record(Survey, folder / "survey.json")
    noted = noted_hashes(folder)
    for name in _OF_SURVEY:
        sha256 = None if name in _OWN_RECORD else noted.get(name)
        found.add(folder / name, "survey", sha256, optional=name in (*_OPTIONAL, HASHES))
    for name in sorted(noted):
        if name.startswith("flights/"):
            found.add(_inside(folder, name), "flight", noted[name])
    if survey.mosaic is not None:
        for ref in (survey.mosaic.ortho, survey.mosaic.dsm, survey.mosaic.block):
            if ref is not None:
                path = found.name_of(_inside(folder, ref.path))
                found.lacks(path, "mosaic", ref.sha256, _TOO_LARGE)
    _photographs(found, folder, survey, suspect)


def _photographs(found: _Found, folder: Path, survey: Survey, suspect: Suspect) -> None:
    hashes = {ref.path: ref.sha256 for ref in survey.photos}
    for photo in read_record(tuple[SurveyPhoto, ...], folder / "photos.json"):
        sight = sight_of(photo.photo, suspect)
        if sight is False:
            continue
        source, sha256 = _inside(folder, photo.file.path), hashes.get(photo.file.path)
        if sha256 is None or sha256 != photo.file.sha256:
            raise EvidenceError(
                f"survey.json and photos.json of {folder.name} name other hashes for {photo.file.path}.",
                hint="One of them was changed; restore the survey's folder from a copy.",
            )
        if sight is None:
            why = "it does not tell where it looked; the hash that was recorded is here"
            found.lacks(found.name_of(source), "photograph", sha256, why)
        else:
            found.add(source, "photograph", sha256)


@record
class _Stamp:
    """The hashes in the receipt of a finished step, by name."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def _stamp(path: Path) -> _Stamp:
    """Return what a step's receipt holds; nothing where there is none (a pair outside of a town)."""
    if not path.is_file():
        return _Stamp(inputs={}, outputs={})
    data = read_json(path)
    try:
        return _Stamp(inputs=_hashes(data["inputs"].items()), outputs=_outputs(data["outputs"]))
    except (AttributeError, KeyError, TypeError) as exc:
        raise InputError(f"{path} is not the receipt of a step.", hint="Run the step again.") from exc


def _outputs(outputs: Sequence[dict[str, Any]]) -> dict[str, str]:
    return _hashes((output["path"], output["sha256"]) for output in outputs)


def _hashes(pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
    return {str(name): str(sha256) for name, sha256 in pairs}


def _inside(folder: Path, path: str) -> Path:
    """Return the file that a record in ``folder`` names, which must lie in it."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path:
        raise EvidenceError(
            f"A record in {folder} names a file outside of it: {path}",
            hint="Do not use this folder; restore it from a copy.",
        )
    return folder / path
