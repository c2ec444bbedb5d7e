"""A simulated multirotor that speaks MAVLink 2 as ArduCopter 4.7 was measured to.

``machine.Machine`` is the whole vehicle without any I/O: bytes in, simulated time forward, bytes out.
``python -m aerial.simulate.vehicle`` runs it behind a TCP or UDP port; ``sim:`` does so for a command.
"""
