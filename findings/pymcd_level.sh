#!/usr/bin/env bash
# MCD (pymcd): a power spectrum goes in as an amplitude, with a floor: the distance of a clip to its half-level copy depends on the level.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pymcd==0.2.1 pyworld==0.3.5 pysptk==1.0.1 librosa==0.11.0 numpy==2.4.6 setuptools==80.10.2 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import warnings

warnings.filterwarnings("ignore")
from importlib.metadata import version

import numpy as np
import soundfile
from pymcd.mcd import Calculate_MCD

RATE = 22050
noise = 0.2 * np.random.default_rng(0).standard_normal(RATE // 2)
metric = Calculate_MCD("plain")
seen = {}
for level in (0, -20, -40, -60):
    gain = 10 ** (level / 20)
    soundfile.write("a.wav", gain * noise, RATE, subtype="FLOAT")
    soundfile.write("b.wav", gain * noise / 2, RATE, subtype="FLOAT")
    seen[level] = metric.calculate_mcd("a.wav", "b.wav")

print(f"pymcd {version('pymcd')}: noise against the same noise at half the level, both turned down together")
print("guess: 0 dB (level is no timbre), or 10 sqrt(2) / ln(10) * ln(2) = 4.26 dB as c0 counts, at every level")
for level, value in seen.items():
    print(f"seen:  {value:9.5f} dB with both at {level} dB")
assert abs(seen[0] - 8.51) < 0.05 and 5 < seen[-20] < 7 and seen[-40] < 0.1 and seen[-60] < 1e-4, "the behaviour changed"
PY
