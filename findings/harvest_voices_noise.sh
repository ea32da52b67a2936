#!/usr/bin/env bash
# F0 (pyworld): Harvest calls faint noise after a tone voiced, by the noise's seed and at any level; DIO does not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pyworld==0.3.5 numpy==2.4.6 setuptools==80.10.2 2> "$work/pip.log" || { cat "$work/pip.log"; exit 1; }
cd "$work"
venv/bin/python - <<'PY'
import warnings

warnings.filterwarnings("ignore")
from importlib.metadata import version

import numpy as np
import pyworld

RATE, SETTLED = 16000, 205  # frames are 5 ms; the tone ends at frame 200
tone = np.zeros(2 * RATE)
tone[:RATE] = 0.3 * np.sin(2 * np.pi * 150 * np.arange(RATE) / RATE)
seen = {}
for level in (-60, -80, -100):
    for seed in range(4):
        x = tone + 10 ** (level / 20) * np.random.default_rng(seed).standard_normal(2 * RATE)
        harvest, dio = pyworld.harvest(x, RATE)[0], pyworld.dio(x, RATE)[0]
        voiced = np.flatnonzero(harvest[SETTLED:])
        late = 5 * (SETTLED + voiced[-1]) - 1000 if len(voiced) else 0
        seen[level, seed] = (len(voiced), int(late), np.count_nonzero(dio[SETTLED:]))

print(f"pyworld {version('pyworld')}: 1 s of a 150 Hz tone, then 1 s of white noise alone")
print("guess: both trackers find the noise unvoiced, the more surely the fainter it is")
for (level, seed), (frames, late, dio) in seen.items():
    print(f"seen:  noise {level:4d} dB, seed {seed}: Harvest {frames:2d} voiced frames, the last {late:3d} ms late; DIO {dio}")
for level in (-60, -80, -100):
    frames = [seen[level, seed][0] for seed in range(4)]
    assert min(frames) == 0 and max(frames) >= 10, "the behaviour changed: it no longer turns on the seed"
    assert max(seen[level, seed][1] for seed in range(4)) > 500, "the behaviour changed: no late frames"
assert not any(dio for _, _, dio in seen.values()), "the behaviour changed: DIO voices the noise"
PY
