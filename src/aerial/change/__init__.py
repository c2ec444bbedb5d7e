"""What changed between two aligned surveys, pixel by pixel.

detector    the protocol of a detector, and its tiles
siamese     what was built or removed, by a network
engine      the network on OpenVINO
model       the model file
height      what stands higher or lower
compare     runs detectors over a pair, window by window, and writes the change map
"""
