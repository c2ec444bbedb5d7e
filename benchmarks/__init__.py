"""The slow measurements: one file a claim; each prints its figures and the machine as JSON."""
