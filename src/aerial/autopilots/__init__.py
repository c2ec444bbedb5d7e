"""Firmwares of multirotors: mission items, what is kept of them, limits, parameters. No I/O.

Planning exports with them, flying uploads with them.
"""
