"""Destinations of cases, behind one protocol; each is a plugin of the group ``aerial.sinks``."""
