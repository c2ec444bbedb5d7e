"""Autopilots, engines, detectors and sinks by name, from entry points.

The groups are ``aerial.autopilots``, ``aerial.stitch_engines``, ``aerial.detectors`` and ``aerial.sinks``;
another package adds its own by declaring an entry point in the group.
"""

from importlib.metadata import entry_points
from typing import Any, Literal

from aerial.errors import PluginError

Group = Literal["aerial.autopilots", "aerial.stitch_engines", "aerial.detectors", "aerial.sinks"]


def names(group: Group) -> tuple[str, ...]:
    """Return the names registered in ``group``, sorted, without importing any of them."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def load(group: Group, name: str) -> Any:
    """Import and return the class registered as ``name`` in ``group``.

    Raises:
        PluginError: the name is not registered, or its module cannot be imported.
    """
    found = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        raise PluginError(
            f"{name!r} is not installed in {group}.", hint=f"Use one of: {', '.join(names(group))}."
        )
    try:
        return found[0].load()
    except ImportError as exc:
        raise PluginError(
            f"{name!r} of {group} cannot be loaded: {exc}",
            hint="Install what the message names, or use another one.",
        ) from exc
