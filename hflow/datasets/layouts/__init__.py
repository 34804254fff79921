"""How raw datasets lie on disk, a layout a file; `opening` finds the one that params.yaml names.

A folder comes in, samples (key, image, label, split) go out. It imports what reads images and labels, `presets` and
`foundation`.
"""
