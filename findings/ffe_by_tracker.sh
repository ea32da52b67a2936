#!/usr/bin/env bash
# F0 frame error of a signal against itself, when another tracker reads it (pyworld's DIO, Harvest; Praat).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pyworld==0.3.5 praat-parselmouth==0.4.7 espeakng-loader==0.2.4 numpy==2.4.6 setuptools==80.10.2 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import ctypes
import itertools
import warnings

warnings.filterwarnings("ignore")
from importlib.metadata import version

import espeakng_loader
import numpy as np
import parselmouth
import pyworld


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


rate, x = speak("set blue at g nine now")
x = np.pad(x, rate // 4)
x += 1e-4 * np.random.default_rng(0).standard_normal(len(x))
dio, times = pyworld.dio(x, rate)
praat = parselmouth.Sound(x, rate).to_pitch_ac(time_step=0.005, pitch_floor=71, pitch_ceiling=800)
f0 = {
    "DIO": pyworld.stonemask(x, dio, times, rate),
    "Harvest": pyworld.harvest(x, rate)[0],
    "Praat": np.nan_to_num([praat.get_value_at_time(t) for t in times]),
}
print(f"pyworld {version('pyworld')}, parselmouth {version('praat-parselmouth')} (Praat {parselmouth.PRAAT_VERSION}), espeak-ng speech")
print("guess: clean synthetic speech, one signal: the frame error between good trackers is a per cent or two")
seen = {}
for a, b in itertools.combinations(f0, 2):
    voiced = (f0[a] > 0) & (f0[b] > 0)
    voicing = np.mean((f0[a] > 0) != (f0[b] > 0))
    gross = np.mean(np.abs(f0[a][voiced] / f0[b][voiced] - 1) > 0.2) * np.mean(voiced)
    seen[a, b] = 100 * (voicing + gross)
    print(f"seen:  {a} and {b}: FFE {seen[a, b]:.1f} % ({100 * voicing:.1f} voicing, {100 * gross:.1f} gross)")
assert seen["DIO", "Harvest"] > 10 and seen["Harvest", "Praat"] > 10 and seen["DIO", "Praat"] > 2, "the behaviour changed"
PY
