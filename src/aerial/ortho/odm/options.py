"""Options of a task: the presets' and the user's, checked by the node's own list before anything is sent.

NodeODM drops a name that it does not know without a word, and tells a wrong value only with the
request that opens the task; ODM itself finds some only after hours.
"""

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyodm.types import NodeOption

from aerial.errors import InputError
from aerial.records import Preset, StitchJob

Value = bool | int | float | str

# Neither holds a number: NodeODM 2.2.4 at commit 8ad3e30 ends its whole process on any of those. Both
# leave the textured 3-D model and the PDF out, which nobody here looks at. Fast: no dense matching, the
# surface of the tie points alone. Quality: matching at half the photographs' size instead of a quarter.
_PRESETS: dict[Preset, Mapping[str, Value]] = {
    "fast": {"dsm": True, "fast-orthophoto": True, "skip-3dmodel": True, "skip-report": True},
    "quality": {
        "dsm": True,
        "skip-3dmodel": True,
        "skip-report": True,
        "feature-quality": "high",
        "pc-quality": "high",
        "auto-boundary": True,
    },
}
_SIZES = ("orthophoto-resolution", "dem-resolution")  # centimetres a pixel
# Without the last stage there is no ortho to fetch, and the user would learn it after hours.
_LAST_STAGES = ("odm_orthophoto", "odm_report", "odm_postprocess")
_RANGE = re.compile(r"^(float|integer):? (?:([-+.\d]+) <= x <= ([-+.\d]+)|(>=|>|<=|<) ([-+.\d]+))$")
_COMPARE = {
    ">=": lambda value, bound: value >= bound,
    ">": lambda value, bound: value > bound,
    "<=": lambda value, bound: value <= bound,
    "<": lambda value, bound: value < bound,
}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one task, and of which of them NodeODM's commit 8ad3e30 dies."""

    values: Mapping[str, Value]

    def as_field(self) -> str:
        """Return the field of the request that opens a task."""
        return json.dumps([{"name": name, "value": value} for name, value in sorted(self.values.items())])

    def numeric(self) -> tuple[str, ...]:
        """Return the names of those whose value is a number."""
        return tuple(name for name, value in sorted(self.values.items()) if not isinstance(value, bool | str))


def options_for(job: StitchJob, listed: Sequence[NodeOption], node: str) -> Options:
    """Return the options of the job: the preset's that the node knows, the pixel size, the user's own.

    Raises:
        InputError: a name that the node does not list, a value of another type, out of range or not among
            the choices, or one that would leave no mosaic.
    """
    known = {option.name: option for option in listed}
    values = {name: value for name, value in _PRESETS[job.preset].items() if name in known}
    if job.gsd_m is not None:
        size_cm = round(100 * job.gsd_m, 6)
        for name in _SIZES:
            # The node's own default is not repeated, for it would be a number.
            if name in known and _number(known[name].value) != size_cm:
                values[name] = size_cm
    own: dict[str, Value] = {}
    for name, text in job.options:
        if name not in known:
            raise _unknown(name, known, node)
        if name in own:
            raise InputError(f"The option {name} is given twice.", hint="Give it once.")
        own[name] = _value(known[name], text)
    _require_mosaic(own)
    return Options(values | own)


def _unknown(name: str, known: Mapping[str, NodeOption], node: str) -> InputError:
    near = difflib.get_close_matches(name.casefold().replace("_", "-").lstrip("-"), known, 3, 0.5)
    return InputError(
        f"The stitching node {node} has no option {name}.",
        hint=f"Did you mean {' or '.join(near)}? Nothing was sent."
        if near
        else "Open the node's page /options for the list. Nothing was sent.",
    )


def _require_mosaic(own: Mapping[str, Value]) -> None:
    for name, value in own.items():
        ends = name == "end-with" and value not in _LAST_STAGES
        if ends or name.startswith("rerun") or (name == "skip-orthophoto" and value is True):
            raise InputError(
                f"With the option {name}={value} the node would return no mosaic.", hint="Leave it out."
            )


def _value(option: NodeOption, text: str) -> Value:
    """Return the value in the option's type."""
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise _wrong(option, text, "text on one line")
    if isinstance(option.domain, list):
        if text not in option.domain:
            near = difflib.get_close_matches(text.casefold(), [str(v) for v in option.domain], 1, 0.4)
            raise _wrong(option, text, f"one of {', '.join(map(str, option.domain))}", near)
        return text
    if option.type == "bool":
        if text.casefold() not in ("true", "false"):
            raise _wrong(option, text, "true or false")
        return text.casefold() == "true"
    if option.type in ("int", "float"):
        return _checked_number(option, text)
    if str(option.domain or "") == "json":
        try:
            json.loads(text)
        except ValueError:
            raise _wrong(option, text, "JSON") from None
    return text


def _checked_number(option: NodeOption, text: str) -> int | float:
    domain = str(option.domain or "")
    value = _number(text)
    whole = option.type == "int"
    if value is None or (whole and not value.is_integer()):
        raise _wrong(option, text, "a whole number" if whole else "a number")
    sign = re.match(r"^(positive|negative) ", domain)
    found = _RANGE.match(domain)
    fits = True
    if sign:
        fits = value >= 0 if sign[1] == "positive" else value <= 0
    elif domain == "percent":
        fits = 0 <= value <= 100
    elif found and found[2]:
        fits = float(found[2]) <= value <= float(found[3])
    elif found:
        fits = _COMPARE[found[4]](value, float(found[5]))
    if not fits:
        raise _wrong(option, text, domain)
    return int(value) if whole else value


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _wrong(option: NodeOption, text: str, wanted: str, near: Sequence[str] = ()) -> InputError:
    return InputError(
        f"The option {option.name} cannot be {text!r}: it is {wanted}.",
        hint=f"Did you mean {option.name}={near[0]}? Nothing was sent." if near else "Nothing was sent.",
    )
