"""Flying: links, MAVLink, proved uploads, pre-flight checks, watching, resuming, photo logs.

Conversations with a vehicle (``exchange``) are free of I/O and clocks; ``Station`` runs them over a
``Link``. The only user of pymavlink is ``flight.mavlink``.
"""
