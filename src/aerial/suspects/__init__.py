"""From a change map to suspects: clean polygons with area, height change, kind, score and key.

Vectorising happens only here::

    pieces      outlines along pixel edges, window by window
    measure     what the map says inside an outline
    candidates  every piece that may be a suspect, by height and by pictures
    fuse        one score of height and pictures
    decide      whether a piece can be a building, its score and kind
    regularise  straight outlines
    zones       what explains a suspect
    find        all of it in order
"""
