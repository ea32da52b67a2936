#!/usr/bin/env bash
# PESQ (pesq): a copy that is 300 ms late has the highest score; STOI (pystoi) of a copy that is 40 ms late halves.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pesq==0.0.4 pystoi==0.4.1 espeakng-loader==0.2.4 scipy==1.17.1 numpy==2.4.6 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import ctypes
from importlib.metadata import version

import espeakng_loader
import numpy as np
from pesq import pesq
from pystoi import stoi
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


def si_sdr(ref, est):
    target = ref * (ref @ est) / (ref @ ref)
    return 10 * np.log10((target @ target) / ((est - target) @ (est - target)))


rate, speech = speak("set blue at g nine now")
speech = resample_poly(speech, 320, 441)  # 22.05 to 16 kHz
speech = np.pad(speech, 8000) + 1e-4 * np.random.default_rng(0).standard_normal(len(speech) + 16000)
seen = {}
for delay in (1, 640, 1600, 4800):
    late = np.pad(speech, (delay, 0))[: len(speech)]
    seen[delay] = (pesq(16000, speech, late, "wb"), stoi(speech, late, 16000), si_sdr(speech, late))

print(f"pesq {version('pesq')}, pystoi {version('pystoi')}, SI-SDR by its formula: speech of espeak-ng against its late copy")
print("guess: a late dub loses in each measure, the more the later it is; one sample (0.06 ms) costs nothing")
for delay, (p, s, d) in seen.items():
    print(f"seen:  {delay / 16:7.2f} ms late: PESQ {p:.2f}  STOI {s:.2f}  SI-SDR {d:6.1f} dB")
assert all(p > 4.5 for p, _, _ in seen.values()), "the behaviour changed: PESQ"
assert seen[1][1] > 0.99 and seen[640][1] < 0.6, "the behaviour changed: STOI"
assert seen[1][2] < 20, "SI-SDR"
PY
