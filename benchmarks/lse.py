"""LSE beside the original: processor seconds a clip, and whether both give the same numbers.

    git clone https://github.com/joonson/syncnet_python original && git -C original checkout 6efbb1c
    pip install python_speech_features "scenedetect==0.6.7.1"
    python benchmarks/lse.py --root GRID/s1 --original original [--clips 3] [--dubs 9]

Both on the CPU with one thread, models loaded, the same random weights (SyncNet's; S3FD's with heads that see one face,
since random ones see none), the same silent video and the same 16 kHz wav. The original is run as it is but for what
it needs here: the CPU in place of `cuda`, min_track 5, the wav from outside, ``int`` for ``np.int``, and ``-threads 1``
for its first film. ffmpeg must be on the PATH (9 and 8 write the same pictures as our libav; older ones do not).
Processor time of this process and its children is taken, which depends little on what else the machine does. Without
--original only our own times are taken.

The last line says what could be gained: the products that both networks have to make, and how long they take at the
rate of a large matrix product on the same core.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.io import wavfile

from dubbench.metrics.parts.filterbank import pcm16
from dubbench.metrics.syncnet import pictures
from dubbench.metrics.syncnet.network import Embedder, SyncNet
from dubbench.metrics.syncnet.pipeline import compare, embed, look, s3fd_faces
from dubbench.metrics.syncnet.s3fd import Detector, S3FDNet
from dubbench.metrics.syncnet.tracks import crops, face_tracks
from dubbench.runtime.provenance import hardware
from dubbench.signal.media import probe, read_audio, silent_copy

Clock = dict[str, float]
FACE = (110, 100, 215, 240)
"""Where the random S3FD sees a face."""


def parts() -> Any:
    """The random weights of the tests."""
    sys.path.append(str(Path(__file__).parents[1] / "tests" / "metrics"))
    return importlib.import_module("lse_parts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a folder with GRID clips of 360 x 288")
    parser.add_argument("--original", type=Path, help="a checkout of joonson/syncnet_python")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--dubs", type=int, default=9, help="systems in the table, for the last line")
    options = parser.parse_args()
    torch.set_num_threads(1)
    weights = parts().s3fd_state(FACE, 360, 288)
    detector = S3FDNet()
    detector.load_state_dict(weights)
    ours = Embedder(parts().syncnet()), s3fd_faces(Detector(detector))
    original = Original(options.original, weights) if options.original else None
    spent: Clock = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = [p for p in sorted(options.root.glob("*.mp4")) if probe(p).width == 360]
        for number, clip in enumerate(clips[: options.clips + 1]):
            clock: Clock = {}
            measure(clip, Path(folder), ours, original, clock)
            if number:  # the first pays for lazy imports
                spent = {name: spent.get(name, 0.0) + value / options.clips for name, value in clock.items()}
    report(spent, options.dubs)
    limit(spent)


def limit(spent: Clock) -> None:
    """The time of the networks' products alone, for a GRID clip of 75 pictures and 70 windows."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.device("meta"), counter:
        S3FDNet()(torch.empty(75, 3, 72, 90))
        network = SyncNet().eval()
        network.lips(torch.empty(70, 3, 5, 224, 224))
        network.sound(torch.empty(70, 1, 13, 20))
    products, x = counter.get_total_flops() / 1e9, torch.ones(1024, 1024)
    clock: Clock = {}
    for _ in range(5):
        with timed(clock, "20 products"):
            for _ in range(20):
                x @ x
        clock["best"] = min(clock.get("best", np.inf), clock["20 products"])
    rate = 20 * 2 * 1024**3 / 1e9 / clock["best"]
    theirs = spent.get("the original's pipeline", np.nan) + spent.get("the original's SyncNet step", np.nan)
    print(
        f"the networks' products: {products:.0f} GFLOP, {products / rate:.2f} s at the {rate:.0f} GFLOP/s of a matrix "
        f"product; at that rate and nothing else to do, one dub: {theirs * rate / products:.1f} times"
    )


def measure(clip: Path, folder: Path, ours: tuple[Embedder, Any], original: Original | None, clock: Clock) -> None:
    embedder, faces = ours
    video, wav = folder / "clip.mkv", folder / "dub.wav"
    silent_copy(clip, video)
    pcm = pcm16(read_audio(clip))
    wavfile.write(wav, 16000, pcm)
    with timed(clock, "our picture, once a clip"):
        seen = look(video, embedder, faces, 5)
    with timed(clock, "our sound, once a dub"):
        found = [compare(track, pcm, embedder) for track in seen.tracks]
    (track,) = face_tracks([np.array([FACE], np.float64)] * seen.frames, 0, 5)
    cut = list(crops(track, map(pictures.decoded, pictures.jpegs(video))))
    with timed(clock, "our SyncNet step, crops to numbers"):
        embed(pictures.through_film(cut), embedder)
        compare(seen.tracks[0], pcm, embedder)
    if original is None or found[0] is None:
        return
    with timed(clock, "the original's pipeline"):
        crop_films = original.crop(video, wav, folder / "work")
    with timed(clock, "the original's SyncNet step"):
        confidence, distance = original.evaluate(crop_films[0], folder / "work" / "evaluation")
    apart = abs(confidence - found[0].confidence), abs(distance - found[0].distance)
    print(f"{clip.name}: LSE-C apart by {apart[0]:.1e}, LSE-D ({distance:.3f}) by {apart[1]:.1e}", file=sys.stderr)


@contextlib.contextmanager
def timed(clock: Clock, name: str) -> Iterator[None]:
    """Processor seconds of this process and its children."""
    start = sum(os.times()[:4])
    yield
    clock[name] = sum(os.times()[:4]) - start


class Original:
    """The published code with its models loaded."""

    def __init__(self, folder: Path, s3fd: dict[str, torch.Tensor]) -> None:
        sys.path[:0] = [str(folder)]
        here: Callable[..., Any] = lambda self, *_, **__: self  # noqa: E731
        torch.Tensor.cuda, torch.nn.Module.cuda = here, here  # type: ignore[method-assign,assignment]
        np.int = int  # type: ignore[attr-defined]
        sys.modules.setdefault("torchvision", types.SimpleNamespace(transforms=None))  # type: ignore[arg-type]
        source = (folder / "run_pipeline.py").read_text()
        end, detection = source.index("# # EXECUTE DEMO"), source.index("faces = inference_video")
        head = source[: source.index("parser = argparse")] + source[source.index("# # IOU FUNCTION") : end]
        self._space: dict[str, Any] = {}
        exec(compile(head, "run_pipeline.py", "exec"), self._space)
        self._rest = compile(source[detection:], "run_pipeline.py", "exec")
        nets = sys.modules["detectors.s3fd.nets"]
        found = object.__new__(self._space["S3FD"])
        found.device, found.net = "cpu", nets.S3FDNet(device="cpu").eval()
        found.net.load_state_dict(s3fd)
        self._space["S3FD"] = lambda device: found
        from SyncNetInstance import SyncNetInstance  # type: ignore[import-not-found]

        self._syncnet = SyncNetInstance()
        next(self._syncnet.children()).load_state_dict(parts().syncnet_state())

    def crop(self, video: Path, wav: Path, folder: Path) -> list[Path]:
        """The films of the crops."""
        shutil.rmtree(folder, ignore_errors=True)
        parts = {"avi": "pyavi", "tmp": "pytmp", "work": "pywork", "crop": "pycrop", "frames": "pyframes"}
        options = {"facedet_scale": 0.25, "crop_scale": 0.4, "min_track": 5, "frame_rate": 25, "num_failed_det": 25}
        names = {f"{name}_dir": str(folder / part) for name, part in parts.items()}
        for part in parts.values():
            (folder / part / "x").mkdir(parents=True)
        self._space["opt"] = types.SimpleNamespace(**options, **names, min_face_size=100, reference="x")
        avi = folder / "pyavi" / "x"
        with quiet():
            subprocess.call(
                f"ffmpeg -y -i {video} -qscale:v 2 -async 1 -r 25 -threads 1 {avi / 'video.avi'}", shell=True
            )
            frames = folder / "pyframes" / "x" / "%06d.jpg"
            subprocess.call(f"ffmpeg -y -i {avi / 'video.avi'} -qscale:v 2 -threads 1 -f image2 {frames}", shell=True)
            subprocess.call(f"ffmpeg -y -i {wav} -ac 1 -ar 16000 {avi / 'audio.wav'}", shell=True)
            exec(self._rest, self._space)
        return [Path(p) for p in sorted(glob.glob(str(folder / "pycrop" / "x" / "0*.avi")))]  # noqa: PTH207

    def evaluate(self, film: Path, folder: Path) -> tuple[float, float]:
        """Confidence and distance."""
        options = types.SimpleNamespace(tmp_dir=str(folder), reference="x", batch_size=20, vshift=15)
        with quiet():
            _, confidence, distances = self._syncnet.evaluate(options, str(film))
        return float(confidence), float(distances.mean(0).min())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The original prints, and so does its ffmpeg."""
    call = subprocess.call

    def silent(command: str, **_: Any) -> int:
        nothing = subprocess.DEVNULL
        return call(command, shell=True, stdin=nothing, stdout=nothing, stderr=nothing)

    subprocess.call = silent  # type: ignore[assignment]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        subprocess.call = call


def report(spent: Clock, dubs: int) -> None:
    print(f"{hardware('cpu')}; processor seconds a clip, one thread")
    for name, seconds in spent.items():
        print(f"  {name}: {seconds:.2f}")
    picture, sound = spent["our picture, once a clip"], spent["our sound, once a dub"]
    step = spent["our SyncNet step, crops to numbers"]
    theirs = spent.get("the original's pipeline", float("nan")), spent.get("the original's SyncNet step", float("nan"))
    print(f"SyncNet step alone, one dub: {theirs[1] / step:.1f} times")
    for count in (1, 2, dubs):
        own = picture + count * sound
        print(f"{count} dubs of a clip: {count / own:.2f} dubs a second, {count * sum(theirs) / own:.1f} times as many")


if __name__ == "__main__":
    main()
