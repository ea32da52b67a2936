#!/usr/bin/env bash
# Forced alignment (pocketsphinx): silence of 1 to 5 ms put before a clip moves phone boundaries by up to eight frames.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pocketsphinx==5.1.1 espeakng-loader==0.2.4 scipy==1.17.1 numpy==2.4.6 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import ctypes
from importlib.metadata import version

import espeakng_loader
import numpy as np
from pocketsphinx import Decoder
from scipy.signal import resample_poly


def speak(text):
    lib, got = ctypes.CDLL(espeakng_loader.get_library_path()), []
    def keep(wav, n, events):
        got.append(np.array(wav[:n] if n else [], np.int16))
        return 0
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    call, data = kind(keep), text.encode()
    rate = lib.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
    lib.espeak_SetSynthCallback(call)
    lib.espeak_SetVoiceByName(b"en-gb")
    lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, 1, None, None)
    return rate, np.concatenate(got) / 32768


def align(x):
    decoder = Decoder(lm=None, loglevel="FATAL", samprate=16000)
    decoder.set_align_text("set blue at g nine now")
    for second in (False, True):  # words, then phones
        if second:
            decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw((32767 * x).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
    return [(p.name, 10 * (p.start + p.duration)) for word in decoder.get_alignment() for p in word]


rate, x = speak("set blue at g nine now")
x = np.pad(resample_poly(x, 320, 441), (11040, 3200))  # .69 s of silence before, .2 s after
x += 1e-4 * np.random.default_rng(0).standard_normal(len(x))
base, seen = align(x), {}
for pad in (20, 40, 80):  # samples
    other = align(np.pad(x, (pad, 0)))
    assert [name for name, _ in other] == [name for name, _ in base], "the behaviour changed: other phones"
    seen[pad] = np.abs([b - pad / 16 - a for (_, a), (_, b) in zip(base, other)])

print(f"pocketsphinx {version('pocketsphinx')}: {len(base)} phones of espeak-ng speech, frames of 10 ms")
print("guess: silence shorter than a frame moves a boundary by one frame at most")
for pad, moved in seen.items():
    print(f"seen:  {pad / 16:.2f} ms before: {np.sum(moved > 10)} ends move by over 10 ms, the most by {moved.max():.1f} ms")
assert all(moved.max() > 30 for moved in seen.values()), "the behaviour changed"
PY
