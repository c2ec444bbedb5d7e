"""What lies in a town's folder, into its ledger: surveys, cycles, pairs, and what each suspect is.

Files are the truth of what was measured; the ledger indexes them. Whatever was indexed once and has
not changed is passed over, so that this may run at any time, and again after a kill.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from aerial import geo
from aerial.areas import read_cells, read_zones
from aerial.codec import read_record, sha256_file, sha256_json
from aerial.errors import InputError
from aerial.ledger import cases, index, outbox, structures
from aerial.ledger.store import Ledger, open_ledger
from aerial.ledger.structures import SuspectRow
from aerial.progress import SILENT, Progress
from aerial.records import Cycle, Observation, Zone
from aerial.records.record import record
from aerial.report.geojson import read_suspects
from aerial.settings import Settings, load_settings
from aerial.steps.fresh import Stamp
from aerial.suspects.track import track
from aerial.workspace import Town, survey_order, surveys_of


@record
class Indexed:
    """What was new to the ledger."""

    surveys: int
    pairs: int
    suspects: int


def town_and_ledger(town: Town, environment: Mapping[str, str]) -> tuple[Town, Settings, Ledger]:
    """Return a town with its settings and its open ledger, made when it is not there.

    Raises:
        InputError: the settings cannot be used.
        LedgerError: the ledger cannot be opened, or is of a newer schema.
    """
    settings = load_settings(town.settings_file, environment=environment)
    return town, settings, open_ledger(_where(town, settings))


def _where(town: Town, settings: Settings) -> str:
    if settings.ledger is None:
        return str(town.ledger_file)
    return settings.ledger if "://" in settings.ledger else str(town.root / settings.ledger)


def listed_suspects(
    town: Town,
    ledger: Ledger,
    *,
    cell: str | None = None,
    cycle: date | None = None,
    everything: bool = False,
    progress: Progress = SILENT,
) -> tuple[SuspectRow, ...]:
    """Bring the ledger up to the town's files and return the suspects that wait, or all of them.

    Raises:
        LedgerError: no such cycle.
        InputError, WorkspaceError: a file of the town is damaged.
    """
    index_town(town, ledger, progress)
    with ledger.read() as tx:
        return structures.list_suspects(
            tx, cell=cell, cycle=cycle, shown=not everything, undecided=not everything
        )


def suspect_story(town: Town, ledger: Ledger, key: str) -> dict[str, Any]:
    """Return what is known of one suspect, in the order in which a person reads it.

    Raises:
        LedgerError: no such suspect, or several.
    """
    with ledger.read() as tx:
        found = structures.find_suspect(tx, key)
        seen = structures.list_of_structure(tx, found.row.identity)
        case = cases.find_case(tx, found.row.case) if found.row.case else None
        rows = outbox.rows(tx, key=found.row.case) if found.row.case else ()
        results = cases.results(tx, found.row.case) if found.row.case else ()
    suspect, row = found.observation.suspect, found.row
    crs = geo.metric_crs_at(suspect.at)
    east_m, north_m = geo.from_lonlat(crs, suspect.at)
    before, after = suspect.pair.split("__")
    folder = town.pair_folder(row.cell, before, after)
    return {
        "id": row.key,
        "identity": f"{row.identity}, episode {row.episode}, {row.state}",
        "cell": row.cell,
        "surveys": f"{before} and {after}",
        "kind": row.kind,
        "score": row.score,
        "position": f"{row.at.lat_deg:.7f}, {row.at.lon_deg:.7f} (latitude, longitude)",
        "metric": f"{geo.short_name(crs)} E {east_m:.2f} N {north_m:.2f}",
        "error m": row.error_m,
        "area m2": row.area_m2,
        "height m": row.height_change_m,
        "relation": row.relation,
        "why": row.reason,
        "zones": "; ".join(suspect.zones) or None,
        "pictures": [str(folder / chip.path) for chip in suspect.chips],
        "seen": [f"{s.after_on} {s.kind} {s.area_m2:.1f} m2, {s.relation}" for s in seen],
        "verdicts": [f"{v.at:%Y-%m-%d %H:%M} {v.by}: {v.decision}, {v.reason}" for v in found.verdicts],
        "case": f"{case.external_key}, stage {case.stage}" if case else None,
        "held": list(case.held) if case else [],
        "deliveries": [f"{r.sink}: {r.state}" + (f" ({r.error})" if r.error else "") for r in rows],
        "on site": [f"{r.at:%Y-%m-%d} {r.result or r.stage} {r.by or ''} {r.note}".rstrip() for r in results],
    }


def zones_of(town: Town) -> tuple[Zone, ...]:
    """Return the town's zones with what explains a suspect: kind, name, outline."""
    return tuple(
        Zone(
            kind=feature.properties["kind"],
            outline=feature.outline,
            name=str(feature.properties.get("name") or ""),
        )
        for path in town.zone_files()
        for feature in read_zones(path)
    )


def index_town(town: Town, ledger: Ledger, progress: Progress = SILENT) -> Indexed:
    """Bring the ledger up to the files of all cells; return how much was new.

    Raises:
        InputError, WorkspaceError: a file of the town is damaged; what came before it is kept.
    """
    cells = read_cells(town.cells_file)
    zones = zones_of(town)
    for path in sorted(town.cycles_folder.glob("*/cycle.json")):
        cycle = read_record(Cycle, path)
        with ledger.begin() as tx:
            index.add_cycle(tx, cycle.start, cycle.days)
    progress.phase("Ledger", len(cells))
    totals = [0, 0, 0]
    for cell in cells:
        found = index_cell(town, cell.id, ledger, zones)
        totals = [a + b for a, b in zip(totals, (found.surveys, found.pairs, found.suspects), strict=True)]
        progress.advance()
    return Indexed(surveys=totals[0], pairs=totals[1], suspects=totals[2])


def index_cell(town: Town, cell: str, ledger: Ledger, zones: tuple[Zone, ...]) -> Indexed:
    """Bring the ledger up to the files of one cell: pairs in order of time, each in one transaction.

    A pair that was compared anew takes the place of what it had said: suspects that it does not show any
    more wait no longer.
    """
    surveys = surveys_of(town, cell)
    with ledger.read() as tx:
        known = {(row.before, row.after): row.suspects_sha256 for row in index.pairs(tx, cell=cell)}
        hashes = {row.survey: row.record_sha256 for row in index.surveys(tx, cell=cell)}
    new_surveys = [survey for survey in surveys if hashes.get(survey.survey) != sha256_json(survey)]
    if new_surveys:
        with ledger.begin() as tx:
            for survey in new_surveys:
                index.add_survey(tx, survey)
    folders = [path.parent for path in town.pairs_folder(cell).glob("*__*/detect.json")]
    changed = []
    for folder in sorted(folders, key=_when):
        before, after = folder.name.split("__")
        suspects_sha256 = sha256_file(folder / "suspects.geojson")
        if known.get((before, after)) != suspects_sha256:
            changed.append((after, _Compared(folder, cell, suspects_sha256)))
    new_suspects = 0
    # The last survey and the baseline show one structure twice: they are judged together.
    for _after, together in groupby(changed, key=itemgetter(0)):
        new_suspects += _add_pairs(cell, [pair for _, pair in together], ledger, zones)
    return Indexed(surveys=len(new_surveys), pairs=len(changed), suspects=new_suspects)


class _Compared:
    """One compared pair as its folder tells it."""

    def __init__(self, folder: Path, cell: str, suspects_sha256: str) -> None:
        self.before, self.after = folder.name.split("__")
        self.name, self.suspects_sha256 = folder.name, suspects_sha256
        stamp = read_record(Stamp, folder / "detect.json")
        self.params_sha256 = stamp.settings_sha256
        self.compared_at = datetime.fromtimestamp((folder / "detect.json").stat().st_mtime, UTC)
        self.suspects = read_suspects(folder / "suspects.geojson")
        self.observations = [
            Observation(
                suspect=suspect,
                cell=cell,
                before_on=survey_order(self.before)[0],
                after_on=survey_order(self.after)[0],
            )
            for suspect in self.suspects
        ]


def _add_pairs(cell: str, pairs: Sequence[_Compared], ledger: Ledger, zones: tuple[Zone, ...]) -> int:
    with ledger.begin() as tx:
        for pair in pairs:
            index.add_pair(
                tx,
                cell,
                pair.before,
                pair.after,
                suspects_sha256=pair.suspects_sha256,
                params_sha256=pair.params_sha256,
                model_sha256=pair.suspects[0].model_sha256 if pair.suspects else pair.params_sha256,
                compared_at=pair.compared_at,
            )
            structures.supersede(tx, cell, pair.name, [suspect.key for suspect in pair.suspects])
        observations = [one for pair in pairs for one in pair.observations]
        known = structures.known_keys(tx, [one.suspect.key for one in observations])
        observations = [one for one in observations if one.suspect.key not in known]
        sightings = track(observations, structures.structures(tx, cell), zones)
        params = {pair.name: pair.params_sha256 for pair in pairs}
        return structures.add_sightings(tx, observations, sightings, params)


def _when(folder: Path) -> tuple[object, object]:
    try:
        before, after = folder.name.split("__")
        return survey_order(after), survey_order(before)
    except ValueError as exc:
        raise InputError(
            f"{folder} is not the folder of a pair.", hint="Pairs are called <before>__<after>; move it away."
        ) from exc


def has_ledger(town: Town, settings: Settings) -> bool:
    """Tell whether the town's ledger is there, as far as can be told without opening it: a file, or a URL."""
    where = _where(town, settings)
    return "://" in where or Path(where).is_file()
