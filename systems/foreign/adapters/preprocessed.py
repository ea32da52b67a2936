"""The input folder of HPMDubbing, StyleDubber and Speaker2Dubber for one clip, with the file names that they expect."""

import json
import os
import shutil

import common
import numpy as np

SPEAKER, UTTERANCE = "s1", "clip"
CLIP = SPEAKER + "-" + UTTERANCE
REFERENCE = SPEAKER + "-reference"
GRID_SPEAKERS = ["s%d" % n for n in range(1, 35) if n != 21]
STATS = {"pitch": [-3.0, 12.0, 150.0, 60.0], "energy": [-2.0, 9.0, 30.0, 30.0]}
"""Bins that a checkpoint overwrites with those it was trained with."""


class Folder:
    """``root`` holds what a data class of theirs reads. Array names follow ``SPEAKER-KIND-CLIP.npy``."""

    def __init__(self, root, speakers):
        self.root = root
        os.makedirs(root, exist_ok=True)
        for name, content in (("speakers.json", {s: i for i, s in enumerate(speakers)}), ("stats.json", STATS),
                              ("emotions.json", {CLIP: 0})):  # fmt: skip
            with open(os.path.join(root, name), "w") as file:
                json.dump(content, file)

    def array(self, folder, kind, clip, value):
        """Save one."""
        common.placed(value, self.root, folder, "%s-%s-%s.npy" % (SPEAKER, kind, clip))

    def line(self, name, *fields):
        """A list of one clip."""
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as file:
            file.write("|".join(fields) + "\n")


def braces(phones):
    """How phones stand in their lists."""
    return "{%s}" % " ".join(phones)


def spread(total, parts):
    """``total`` frames over ``parts`` phones, as evenly as whole numbers go."""
    edges = np.round(np.linspace(0, total, parts + 1)).astype(np.int64)
    return np.diff(edges)


def arpabet():
    """The phones that the system's own text module knows."""
    from text.symbols import symbols

    return {symbol[1:] for symbol in symbols if symbol.startswith("@")}


def fresh(path):
    """An empty folder."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def only_wav(folder, name):
    """The one int16 wav that a script of theirs wrote, as (samples, rate)."""
    import dubbench_shim
    from scipy.io import wavfile

    rate, samples = wavfile.read(dubbench_shim.one_file(folder, name))
    return samples, rate


def log_mel(path, rate, hop, window, top):
    """(T, 80) natural log of mel magnitudes, as the field's HiFi-GAN takes them: librosa's filters, floor 1e-5."""
    import librosa

    samples, _ = librosa.load(path, sr=rate)
    spectrum = np.abs(librosa.stft(samples, n_fft=1024, hop_length=hop, win_length=window, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=rate, n_fft=1024, n_mels=80, fmin=0, fmax=top)
    return np.log(np.maximum(filters @ spectrum, 1e-5)).T.astype(np.float32)
