"""Flights that cover a cell: lines, their order, sorties, heights, checks and exports.

Geometry is done in a local metric frame at the cell (``geo.local_frame``), x east, y north.
"""
