"""HPMDubbing (github.com/GalaxyCong/HPMDubbing, commit f50dfa7), driven through ``generate_result`` of its script.

Its Chem configuration on a folder of one clip. Mel, pitch and energy are zeros of four frames a picture: inference
reads their lengths alone. It also vocodes the (zero) target mel, which is thrown away and not measured.
"""

import importlib
import os
import shutil
import sys

import common
import numpy as np
import preprocessed

STEP = 1


def _modules(place):
    sys.path.insert(0, place.source)
    for name in ("librosa", "resemblyzer"):
        importlib.import_module(name)
    common.stub("style_models", "pysptk", "tensorboard", "cv2")
    common.without_cuda()


def _configuration(place, root):
    import yaml

    found = []
    for name in ("preprocess", "model", "train"):
        with open(os.path.join(place.source, "config", "Chem", name + ".yaml")) as file:
            found.append(yaml.safe_load(file))
    preprocess, model, train = found
    preprocess["path"]["preprocessed_path"] = root
    model["vocoder"]["vocoder_checkpoint_path"] = os.path.join(os.path.dirname(root), "vocoder")
    train["path"].update(ckpt_path=os.path.join(os.path.dirname(root), "ckpt"))
    train["optimizer"]["batch_size"] = 1
    return preprocess, model, train


def random_weights(place, folder):
    """Network and vocoder, untrained, as its loaders read them."""
    import json

    import torch

    _modules(place)
    root = os.path.join(place.work, "chem")
    preprocessed.Folder(root, [preprocessed.SPEAKER])
    preprocess, model, _ = _configuration(place, root)
    from model import HPM_Dubbing
    from utils.env import AttrDict
    from utils.hifigan_16_models import Generator

    torch.save({"model": HPM_Dubbing(preprocess, preprocess, model).state_dict()}, os.path.join(folder, "network"))
    with open(os.path.join(place.source, "vocoder", "HiFi_GAN_16", "config.json")) as file:
        vocoder = Generator(AttrDict(json.load(file)))
    torch.save({"generator": vocoder.state_dict()}, os.path.join(folder, "vocoder"))


class Adapter:
    def __init__(self, place):
        self.place = place
        self.clocks = common.Clocks()

    def load(self):
        import argparse

        import torch

        place = self.place
        _modules(place)
        common.load_safely(place.device)
        root = os.path.join(place.work, "chem")
        self.folder = preprocessed.Folder(root, [preprocessed.SPEAKER])
        self.preprocess, self.model_config, self.train = _configuration(place, root)
        for part, name, role in (("ckpt", "%d.pth.tar" % STEP, "network"), ("vocoder", "g_HPM_Chem", "vocoder")):
            os.makedirs(os.path.join(place.work, part))
            os.symlink(place.weights[role], os.path.join(place.work, part, name))
        shutil.copy(os.path.join(place.source, "vocoder", "HiFi_GAN_16", "config.json"),
                    os.path.join(place.work, "vocoder"))  # fmt: skip
        self.script = importlib.import_module("Synthesis")
        device = torch.device(place.device)
        configs = (self.preprocess, self.model_config, self.train, self.preprocess)
        self.model = self.script.get_model(argparse.Namespace(restore_step=STEP), configs, device).to(device)
        self.vocoder = self.script.get_vocoder(self.model_config, device)
        self.known = preprocessed.arpabet()
        common.timed(self.clocks, "model", self.model, "forward")
        common.timed(self.clocks, "vocoder", self.vocoder, "forward")

    def dub(self, request, clock):
        from torch.utils.data import DataLoader

        self.clocks.now = clock
        common.known_phones(request["phones"], self.known, "HPMDubbing")
        clip, folder = preprocessed.CLIP, self.folder
        with clock("frontend"):
            lips, face, voice = common.features(request, "lips", "face", "voice")
            frames = 4 * len(lips)
            for kind, shape in (("mel", (frames, 80)), ("pitch", (frames,)), ("energy", (frames,))):
                folder.array(kind, kind, clip, np.zeros(shape, np.float32))
            folder.array("duration_sum", "duration", clip, np.array(frames))
            folder.array("spk2", "spk", clip, voice)
            folder.array("VA_feature", "feature", clip, face[: len(lips)])
            folder.array("extrated_embedding_Chem_gray", "face", clip, lips)
            folder.line("val.txt", clip, preprocessed.SPEAKER, preprocessed.braces(request["phones"]), request["text"])
            data = self.script.Dataset("val.txt", self.preprocess, self.train, diff_audio=False)
            loader = DataLoader(data, batch_size=1, shuffle=False, collate_fn=data.collate_fn)
            out = preprocessed.fresh(os.path.join(self.place.work, "tmp", "wavs"))
        self.script.generate_result(self.preprocess, self.model_config, self.model, self.vocoder, loader,
                                    sampling_rate=16000, samples_path=out)  # fmt: skip
        clock.spent["vocoder"] /= 2  # it vocodes the target mel, too, of the same length
        shutil.rmtree(os.path.join(out, "reconstruct_path"))
        return preprocessed.only_wav(os.path.join(out, "generated_path"), "wav_pred_%s.wav" % clip)
