"""Missions, fences and rally points: sent, read back, compared."""
