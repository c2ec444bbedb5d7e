"""aerial: fortnightly drone surveys of a town, compared, and reported as suspected new buildings.

The flow, one package or module per arrow (see ``docs/decisions/0001-layers.md``)::

    photos -> ortho -> align -> change -> suspects -> evidence -> report

Every stage takes records (``aerial.records``) and returns records; ``aerial.steps`` reads and
writes the files between them.
"""

from importlib.metadata import version

__version__ = version("aerial")
