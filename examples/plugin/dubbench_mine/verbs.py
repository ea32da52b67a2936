"""A verb of the command line: ``dubbench beep``."""

from pathlib import Path
from typing import Annotated

import typer


def beep(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="WAV", help="Where it goes.")],
    seconds: Annotated[float, typer.Option(min=0.01, help="Length.")] = 1.0,
    hertz: Annotated[float, typer.Option(min=20, help="Frequency.")] = 220.0,
) -> None:
    """Write a tone to a file."""
    import numpy as np

    from dubbench.signal.media import write_wav

    time = np.arange(round(seconds * 16000)) / 16000
    write_wav(out, (0.1 * np.sin(2 * np.pi * hertz * time)).astype(np.float32), 16000)
    typer.echo(f"{out}: {seconds:g} s")
