"""SECS: Resemblyzer's own embedding at a fixed level; invariants of cosine, level, and silence."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pairs import awkward, voice
from spoken import SENTENCES, say

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.metrics.parts.loudness import at_level
from dubbench.metrics.parts.speaker import cosine
from dubbench.metrics.secs import LEVEL_DB, SECS, embed
from dubbench.runtime.digests import file_digest
from dubbench.runtime.package_files import bundled
from dubbench.signal.media import read_audio
from dubbench.signal.sound import Sound


def item(dub: np.ndarray, reference: np.ndarray, truth: np.ndarray | None, rate: int = 16000) -> Item:
    clip = Clip("c", "grid", "s1", "", Path("none.mp4"))
    sounds = [
        Sound(dub.astype(np.float32), rate),
        *(None if x is None else Sound(x, 16000) for x in (truth, reference)),
    ]
    return Item(clip, *sounds, duration=3.0, fps=25.0)


def test_the_embedding_is_resemblyzers() -> None:
    """At the level that the recipe states, by the package's own documented calls."""
    import resemblyzer

    sound = say(SENTENCES[0])[0].astype(np.float64)
    level = sound - sound.mean()
    level *= 10 ** (LEVEL_DB / 20) / np.sqrt(np.mean(level**2))
    encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)
    wanted = encoder.embed_utterance(resemblyzer.preprocess_wav(level.astype(np.float32), source_sr=16000))
    found = embed(sound)
    assert found is not None
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-6)
    assert (found >= 0).all()


def test_level_leaves_no_trace() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.1, 16000).astype(np.float32)
    levelled = at_level(x, -27.0)
    assert levelled is not None
    assert 20 * np.log10(np.sqrt(np.mean(levelled.astype(np.float64) ** 2))) == pytest.approx(-27.0, abs=1e-4)
    for gain in (1e-20, 1e-3, 0.5, 1e6):
        np.testing.assert_allclose(at_level(np.float32(gain) * x, -27.0), levelled, atol=1e-6)
    np.testing.assert_allclose(at_level(x + 0.2, -27.0), levelled, atol=1e-5)
    assert at_level(np.zeros(100), -27.0) is None
    assert at_level(np.full(100, 0.1, np.float32), -27.0) is None
    assert at_level(np.ones(1), -27.0) is None
    click = at_level(np.eye(1, 48000)[0], -27.0)
    assert click is not None
    assert np.abs(click).max() == 1.0


def test_itself_is_exactly_one_at_any_gain() -> None:
    sound = say(SENTENCES[0])[0]
    metric = SECS()
    same = metric.score(item(sound, sound, sound))
    assert same == {"secs": 1.0, "secs_gt": 1.0}
    quiet = metric.score(item(0.1 * sound, sound, sound))
    assert not isinstance(quiet, Unscored)
    assert quiet["secs"] == pytest.approx(1.0, abs=1e-4)


def test_the_two_sides_are_the_right_ones() -> None:
    a, b, c = say(SENTENCES[0])[0], say(SENTENCES[1])[0], say(SENTENCES[1], "en-us+f3")[0]
    stats = SECS().score(item(a, reference=b, truth=c))
    assert not isinstance(stats, Unscored)
    ea, eb, ec = (embed(x) for x in (a, b, c))
    assert ea is not None and eb is not None and ec is not None
    assert stats == {"secs": cosine(ea, eb), "secs_gt": cosine(ea, ec)}
    assert cosine(ea, eb) == cosine(eb, ea)
    assert stats["secs"] > stats["secs_gt"] + 0.05  # another voice is farther than another sentence
    assert set(SECS().score(item(a, b, None))) == {"secs"}  # type: ignore[arg-type]


def test_no_voice_is_unscored() -> None:
    sound = say(SENTENCES[0])[0]
    silent = np.zeros(16000, np.float32)
    assert SECS().score(item(silent, sound, sound)) == Unscored("no voice found in the dub")
    assert SECS().score(item(sound, silent, silent)) == Unscored("no voice found in the reference")
    assert set(SECS().score(item(sound, silent, sound))) == {"secs_gt"}  # type: ignore[arg-type]


def test_awkward_dubs() -> None:
    sound = say(SENTENCES[0])[0]
    for name, (dub, rate) in awkward(voice()).items():
        stats = SECS().score(item(dub, sound, sound, rate))
        if isinstance(stats, Unscored):
            assert name in ("one sample", "ten samples", "digital silence", "constant", "one click", "noise"), name
        else:
            assert all(0 <= value <= 1 for value in stats.values()), name


def test_making_it_is_cheap_and_knows_its_weights() -> None:
    """Listing metrics makes every one of them: neither torch nor the encoder may be imported for that."""
    code = (
        "import json, sys; from dubbench.metrics.secs import SECS; from dubbench.metrics.dnsmos import DNSMOS; "
        "from dubbench.metrics.wer import WERGrammar; from dubbench.metrics.phones import PhoneBoundaries; "
        "infos = [m().info for m in (SECS, DNSMOS, WERGrammar, PhoneBoundaries)]; "
        "print(json.dumps([infos[0].weights, sorted({m.split('.')[0] for m in sys.modules})]))"
    )
    weights, modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert weights == {"resemblyzer": file_digest(bundled("resemblyzer", "pretrained.pt"))}
    assert not {"torch", "resemblyzer", "librosa", "onnxruntime", "pocketsphinx", "jiwer"} & set(modules)


def test_real_clips_of_one_speaker(shared_data: Path) -> None:
    """Among themselves clips of s1 have about 0.75; against a woman's less."""
    files = sorted((shared_data / "grid" / "s1").glob("*.m*"))[::150]
    own = [embed(read_audio(file)) for file in files]
    other = embed(read_audio(next(iter(sorted((shared_data / "grid" / "s4").glob("*.mpg"))))))
    within = [cosine(a, b) for i, a in enumerate(own) for b in own[:i] if a is not None and b is not None]
    across = [cosine(a, other) for a in own if a is not None and other is not None]
    assert len(within) >= 10
    assert 0.65 < np.mean(within) < 0.9
    assert np.mean(across) < np.mean(within) - 0.1
