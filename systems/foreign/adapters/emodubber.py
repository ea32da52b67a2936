"""EmoDubber (github.com/GalaxyCong/EmoDubber, commit 553fa05), driven through its own inference script.

Its ``unbatched_synthesis`` makes each clip; we give it what its loop over a list would, after seeding anew, so that a
clip does not depend on those before it. The Setting 1.0 script serves all settings: the 2.0 one differs only in whose
speaker vector it reads (and leaves GRID's mel statistics out, which are 0 and 1).
"""

import argparse
import collections
import functools
import importlib
import os
import sys
import typing

import common
import numpy as np

SPEAKER, CLIP = "s1", "clip"


def _folders(place):
    os.chdir(place.source)
    sys.path[:0] = [os.path.join(place.source, "EmoDubber_Networks"), place.source]


def _modules():
    common.espeak()
    common.monotonic_align()
    for name in ("lightning", "diffusers", "transformers", "conformer"):  # they look for torchvision
        importlib.import_module(name)
    common.stub(
        "torchvision",
        "torchaudio",
        "torch.utils.tensorboard",
        "wget",
        "gdown",
        "rootutils",
        "wandb",
        "jiwer",
        "cv2",
        "sentencepiece",
    )
    _compat()
    # Its compiled module is for Python 3.10 alone, and only training calls it.
    common.module("utils.monotonic_align.core", maximum_path_c=common.Nothing())


def _compat():
    """Names that diffusers 0.25 had."""
    import torch

    for name, old in (("diffusers.models.lora", "LoRACompatibleLinear"),):
        try:
            found = hasattr(importlib.import_module(name), old)
        except ImportError:
            found = False
        if not found:
            sys.modules.pop(name, None)
            common.module(name, LoRACompatibleLinear=torch.nn.Linear)


def _configuration(data):
    """The model's hyper-parameters as the authors' hydra files give them."""
    from omegaconf import OmegaConf

    name = {"grid": "GRID", "chem": "Chem"}[data]
    read = lambda *parts: OmegaConf.to_container(OmegaConf.load(os.path.join("configs", *parts)))  # noqa: E731
    model = read("model", "EmoDubber_%s.yaml" % name)
    whole = OmegaConf.create({"model": {**model, "encoder": read("model", "encoder", name + ".yaml"),
                                        "decoder": read("model", "decoder", "default.yaml"),
                                        "cfm": read("model", "cfm", "default.yaml")},
                              "data": read("data", name + "_dataset.yaml"), "seed": 1234})  # fmt: skip
    keys = ("n_vocab", "n_spks", "spk_emb_dim", "n_feats", "encoder", "decoder", "cfm", "data_statistics", "out_size")
    return {key: OmegaConf.create(OmegaConf.to_container(whole.model[key], resolve=True))
            if OmegaConf.is_config(whole.model[key]) else whole.model[key] for key in keys}  # fmt: skip


def _known_classes():
    import torch
    from omegaconf import DictConfig, ListConfig, base, nodes

    plain = [dict, list, tuple, int, float, str, bool, collections.defaultdict, typing.Any, functools.partial]
    of_config = [DictConfig, ListConfig, base.Metadata, base.ContainerMetadata]
    leaves = [getattr(nodes, name + "Node") for name in ("Any", "Integer", "Float", "String", "Boolean")]
    return [*plain, *of_config, *leaves, torch.optim.Adam]


def random_weights(place, folder):
    """A checkpoint as lightning writes it, and the vocoder's, both untrained."""
    import torch

    _folders(place)
    common.without_cuda()
    _modules()
    import json

    from hifigan.env import AttrDict
    from hifigan.models import Generator
    from models.EmoDubber import EmoDubber_all

    settings = _configuration(place.options["data"])
    model = EmoDubber_all(**settings)
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": settings, "pytorch-lightning_version": "2.3.0",
                "epoch": 0, "global_step": 0, "loops": {}, "callbacks": {}, "optimizer_states": [],
                "lr_schedulers": []}, os.path.join(folder, "network"))  # fmt: skip
    with open("Vocoder_16KHz/config.json") as file:
        vocoder = Generator(AttrDict(json.load(file)))
    torch.save({"generator": vocoder.state_dict()}, os.path.join(folder, "vocoder"))


class Adapter:
    def __init__(self, place):
        self.place = place
        self.clocks = common.Clocks()

    def load(self):
        import torch

        place = self.place
        _folders(place)
        common.without_cuda()
        _modules()
        common.load_safely(place.device, *_known_classes())
        script = "Inference_%s_Unbatch_New_S1" % {"grid": "GRID", "chem": "Chem"}[place.options["data"]]
        with common.devices_kept():
            self.script = importlib.import_module(script)
        self.device = torch.device(place.device)
        self.model = self.script.load_EmoDubber("custom_model", place.weights["network"], self.device)
        self._check_data()
        self.vocoder, self.denoiser = self.script.load_vocoder("16K_V0", place.weights["vocoder"], self.device)
        common.timed(self.clocks, "model", self.model, "synthesise")
        common.timed(self.clocks, "vocoder", self.script, "to_waveform")
        from text_fs.symbols import symbols

        self.known = {symbol[1:] for symbol in symbols if symbol.startswith("@")}

    def _check_data(self):
        """A checkpoint of the other data set loads without a word: its statistics tell."""
        encoder = self.model.hparams.encoder
        trained = str(encoder["VarianceAdaptor"]["NameforStats"]).lower()
        if trained != self.place.options["data"]:
            raise ValueError("the checkpoint is of %s and data=%s was asked" % (trained, self.place.options["data"]))

    def dub(self, request, clock):
        import torch

        self.clocks.now = clock
        common.known_phones(request["phones"], self.known, "EmoDubber")
        folder = os.path.join(self.place.work, "tmp", "%06d" % request["number"])
        with clock("frontend"):
            lips, face, voice = (torch.from_numpy(x).to(self.device)
                                 for x in common.features(request, "lips", "face", "voice"))  # fmt: skip
            lips, face = lips[None], face[None, : len(lips)]
            count = torch.tensor([lips.shape[1]], dtype=torch.long, device=self.device)
        options = argparse.Namespace(steps=10, temperature=0.667, speaking_rate=1.0, output_folder=folder,
                                     checkpoint_path=self.place.weights["network"])  # fmt: skip
        phones = "{%s}" % " ".join(request["phones"])
        with torch.inference_mode():
            self.script.unbatched_synthesis(options, self.device, self.model, self.vocoder, self.denoiser,
                                            [request["text"]], voice[None], lips, count, CLIP + ".wav", CLIP, phones,
                                            face)  # fmt: skip
        import dubbench_shim
        import soundfile

        (inner,) = os.listdir(folder)
        samples, rate = soundfile.read(dubbench_shim.one_file(os.path.join(folder, inner), CLIP + ".wav"))
        return np.asarray(samples), rate
