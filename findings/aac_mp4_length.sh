#!/usr/bin/env bash
# AAC in mp4 (PyAV): the decoded sound is longer than the length that the stream states; Matroska states a third length.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check av==18.1.0 numpy==2.4.6 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import av
import numpy as np

RATE, N = 16000, 48000
tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(N) / RATE)).astype(np.int16)
seen = {}
for name in ("dub.mp4", "dub.mkv"):
    with av.open(name, "w") as box:
        stream = box.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        to_float = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE)
        for part in [*to_float.resample(frame), *to_float.resample(None), None]:
            box.mux(stream.encode(part))
    with av.open(name) as box:
        stream = box.streams.audio[0]
        if stream.duration is not None:
            stated = float(stream.duration * stream.time_base)
        else:  # Matroska has no duration of its own for a stream
            stated = box.duration / av.time_base
        seen[name] = (round(stated, 3), sum(f.samples for f in box.decode(stream)))

print(f"PyAV {av.__version__}, libavformat {av.library_versions['libavformat']}; {N} samples of sound were written")
print("guess: both files state 3.000 s and give 48000 samples back, as the encoder's padding is trimmed")
for name, (stated, samples) in seen.items():
    print(f"seen:  {name} states {stated:.3f} s and decodes to {samples} samples = {samples / RATE:.3f} s")
assert seen == {"dub.mp4": (3.0, 48128), "dub.mkv": (3.064, 48128)}, "the behaviour changed"
PY
