"""ProDubber (github.com/ZZDoog/ProDubber, commit 77a0797), driven through its own ``inference`` function.

Its script loads everything on import and, for ``--setting 0``, which it does not know, runs no loop: we call
``compute_style`` and ``inference`` clip by clip ourselves, so that the exceptions that its loop swallows become
failures. The length comes from a silent wav of the wanted length, where its loop opens the ground truth.
"""

import importlib
import os
import shutil
import sys
import wave

import common
import numpy as np

EXPERIMENT, EPOCH = "dubbench", 1
RATE = 24000


def _modules():
    common.espeak()
    for name in ("transformers", "librosa", "nltk"):
        importlib.import_module(name)
    common.stub("pydub", "accelerate", "pandas", "IPython")
    common.monotonic_align().__path__ = []
    common.module("monotonic_align.core", maximum_path_c=common.Nothing())
    common.torchaudio()


def random_weights(place, folder):
    """The second stage's checkpoint and the three networks that lie in the clone, untrained, in the authors' format."""
    import torch
    import yaml
    from munch import Munch

    sys.path.insert(0, place.source)
    os.chdir(place.source)
    _modules()
    common.without_cuda()
    import models
    from transformers import AlbertConfig
    from Utils.PLBERT.util import CustomAlbert

    with open("Configs/config_grid.yml") as file:
        config = yaml.safe_load(file)
    with open("Utils/ASR/config.yml") as file:
        aligner = models.ASRCNN(**yaml.safe_load(file)["model_params"])
    pitch = models.JDCNet(num_class=1, seq_len=192)
    with open("Utils/PLBERT/config.yml") as file:
        bert = CustomAlbert(AlbertConfig(**yaml.safe_load(file)["model_params"]))
    torch.save({"model": aligner.state_dict()}, os.path.join(folder, "aligner"))
    torch.save({"net": pitch.state_dict()}, os.path.join(folder, "pitch"))
    named = {"module.encoder." + key: value for key, value in bert.state_dict().items()}
    named["module.encoder.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"net": named}, os.path.join(folder, "bert"))
    munch = lambda x: Munch({k: munch(v) for k, v in x.items()}) if isinstance(x, dict) else x  # noqa: E731
    whole = models.build_model_GRID(munch(config["model_params"]), aligner, pitch, bert)
    states = {key: whole[key].state_dict() for key in whole}
    torch.save({"net": states}, os.path.join(folder, "network"))


class Adapter:
    def __init__(self, place):
        self.place = place
        self.clocks = common.Clocks()

    def load(self):
        place = self.place
        sys.path.insert(0, place.source)
        self._stage()
        os.chdir(place.work)
        _modules()
        common.without_cuda()
        common.load_safely("cpu")
        with (
            common.devices_kept(),
            common.arguments("inference_grid.py", "-n", EXPERIMENT, "--epoch", str(EPOCH), "--setting", "0"),
        ):
            self.script = importlib.import_module("inference_grid")
        self._tokenizer()
        self.script.compute_style(self._silent(1.0, 16000))  # librosa compiles what resamples: not in a clip's time
        common.timed(self.clocks, "vocoder", self.script.model.decoder, "forward")

    def _stage(self):
        """Its configuration with our paths, its checkpoint by the expected name, PL-BERT in a folder of its own."""
        import yaml

        place, source = self.place, self.place.source
        with open(os.path.join(source, "Configs", "config_grid.yml")) as file:
            config = yaml.safe_load(file)
        bert = os.path.join(place.work, "plbert")
        out = os.path.join(place.work, "output", EXPERIMENT)
        os.makedirs(bert)
        os.makedirs(os.path.join(out, "ckpt"))
        shutil.copy(os.path.join(source, "Utils", "PLBERT", "config.yml"), bert)
        os.symlink(place.weights["bert"], os.path.join(bert, "step_1000000.t7"))
        os.symlink(place.weights["network"], os.path.join(out, "ckpt", "epoch_2nd_%d.pth" % EPOCH))
        self.features = os.path.join(place.work, "features")
        config.update(F0_path=place.weights["pitch"], ASR_path=place.weights["aligner"], PLBERT_dir=bert,
                      ASR_config=os.path.join(source, "Utils", "ASR", "config.yml"))  # fmt: skip
        config["data_params"]["feature_root_path"] = self.features
        with open(os.path.join(out, "config_grid.yml"), "w") as file:
            yaml.safe_dump(config, file)

    def _tokenizer(self):
        """Without nltk's ``punkt_tab`` its tokenizer raises for every clip; one sentence needs no splitter."""
        from nltk.tokenize import word_tokenize

        try:
            word_tokenize("one two.")
        except LookupError:
            self.script.word_tokenize = lambda text: word_tokenize(text, preserve_line=True)

    def _silent(self, seconds, rate):
        """A silent wav, for its length."""
        path = os.path.join(self.place.work, "tmp", "length.wav")
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes(bytes(2 * round(seconds * rate)))
        return path

    def dub(self, request, clock):
        script, self.clocks.now = self.script, clock
        with clock("frontend"):
            lips, face = common.features(request, "lips", "face")
            common.placed(lips, self.features, "extrated_embedding_Grid_152_gray", "s1-face-clip.npy")
            common.placed(face, self.features, "VA_feature", "s1-feature-clip.npy")
            lips, face = script.get_visual_feature("s1", "s1-clip")
            style, _ = script.compute_style(request["reference"])
            silent = self._silent(request["length"], RATE)
            script._ = None  # its function returns this name from an outer scope
            length = script.compute_style(silent, return_mel_len=True)[1]
        with clock("whole"):
            samples = script.inference(request["text"], style, embedding_scale=1, mel_len=length,
                                       emotion_feature=face, lip_feature=lips)  # fmt: skip
        clock.spent["model"] = clock.spent.pop("whole") - clock.spent.get("vocoder", 0.0)
        return np.asarray(samples), RATE
