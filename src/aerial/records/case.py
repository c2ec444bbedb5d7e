"""What leaves for the city's case system, and the proof that it arrived."""

from dataclasses import field
from datetime import date, datetime
from typing import Any, Literal

from aerial.geo import LonLat
from aerial.records.file import FileRef
from aerial.records.record import record
from aerial.records.suspect import Suspect

# 上报 受理 核实 立案 派遣 处置 核查 结案, and beside them 作废 返工 延期 挂账.
Stage = Literal[
    "report",
    "accept",
    "verify",
    "file",
    "dispatch",
    "dispose",
    "check",
    "close",
    "cancel",
    "rework",
    "postpone",
    "hang",
]
# 属实 不属实 已批 已拆 复建 无法进入.
Result = Literal["confirmed", "unfounded", "permitted", "demolished", "rebuilt", "no_access"]


@record
class Matter:
    """What a case is about, by a code table: ``code`` with the division in front (SXDM), ``name`` (SXMC)."""

    table: str
    code: str
    name: str


@record
class Authority:
    """Who is in charge: ``code`` is the 统一社会信用代码 (ZGBMDM), ``name`` the department's (ZGBMMC)."""

    code: str
    name: str


@record
class Acceptance:
    """The named person's verdict that made a suspect a case."""

    verdict: str
    by: str
    at: datetime
    reason: str


@record
class Case:
    """An accepted suspect. ``cell``, ``unit_grid`` (单元网格) and ``community`` are three things.

    ``external_key`` is ``<identity>-<episode>``, the key by which every destination finds it again;
    ``previous`` the external key of the case of the episode before (复建). ``at`` is the place on CGCS2000
    (EPSG:4490, longitude first), ``error_m`` the CE95 of it with what the GNSS datum leaves open.
    ``before_on`` and ``after_on`` are the local days of both surveys. ``params_sha256``: of the settings
    of the comparison; the model's is the suspect's. ``held``: what is missing, in sentences; a case
    that is held never leaves. What only an officer can know (当事人, 办证, 土地性质) has no field here.
    """

    external_key: str
    suspect: Suspect
    cell: str
    unit_grid: str | None
    community: str | None
    secrecy: str | None
    previous: str | None
    evidence: tuple[FileRef, ...]
    identity: str
    episode: int
    at: LonLat
    error_m: float | None
    before_on: date
    after_on: date
    found_at: datetime
    params_sha256: str
    matter: Matter | None = None
    authority: Authority | None = None
    address: str | None = None
    accepted: Acceptance | None = None
    stage: Stage = "report"
    deadline: datetime | None = None
    held: tuple[str, ...] = ()


@record
class Receipt:
    """What a sink was read back to hold."""

    external_key: str
    remote_id: str
    at: LonLat
    stage: str
    read_at: datetime


@record
class SiteResult:
    """What a sink says that happened on site to a case: a new stage, an officer's result, or both.

    ``id`` names the act at the sink: the same act read twice is one. ``photos``: files that the officer took.
    """

    id: str
    external_key: str
    at: datetime
    stage: Stage | None = None
    result: Result | None = None
    by: str | None = None
    note: str = ""
    photos: tuple[FileRef, ...] = ()


@record
class SinkConfig:
    """One destination of cases, a ``[[sinks]]`` table of ``aerial.toml``.

    ``kind`` is the plugin's name. ``secret``: name of an environment variable, or of a file of mode 0600
    beside ``aerial.toml``, that holds the key or password; never the secret itself. ``quiet_s``: how long
    after a broken request the peer may still commit it. ``private``: addresses of private networks are
    allowed, because the destination is configured to be inside of them. ``options`` are the kind's own.
    """

    name: str
    kind: str
    url: str = ""
    secret: str | None = None
    quiet_s: float = 60.0
    timeout_s: float = 20.0
    private: bool = True
    options: dict[str, Any] = field(default_factory=dict)
