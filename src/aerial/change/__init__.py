"""What changed between two aligned surveys, pixel by pixel.

detector    the protocol of a detector, and its tiles
appearance  what looks different
height      what stands higher or lower
compare     runs detectors over a pair, window by window, and writes the change map
"""
