"""Lays the survey before on the survey after.

register    the whole of it: two files in, a common grid and its residual out
alike       what is refused before
coarse      features on overviews
fine        shifts of windows and what they agree on
windows     where the windows lie, and reading them
warp        the transform: an affine and a smooth remainder
slabs       pixels that several passes read
reader      both pictures on the common grid, window by window
"""
