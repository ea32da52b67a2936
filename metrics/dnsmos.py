"""DNSMOS: predicted mean opinion scores, 1 to 5, without a reference (Reddy et al., ICASSP 2021 and 2022).

``DNSMOS`` is P.835's overall quality (OVRL), beside it ``DNSMOS-SIG`` (speech), ``DNSMOS-BAK`` (background) and
``DNSMOS-P808`` (one overall score by another network). They were trained on noise suppression, not on synthesis: they
hear noise and artefacts, not unnatural prosody, and they are not UTMOS.

The computation is that of the package ``speechmos``, whose wheel brings the networks; here with sessions that are
loaded once and run on one thread. A dub shorter than 9.01 s is doubled until it is not; windows of 9.01 s start every
second; polynomials map P.835's raw outputs to the scale; means over windows. Before that the dub is brought to
-26 dBFS RMS: P.835's scores depend on the level (ground truth of GRID s1: OVRL 2.92 as recorded, 3.03 at a gain of
-12 dB), and how loud a dub is is not what is asked. P.808's do not.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import at_level
from dubbench.runtime.package_files import bundled, bundled_digest
from dubbench.runtime.provenance import versions

RATE = 16000
LEVEL_DB = -26.0
WINDOW = 144160
"""Samples that the networks take: 9.01 s."""
SHORTEST = 0.5
"""Seconds below which a dub is left unscored; a repeated syllable is no speech to rate."""

_P835 = ("dnsmos_models", "sig_bak_ovr.onnx")
_P808 = ("dnsmos_models", "model_v8.onnx")
# Highest power first, from the networks' outputs to the scale of the listening tests.
_SIG = (-0.08397278, 1.22083953, 0.0052439)
_BAK = (-0.13166888, 1.60915514, -0.39604546)
_OVRL = (-0.06766283, 1.11546468, 0.04602535)


class Scores(NamedTuple):
    """Predicted opinion, about 1 to 5."""

    ovrl: float
    sig: float
    bak: float
    p808: float


def opinion(samples: NDArray[np.floating]) -> Scores:
    """DNSMOS of (T,) samples at 16 kHz in [-1, 1], not empty; what ``speechmos.dnsmos.run`` gives."""
    audio = np.asarray(samples)
    while len(audio) < WINDOW:
        audio = np.append(audio, audio)
    p835, p808 = _sessions()
    rows = []
    for start in range(0, int(len(audio) // RATE - 9.01) * RATE + 1, RATE):
        window = audio[start : start + WINDOW]
        sig, bak, ovrl = p835.run(None, {"input_1": window[None].astype(np.float32)})[0][0]
        mel = log_mel(window[:-160]).astype(np.float32)
        overall = p808.run(None, {"input_1": mel[None]})[0][0][0]
        rows.append((np.polyval(_OVRL, ovrl), np.polyval(_SIG, sig), np.polyval(_BAK, bak), overall))
    return Scores(*(float(mean) for mean in np.mean(rows, axis=0)))


def log_mel(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T // 160 + 1, 120): P.808's input, decibels below the loudest band, (dB + 40) / 40."""
    librosa = require("librosa", "metrics", "DNSMOS")
    mel = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    return np.asarray((librosa.power_to_db(mel, ref=np.max) + 40) / 40).T


@cache
def _sessions() -> tuple[Any, Any]:
    onnx = require("onnxruntime", "metrics", "DNSMOS")
    options = onnx.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    p835, p808 = (
        onnx.InferenceSession(str(bundled("speechmos", *path)), options, providers=["CPUExecutionProvider"])
        for path in (_P835, _P808)
    )
    return p835, p808


def _column(name: str, value: str) -> Column:
    expects: dict[str, Effect] = {
        "delay": "invariant",
        "silence": "undefined",
        "noise": "worse",
        "gain(db=-12)": "invariant",
    }
    if value != "sig":
        expects["noisy(snr=10)"] = "worse"  # noise hardly touches the speech
    return Column(
        name=name,
        direction="up",
        aggregate=Mean(value=value),
        digits=2,
        tolerance=0.1,  # windows of 9 s fall elsewhere in moved sound; panels of listeners cannot tell 0.1 apart
        headline=value == "ovrl",
        expects=expects,
    )


class DNSMOS(MetricBase):
    """Predicted opinion of quality, without a reference."""

    columns = (
        _column("DNSMOS", "ovrl"),
        _column("DNSMOS-SIG", "sig"),
        _column("DNSMOS-BAK", "bak"),
        _column("DNSMOS-P808", "p808"),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="dnsmos",
            recipe="dnsmos/p835-p808",
            settings={
                **versions("onnxruntime", "librosa", "numpy"),  # of speechmos only the networks are used
                "rate": RATE,
                "loudness": f"RMS {LEVEL_DB:g} dBFS, clipped to full scale",
                "window_s": 9.01,
                "hop_s": 1.0,
                "short": "doubled until as long as a window",
                "shortest_s": SHORTEST,
                "personalized": False,
                "aggregation": "mean over windows, then over clips",
            },
            weights={
                "dnsmos-p835": bundled_digest("speechmos", *_P835),
                "dnsmos-p808": bundled_digest("speechmos", *_P808),
            },
            summary="Predicted quality without a reference: DNSMOS P.835 (overall, speech, background) and P.808",
            source="Reddy, Gopal and Cutler, ICASSP 2021 (P.808) and 2022 (P.835)",
            licence="MIT (speechmos; networks from Microsoft's DNS Challenge)",
        )

    def load(self, device: str) -> None:
        """Load both networks; they run on one CPU thread whatever the device."""
        require("librosa", "metrics", "DNSMOS")
        _sessions()

    def score(self, item: Item) -> Stats | Unscored:
        """``ovrl``, ``sig``, ``bak``, ``p808``: about 1 to 5."""
        samples = item.dub.at(RATE)
        if len(samples) < SHORTEST * RATE:
            return Unscored(f"the dub ({item.dub.duration:.2f} s) is shorter than {SHORTEST:g} s")
        levelled = at_level(samples, LEVEL_DB)
        if levelled is None:
            return Unscored("no sound in the dub")
        return opinion(levelled)._asdict()
