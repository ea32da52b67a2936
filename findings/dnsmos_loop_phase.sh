#!/usr/bin/env bash
# DNSMOS (speechmos): a clip under 9 s is repeated, and its score turns on the point where the repeated sound begins.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check speechmos==0.0.1.1 onnxruntime==1.31.1 librosa==0.11.0 requests==2.34.2 tqdm==4.70.1 espeakng-loader==0.2.4 scipy==1.17.1 numpy==2.4.6 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import ctypes
from importlib.metadata import version

import espeakng_loader
import numpy as np
from scipy.signal import resample_poly
from speechmos import dnsmos


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


rate, x = speak("place white by h six again")
x = np.pad(resample_poly(x, 320, 441), 1600)  # 22.05 to 16 kHz, .1 s of silence at both ends
x = np.pad(x, (0, 48000 - len(x)))  # 3 s
x = 0.7 * x / np.max(np.abs(x)) + 1e-3 * np.random.default_rng(0).standard_normal(len(x))
seen = {}
for start in (0.25, 0.5, 0.75, 1.0):
    score = dnsmos.run(np.roll(x, int(start * 16000)), 16000)
    seen[start] = (score["ovrl_mos"], score["p808_mos"])

print(f"speechmos {version('speechmos')}: a clip of 3 s, turned round in itself, so that each score hears the same endless loop")
print("guess: repeating to 9 s keeps the score within about .01: the sound is the same, only the first sample differs")
for start, (ovrl, p808) in seen.items():
    print(f"seen:  turned by {start:.2f} s: OVRL {ovrl:.3f}  P808 {p808:.3f}")
spread = np.ptp(list(seen.values()), axis=0)
print(f"seen:  largest difference: OVRL {spread[0]:.3f}, P808 {spread[1]:.3f}")
assert spread[0] > 0.1 and spread[1] > 0.1, "the behaviour changed"
PY
