"""What every benchmark prints about the machine, and how it writes its figures."""

import json
import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Real photographs and pairs; benchmarks that need them say so where they are absent.
DATA = Path(os.environ.get("AERIAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def machine() -> dict[str, Any]:
    """Return the processor, cores, Python and versions that figures depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "aerial": version("aerial"),
        "pycolmap": version("pycolmap"),
        "opencv": version("opencv-python-headless"),
    }


def peak_mb() -> float:
    """Return the peak resident memory of this process and its children, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(used) / unit, 1)


def emit(name: str, figures: dict[str, Any], *, failed: list[str]) -> int:
    """Print the figures as JSON with the machine, name what fell short, and return the exit code."""
    print(json.dumps({"benchmark": name, "machine": machine(), **figures, "fell_short": failed}, indent=2))
    return 1 if failed else 0
