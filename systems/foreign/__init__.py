"""Systems that run in environments of their own: a host here, and one shim that drives the authors' code there.

recipe.py       what a foreign system is: adapters/NAME.toml
clone.py        the authors' repository at the pinned commit, never edited
environment.py  its Python and packages, made with uv from adapters/*.lock
features.py     what these systems read instead of pictures and sound, made once for all of them
host.py         the process: requests in, answers and wavs out, time, memory, logs
shim.py         runs over there, by their Python; adapters/NAME.py beside it knows the authors' functions
runner.py       host and requests as a `dubbench.core.system.System`
system.py       the systems of the field; own.py: any adapter of yours
"""
