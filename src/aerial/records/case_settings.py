"""What a town says about its cases: the table ``[cases]`` of ``aerial.toml``, and those beside it."""

from dataclasses import field
from typing import Any, Literal

from aerial.records.record import record
from aerial.records.suspect import Kind

Secrecy = Literal["public", "internal", "secret"]


@record
class Officer:
    """Who goes there. ``communities`` and ``cells``: theirs; neither: everything that is nobody else's.

    ``accounts``: by the name of a notifier, how that one calls the officer (a user id or a phone number).
    """

    name: str
    communities: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    accounts: dict[str, str] = field(default_factory=dict)


@record
class CaseSettings:
    """The table ``[cases]``; what is None and mandatory holds every case until it is set.

    Code: ``division`` (行政区划, 6 digits), ``table`` (a code table that ships, or a TOML file relative to
    the town's folder), ``matter`` (class and small class, None: the table's own for suspected new
    buildings), ``matters`` (the same for single kinds of suspects), ``code_length`` (None: the table's).
    In charge: ``authority_code`` (统一社会信用代码), ``authority_name``.
    Lengths: a Chinese character counts as two, as in GB 18030; ``unit_grid_digits`` of the 单元网格 code.
    Place: ``gnss_datum``, what the photographs' positions are in (None: not known, which counts as
    "wgs84": 0.8 m are added to the error); ``communities`` and ``unit_grids``, files of polygons relative
    to the town's folder; ``address`` with {community}, {unit_grid} and {cell} in it; ``near_m``: cases of
    one matter this near may be the same one twice.
    Time: ``deadline_work_days`` or ``deadline_work_hours`` after the verdict (neither: no deadline), by
    the ``hours`` ("HH:MM-HH:MM") of a working day and the file ``holidays``, in local time, ``utc_offset_h``
    from UTC.
    ``secrecy``: of everything that leaves; None: nothing leaves.
    """

    division: str | None = None
    table: str = "gbt47678-5"
    matter: str | None = None
    matters: dict[Kind, str] = field(default_factory=dict)
    code_length: int | None = None
    authority_code: str | None = None
    authority_name: str | None = None
    matter_name_max: int = 30
    authority_name_max: int = 100
    address_max: int = 256
    unit_grid_digits: int = 15
    gnss_datum: Literal["wgs84", "cgcs2000"] | None = None
    communities: str | None = None
    unit_grids: str | None = None
    address: str = "{community}，单元网格{unit_grid}"
    near_m: float = 3.0
    deadline_work_days: int | None = None
    deadline_work_hours: float | None = None
    hours: tuple[str, ...] = ("08:30-12:00", "14:30-17:30")
    holidays: str | None = None
    utc_offset_h: float = 8.0
    secrecy: Secrecy | None = None
    officers: tuple[Officer, ...] = ()


@record
class NotifierConfig:
    """One channel of notes, a ``[[notifiers]]`` table: at most once, never a receipt.

    ``kind``: wecom, dingtalk or webhook. ``secret`` as of a sink. ``per_minute``: the most that the
    peer takes. ``link``: address on the intranet that a note leads to, with {case} in it.
    """

    name: str
    kind: str
    url: str = ""
    secret: str | None = None
    per_minute: int = 20
    timeout_s: float = 20.0
    private: bool = False
    link: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@record
class Retention:
    """How long original photographs stay, the table ``[retention]``.

    ``budget_gb``: of the disk, 10^9 bytes; above it the oldest may go; None: nothing ever goes. Nothing
    younger than ``keep_days`` goes, nor anything a case rests on within ``keep_case_days`` of its closing.
    """

    keep_days: int = 180
    keep_case_days: int = 1825
    budget_gb: float | None = None
