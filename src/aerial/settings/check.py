"""What no ``[cases]``, ``[[sinks]]``, ``[[notifiers]]`` or ``[retention]`` may say."""

import re
from collections.abc import Sequence

from aerial.errors import InputError
from aerial.records import CaseSettings, NotifierConfig, Retention, SinkConfig
from aerial.resources import case_table_file
from aerial.settings.secret import require_name
from aerial.suspects.case import address_problem
from aerial.suspects.codes import credit_code_problem
from aerial.suspects.deadline import working_hours

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NOTIFIERS = ("dingtalk", "webhook", "wecom")


def check_cases(cases: CaseSettings) -> None:
    """Refuse what can never make a case; what is merely not set yet passes, and holds cases.

    Raises:
        InputError: a value is impossible.
    """
    if cases.division is not None and not _digits(cases.division, 6):
        raise _wrong("division", cases.division, "Give the 6 digits of the 行政区划, such as 441900.")
    if not cases.table.endswith(".toml"):
        case_table_file(cases.table)
    for code in (*((cases.matter,) if cases.matter is not None else ()), *cases.matters.values()):
        if not _digits(code, len(code)):
            raise _wrong("matter", code, "Give class and small class in digits, such as 06001.")
    if cases.authority_code is not None and (problem := credit_code_problem(cases.authority_code)):
        raise InputError(
            f"authority_code = {cases.authority_code!r} {problem}.",
            hint="Copy the 18 characters of the 统一社会信用代码 from the department's certificate.",
        )
    for name in ("matter_name_max", "authority_name_max", "address_max", "unit_grid_digits"):
        if getattr(cases, name) < 1:
            raise _wrong(name, getattr(cases, name), "Give a length from 1 up.")
    if problem := address_problem(cases.address):
        raise InputError(
            f"address = {cases.address!r}: {problem}.",
            hint="Use {community}, {unit_grid} and {cell}; coordinates are no part of an address.",
        )
    if not 0 <= cases.near_m <= 1000:
        raise _wrong("near_m", cases.near_m, "Give metres between 0 and 1000.")
    _check_times(cases)
    names = [officer.name for officer in cases.officers]
    if len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise _wrong("officers", ", ".join(names), "Give each officer a name of their own.")


def check_sinks(sinks: Sequence[SinkConfig]) -> None:
    """Refuse destinations that cannot be told apart or that wait for impossible times.

    Raises:
        InputError: a value is impossible.
    """
    _check_names("sinks", sinks)
    for sink in sinks:
        if not 0 <= sink.quiet_s <= 86_400:
            raise _wrong(f"quiet_s of {sink.name}", sink.quiet_s, "Give seconds between 0 and 86400.")
        if not 0 < sink.timeout_s <= 600:
            raise _wrong(f"timeout_s of {sink.name}", sink.timeout_s, "Give seconds, at most 600.")


def check_notifiers(notifiers: Sequence[NotifierConfig]) -> None:
    """Refuse channels that nobody knows, that cannot be told apart, or that send at impossible rates.

    Raises:
        InputError: a value is impossible.
    """
    _check_names("notifiers", notifiers)
    for notifier in notifiers:
        if notifier.kind not in _NOTIFIERS:
            raise _wrong(f"kind of {notifier.name}", notifier.kind, f"Use one of: {', '.join(_NOTIFIERS)}.")
        if not 1 <= notifier.per_minute <= 1000:
            raise _wrong(f"per_minute of {notifier.name}", notifier.per_minute, "Give a number from 1 up.")
        if not 0 < notifier.timeout_s <= 600:
            raise _wrong(f"timeout_s of {notifier.name}", notifier.timeout_s, "Give seconds, at most 600.")
        if notifier.link is not None and "{case}" not in notifier.link:
            raise _wrong(f"link of {notifier.name}", notifier.link, "Put {case} where the case number goes.")


def check_retention(retention: Retention) -> None:
    """Refuse rules by which anything could go at once, or what cases rest on before the rest.

    Raises:
        InputError: a value is impossible.
    """
    for name in ("keep_days", "keep_case_days", "budget_gb"):
        value = getattr(retention, name)
        if value is not None and not 1 <= value < 1_000_000:
            raise _wrong(name, value, "Give a number from 1 up.")
    if retention.keep_case_days < retention.keep_days:
        raise _wrong(
            "keep_case_days", retention.keep_case_days, "Give at least keep_days: cases need theirs longer."
        )


def _check_times(cases: CaseSettings) -> None:
    days, hours = cases.deadline_work_days, cases.deadline_work_hours
    if days is not None and hours is not None:
        raise InputError(
            "deadline_work_days and deadline_work_hours are both set.", hint="Keep one of the two."
        )
    if days is not None and not 1 <= days <= 400:
        raise _wrong("deadline_work_days", days, "Give working days between 1 and 400.")
    if hours is not None and not 0 < hours <= 4000:
        raise _wrong("deadline_work_hours", hours, "Give working hours, at most 4000.")
    working_hours(cases.hours)
    if not -12 <= cases.utc_offset_h <= 14:
        raise _wrong("utc_offset_h", cases.utc_offset_h, "Give hours; China's time is 8.")


def _check_names(table: str, configs: Sequence[SinkConfig] | Sequence[NotifierConfig]) -> None:
    seen: set[str] = set()
    for config in configs:
        if not _NAME.fullmatch(config.name):
            raise _wrong(
                f"name in {table}", config.name, "Use 1 to 32 small letters, digits, - and _; files carry it."
            )
        if config.name in seen:
            raise _wrong(f"name in {table}", config.name, "Give each one a name of its own.")
        seen.add(config.name)
        if config.secret is not None:
            require_name(config.secret, config.name)


def _digits(text: str, count: int) -> bool:
    return len(text) == count > 0 and text.isascii() and text.isdecimal()


def _wrong(name: str, value: object, hint: str) -> InputError:
    return InputError(f"{name} = {value!r} is not possible.", hint=hint)
