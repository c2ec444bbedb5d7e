"""The simulated town: two surveys of a made-up place, and the truth about them.

::

    presets      sizes, and one random stream for each part
    layout       roads and blocks (blocks, houses: what stands on them) of the first epoch
    changes      what was built, raised, pulled down or dug; distractors: what only looks like it
    terrain      ground heights; ground: its paint; solids, mesh: triangles; textures: detail
    scene        all of it in a ray caster; shade: what colour a ray sees
    flight       camera and poses; photograph, exif: JPEG files as an aircraft writes them
    truth        orthos, DSMs, polygons; score: a report against them
    surveys      ``simulate_surveys`` does it all
"""
