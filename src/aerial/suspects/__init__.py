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

And from suspects to structures over the cycles::

    overlap     whether two outlines are of one place, and what lies clearly beyond
    places      the structures known, found by place
    shows       what a pair can show of a structure, by days and heights
    demolition  what a demolition ends
    episode     what verdicts and officers make of a structure
    rank        order, and the zones that explain
    track       all of it in order

And from an accepted suspect to a case::

    codes       code tables of matters, as data
    deadline    working days and hours
    shares      in which unit grid and community a position with its error lies
    case        all of it; what is missing holds the case
"""
