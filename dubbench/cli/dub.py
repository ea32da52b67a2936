"""The verb ``dub``: one clip of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubbench.cli.options import DeviceOption
from dubbench.errors import DubbenchError


def dub(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Talking-face video; its own sound is not heard.")],
    text: Annotated[str, typer.Option(help="The sentence to speak.")],
    reference: Annotated[Path, typer.Option(help="Recording of the voice to speak with.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="mp4 with the new sound, or .wav for the sound alone.")],
    system: Annotated[str, typer.Option("--system", "-s", metavar="SPEC")] = "diflowdubber",
    seed: Annotated[int, typer.Option(help="Another seed, another take.")] = 0,
    device: DeviceOption = "auto",
) -> None:
    """Dub one clip of your own."""
    import tempfile

    from dubbench.core.request import Dub, DubRequest
    from dubbench.core.spec import parse_spec
    from dubbench.pipeline.components import make_system
    from dubbench.runtime.device import resolve_device
    from dubbench.signal.media import as_mono, mux, probe, read_audio, silent_copy, write_wav

    if out.suffix.lower() not in (".mp4", ".wav"):
        raise DubbenchError(f"--out {out}: write an .mp4 (video with the new sound) or a .wav (the sound alone)")
    made = make_system(parse_spec(system))
    if made.info.privileged:
        raise DubbenchError(f"{made.info.name} is a control, which needs the ground truth; give a model or a baseline")
    about = probe(video)
    with tempfile.TemporaryDirectory(prefix="dubbench-") as folder:
        silent, voice = Path(folder) / "silent.mkv", Path(folder) / "reference.wav"
        silent_copy(video, silent)
        write_wav(voice, read_audio(reference), 16000)
        request = DubRequest("clip", silent, text, voice, about.duration, about.fps, seed)
        try:
            made.load(resolve_device(device))
            answer = next(iter(made.dub([request])))
        finally:
            made.close()
        if not isinstance(answer, Dub):
            told = answer.reason.replace(str(silent), str(video))
            raise DubbenchError(told.replace(str(voice), str(reference)))
        samples = as_mono(answer.samples, "the dub")
        if out.suffix.lower() == ".wav":
            write_wav(out, samples, answer.sample_rate)
        else:
            mux(video, samples, answer.sample_rate, out, "synthetic speech, made with dubbench")
    times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in answer.timings.items())
    typer.echo(f"{out}: {about.duration:.2f} s of {made.info.name}" + (f" ({times})" if times else ""))
