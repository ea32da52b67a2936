"""Speaker2Dubber (github.com/ZZDoog/Speaker2Dubber, commit bfc4c24), driven through ``generate_result`` of its script.

Its Setting 2.0 data class on a folder of one clip, whose name holds "Grid" as its loader asks. The length comes from
the sum of the durations: the wanted length spread over the phones. One clip a batch, since its lengths are scaled by
the mean over a batch.
"""

import argparse
import importlib
import os
import sys

import common
import numpy as np
import preprocessed

STEP, EXPERIMENT = 1, "dubbench"
HOP, RATE = 256, 22050


def _modules(place):
    sys.path.insert(0, place.source)
    import librosa  # noqa: F401
    import resemblyzer  # noqa: F401

    common.monotonic_align()
    common.stub("pysptk", "tensorboard", "cv2", "style_models")
    common.without_cuda()
    from utils import hifigan_16_models

    common.module("hifi_gan").__path__ = []
    sys.modules["hifi_gan.models"] = hifigan_16_models


def _configuration(place, root):
    import yaml

    found = []
    for name in ("preprocess", "model", "train"):
        with open(os.path.join(place.source, "config", "MovieAnimation", name + ".yaml")) as file:
            found.append(yaml.safe_load(file))
    preprocess, model, train = found
    preprocess["path"]["preprocessed_path"] = root
    train["expname"] = EXPERIMENT
    train["optimizer"]["batch_size"] = 1
    return preprocess, model, train


def _vocoder_configuration():
    """HiFi-GAN UNIVERSAL_V1 (github.com/jik876/hifi-gan, config_v1.json)."""
    return {
        "resblock": "1", "seed": 1234, "upsample_rates": [8, 8, 2, 2], "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 512, "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], "num_mels": 80, "n_fft": 1024, "hop_size": 256,
        "win_size": 1024, "sampling_rate": 22050, "fmin": 0, "fmax": 8000,
    }  # fmt: skip


def random_weights(place, folder):
    """Network and vocoder, untrained, as its loaders read them."""
    import torch

    _modules(place)
    root = os.path.join(place.work, "Grid")
    preprocessed.Folder(root, preprocessed.GRID_SPEAKERS)
    preprocess, model, _ = _configuration(place, root)
    from model import Speaker2Dubber
    from utils.env import AttrDict
    from utils.hifigan_16_models import Generator

    torch.save({"model": Speaker2Dubber(preprocess, model).state_dict()}, os.path.join(folder, "network"))
    vocoder = Generator(AttrDict(_vocoder_configuration()))
    torch.save({"generator": vocoder.state_dict()}, os.path.join(folder, "vocoder"))


class Adapter:
    def __init__(self, place):
        self.place = place
        self.clocks = common.Clocks()

    def load(self):
        import json

        import torch

        place = self.place
        _modules(place)
        common.load_safely(place.device)
        os.chdir(place.work)
        root = os.path.join(place.work, "Grid")
        self.folder = preprocessed.Folder(root, preprocessed.GRID_SPEAKERS)
        self.configs = _configuration(place, root)
        os.makedirs("output/%s/ckpt" % EXPERIMENT)
        os.symlink(place.weights["network"], "output/%s/ckpt/%d.pth.tar" % (EXPERIMENT, STEP))
        os.makedirs("hifi_gan/UNIVERSAL_V1")
        os.symlink(place.weights["vocoder"], "hifi_gan/UNIVERSAL_V1/g_02500000")
        with open("hifi_gan/UNIVERSAL_V1/config.json", "w") as file:
            json.dump(_vocoder_configuration(), file)
        self.script = importlib.import_module("Synthesis")
        device = torch.device(place.device)
        options = argparse.Namespace(restore_step=STEP)
        self.model = self.script.get_model(options, self.configs, device).to(device)
        self.vocoder = self.script.get_vocoder(self.configs[1], device)
        self.known = preprocessed.arpabet()
        common.timed(self.clocks, "model", self.model, "forward")
        common.timed(self.clocks, "vocoder", self.vocoder, "forward")

    def dub(self, request, clock):
        from torch.utils.data import DataLoader

        self.clocks.now = clock
        phones, clip, folder = request["phones"], preprocessed.CLIP, self.folder
        common.known_phones(phones, self.known, "Speaker2Dubber")
        preprocess, model_config, train = self.configs
        with clock("frontend"):
            lips, face, voice = common.features(request, "lips", "face", "voice")
            frames = round(request["length"] * RATE / HOP)
            folder.array("mel", "mel", preprocessed.REFERENCE, np.zeros((frames, 80), np.float32))
            folder.array("duration", "duration", clip, preprocessed.spread(frames, len(phones)))
            for kind in ("pitch", "energy"):
                folder.array(kind, kind, clip, np.zeros(frames, np.float32))
            folder.array("spk2", "spk", preprocessed.REFERENCE, voice)
            folder.array("extrated_embedding_Grid_152_gray", "face", preprocessed.UTTERANCE, lips)
            folder.array("VA_feature", "feature", preprocessed.UTTERANCE, face[: len(lips)])
            text = preprocessed.braces(phones)
            folder.line("list.txt", clip, text, preprocessed.SPEAKER, preprocessed.REFERENCE, text)
            data = self.script.Dataset_setting2("list.txt", preprocess, train)
            loader = DataLoader(data, batch_size=1, shuffle=False, collate_fn=data.collate_fn)
            out = preprocessed.fresh(os.path.join(self.place.work, "tmp", "wavs"))
        self.script.generate_result(preprocess, model_config, self.model, self.vocoder, loader, sampling_rate=RATE,
                                    samples_path=out)  # fmt: skip
        clock.spent["vocoder"] /= 2  # it vocodes the target mel, too, of the same length
        return preprocessed.only_wav(out, "wav_pred_%s.wav" % clip)
