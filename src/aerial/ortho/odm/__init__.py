"""The stitch engine ``odm``: NodeODM nodes do the work, over HTTP.

OpenDroneMap is AGPL software and runs as a service of its own; nothing of it is part of this
program. What comes back is written in the same form as the local engine's.
"""

from aerial.ortho.odm.engine import OdmEngine

__all__ = ["OdmEngine"]
