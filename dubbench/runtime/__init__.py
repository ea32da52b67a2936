"""Other people's code and the disk, used safely: processes, time limits, files, downloads. Knows no clip."""
