"""From a pair on one grid to a change map, by detectors behind one protocol."""
