"""Runs that are sent to somebody else: packed without private paths, opened with care, scored again, put on a board.

`private` takes the paths of a machine out of texts; `archive` is the file format and what is refused in it; `pack` and
`unpack` go from a run to a bundle and back; `verify` scores a sample again; `gallery` is a board of a folder of
bundles; `export` is a board in one file.
"""
