"""From a change map to suspects: clean polygons with area, height change, kind, score and key.

Vectorising happens only here::

    vectorise   pieces of change as polygons, with what was measured in them
    judge       whether a piece can be a building, its score and kind
    regularise  straight outlines
    zones       what explains a suspect
    find        all of it in order
"""
