"""StyleDubber (github.com/GalaxyCong/StyleDubber, commit bc431c8), driven through its Setting 1.0 script for GRID.

``evaluate_test_allinference`` makes the wavs of a folder of one clip. Its data class is given the reference of the
request in its own inference mode, which serves Settings 1.0, 2.0 and 3.0; the script has no such switch for GRID.
"""

import ast
import functools
import importlib.util
import os
import sys

import common
import numpy as np
import preprocessed

STEP = 1
HOP, WINDOW, RATE, TOP = 256, 1024, 22050, 8000


def _modules(place):
    sys.path.insert(0, place.source)
    import librosa  # noqa: F401
    import resemblyzer

    common.torchaudio()
    common.stub("pymcd", "whisper", "jiwer", "warpctc_pytorch", "tensorboard")
    resemblyzer.VoiceEncoder = common.Nothing
    common.without_cuda()


def _configuration(place, root):
    """The two lines that the repository ships, with our paths, and the third that training would have written."""
    import yaml

    with open(os.path.join(place.source, "ModelConfig_GRID", "model_config", "GRID", "config_all.txt")) as file:
        preprocess, model = (ast.literal_eval(line) for line in file.readlines()[:2])
    with open(os.path.join(place.source, "config", "GRID", "train.yaml")) as file:
        train = yaml.safe_load(file)
    preprocess["path"].update(preprocessed_path=root, preprocessed_path_denoise2=root)
    train["path"].update(file=os.path.dirname(root), ckpt_path="ckpt")
    train["optimizer"]["batch_size"] = 1
    return preprocess, model, train


def _stage(place, vocoder):
    """A working folder with the vocoder where the script opens it."""
    folder = os.path.join(place.work, "vocoder", "UNIVERSAL_V1")
    os.makedirs(folder)
    os.symlink(
        os.path.join(place.source, "vocoder", "UNIVERSAL_V1", "config.json"), os.path.join(folder, "config.json")
    )
    if vocoder:
        os.symlink(vocoder, os.path.join(folder, "g_02500000"))
    os.chdir(place.work)


def random_weights(place, folder):
    """Both networks and the vocoder, untrained, as its loaders read them."""
    import json

    import torch

    _modules(place)
    root = os.path.join(place.work, "grid")
    preprocessed.Folder(root, preprocessed.GRID_SPEAKERS)
    preprocess, model, _ = _configuration(place, root)
    _stage(place, "")
    from utils import model as models

    network = models.Style_dubber_model_15_SPost_Duration(preprocess, model)
    fusion = models.models_16_5_Face2_same.MULTModel(model["Multimodal-Transformer"], model, preprocess)
    torch.save({"model": network.state_dict(), "fusion_model": fusion.state_dict()}, os.path.join(folder, "network"))
    with open("vocoder/UNIVERSAL_V1/config.json") as file:
        vocoder = models.Generator(models.AttrDict(json.load(file)))
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
        root = os.path.join(place.work, "grid")
        self.folder = preprocessed.Folder(root, preprocessed.GRID_SPEAKERS)
        self.configs = _configuration(place, root)
        _stage(place, place.weights["vocoder"])
        os.makedirs(os.path.join(place.work, "ckpt"))
        os.symlink(place.weights["network"], os.path.join(place.work, "ckpt", "%d.pth.tar" % STEP))
        path = os.path.join(place.source, "0_evaluate_GRID_Setting1.py")  # no name for an import statement
        spec = importlib.util.spec_from_file_location("evaluate_grid", path)
        self.script = importlib.util.module_from_spec(spec)
        with common.devices_kept():
            spec.loader.exec_module(self.script)
        device = torch.device(place.device)
        self.vocoder = self.script.get_vocoder(self.configs[1], device)
        self.models = self.script.get_model_ID22_E1_Duration(
            argparse.Namespace(restore_step=STEP), self.configs, device
        )
        data = self.script.Dataset_GRIDdataset_Setting1
        self.script.Dataset_GRIDdataset_Setting1 = functools.partial(_in_inference_mode, data)
        self.known = preprocessed.arpabet()
        for network in self.models:
            common.timed(self.clocks, "model", network, "forward")
        common.timed(self.clocks, "vocoder", self.vocoder, "forward")

    def dub(self, request, clock):
        self.clocks.now = clock
        phones, clip, folder = request["phones"], preprocessed.CLIP, self.folder
        common.known_phones(phones, self.known, "StyleDubber")
        with clock("frontend"):
            lips, face, voice = common.features(request, "lips", "face", "voice")
            reference = log_mel(request["reference"])
            frames = round(request["length"] * RATE / HOP)
            for name, mel in ((clip, np.zeros((frames, 80), np.float32)), (preprocessed.REFERENCE, reference)):
                folder.array("mel", "mel", name, mel)
                folder.array("duration", "duration", name, preprocessed.spread(len(mel), len(phones)))
            for kind in ("pitch", "energy"):
                folder.array(kind, kind, clip, np.zeros(len(phones), np.float32))
            folder.array("Grid_spk2", "spk", preprocessed.REFERENCE, voice)
            folder.array("extrated_embedding_Grid_152_gray", "face", preprocessed.UTTERANCE, lips)
            folder.array("Grid_VA_feature", "feature", preprocessed.UTTERANCE, face[: len(lips)])
            text = preprocessed.braces(phones)
            folder.line("val.txt", clip, text, preprocessed.SPEAKER, preprocessed.REFERENCE, text)
            out = preprocessed.fresh(os.path.join(self.place.work, "tmp", "wavs"))
        self.script.evaluate_test_allinference(*self.models, STEP, self.configs, self.vocoder, out)
        return preprocessed.only_wav(out, "wav_pred_%s.wav" % clip)


def log_mel(path):
    """The reference as StyleDubber's data has it."""
    return preprocessed.log_mel(path, RATE, HOP, WINDOW, TOP)


def _in_inference_mode(data, *args, inference_mode=False, **kwargs):
    return data(*args, inference_mode=True, **kwargs)
