"""What the flight benchmarks share: polygons, bounds, an audit of any planner's path, and the peers.

Nothing here uses ``aerial.plan``: the audit must not inherit a mistake of what it judges. All geometry
lies in one metric frame, x east, y north.
"""
