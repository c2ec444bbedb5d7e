"""What people decided, and what officers found, as labels for training: ``reviewed.geojson``."""

from pathlib import Path
from typing import Any

from aerial.codec import write_json
from aerial.ledger import reviewed
from aerial.ledger.store import Ledger
from aerial.report.geojson import suspects_to_collection
from aerial.workspace import Town

# An officer who stood there knows better than who looked at pictures.
_ON_SITE = {
    "confirmed": "accepted",
    "rebuilt": "accepted",
    "demolished": "accepted",
    "permitted": "accepted",
    "unfounded": "rejected",
}


def write_reviewed(town: Town, ledger: Ledger) -> Path | None:
    """Write every suspect with a verdict whose mosaics are still there; None: there is none yet.

    ``verdict`` says whether something was built, which is what a network is to learn: an approved building
    (已批) is a true change. ``on_site`` is the newest result, where there is one.
    """
    features: list[dict[str, Any]] = []
    with ledger.read() as tx:
        for row in reviewed.reviewed(tx):
            before, after = (
                town.survey_folder(row.observation.cell, survey) / "ortho.tif"
                for survey in row.observation.suspect.pair.split("__")
            )
            if not (before.is_file() and after.is_file()):
                continue
            said = "accepted" if row.decision == "accept" else "rejected"
            context = {
                "cell": row.observation.cell,
                "verdict": _ON_SITE.get(row.result or "", said),
                "by": row.by,
                "reviewed_at": row.at.isoformat(),
                "on_site": row.result,
                "before_ortho": before.relative_to(town.root).as_posix(),
                "after_ortho": after.relative_to(town.root).as_posix(),
            }
            features += suspects_to_collection([row.observation.suspect], context)["features"]
    if not features:
        return None
    write_json(town.reviewed_file, {"type": "FeatureCollection", "features": features})
    return town.reviewed_file
