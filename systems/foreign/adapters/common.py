"""Parts that several adapters share: modules served from outside, so that no clone is ever edited. Python 3.8 and
later.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types

import numpy as np


class _Anything(type):
    """Attributes of such a class are such classes, so that ``package.module.Class`` can be a base."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (Nothing,), {})


class Nothing(metaclass=_Anything):
    """Stands for a class or function that inference never calls; using it says so."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        raise RuntimeError("a part of the system was called that its inference does not need")


class _Stub(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(name, (Nothing,), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, names):
        self.names = tuple(names)

    def find_spec(self, name, path=None, target=None):
        if name in self.names or any(name.startswith(n + ".") for n in self.names):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Stub(spec.name)

    def exec_module(self, module):
        pass


def stub(*names):
    """Serve empty modules for packages that are imported and never used in inference, whatever is installed.

    Call it after what would look for the real ones was imported (lightning and transformers ask for torchvision).
    """
    for name in names:
        for known in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
            del sys.modules[known]
    sys.meta_path.insert(0, _Finder(names))


def module(name, **content):
    """A module with this content under ``name``."""
    made = types.ModuleType(name)
    made.__dict__.update(content)
    sys.modules[name] = made
    return made


@contextlib.contextmanager
def devices_kept():
    """Scripts that choose a device number for their authors' machine do not choose it here."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.init()
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        yield
    finally:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


@contextlib.contextmanager
def arguments(*words):
    """``sys.argv`` of a script that reads it on import."""
    before, sys.argv = sys.argv, list(words)
    try:
        yield
    finally:
        sys.argv = before


def load_safely(device, *classes):
    """Let `torch.load` read tensors and ``classes`` alone, onto ``device``, where a script says neither.

    Torch before 2.4 knows no such list: there a checkpoint is an ordinary pickle, read in this process without
    network and without your home folder.
    """
    import torch

    original = torch.load
    if not hasattr(torch.serialization, "add_safe_globals"):
        safe = {}
    else:
        torch.serialization.add_safe_globals(list(classes))
        safe = {"weights_only": True}

    def load(*args, **kwargs):
        if kwargs.get("map_location") is None:
            kwargs["map_location"] = device
        if kwargs.get("weights_only") is None:
            kwargs.update(safe)
        return original(*args, **kwargs)

    torch.load = load


def without_cuda():
    """On a machine without an accelerator ``.cuda()`` leaves a tensor or module where it is."""
    import torch

    if torch.cuda.is_available():
        return
    torch.nn.Module.cuda = lambda self, device=None: self
    torch.Tensor.cuda = lambda self, *args, **kwargs: self


def espeak():
    """espeak-ng of the wheel ``espeakng-loader`` for phonemizer, where the system has none."""
    with contextlib.suppress(ImportError):
        import espeakng_loader

        os.environ.setdefault("PHONEMIZER_ESPEAK_LIBRARY", espeakng_loader.get_library_path())
        os.environ.setdefault("ESPEAK_DATA_PATH", espeakng_loader.get_data_path())


def torchaudio():
    """torchaudio's Python part without its compiled one, where that is of another build than torch."""
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):
        for known in [m for m in sys.modules if m == "torchaudio" or m.startswith("torchaudio.")]:
            del sys.modules[known]
        extension = module("torchaudio._extension", lazy_import_sox_ext=Nothing(), _IS_ALIGN_AVAILABLE=False,
                           _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_RNNT_AVAILABLE=False,
                           fail_if_no_align=lambda f: f)  # fmt: skip
        extension.__path__ = []
        importlib.import_module("torchaudio")


def best_path(value, rows, columns):
    """Monotonic alignment search (Kim et al. 2020): the 0/1 path of the largest sum through (rows, columns)."""
    table = np.full((rows, columns), -1e9)
    table[0, 0] = value[0, 0]
    for t in range(1, columns):
        above = np.concatenate([[-1e9], table[:-1, t - 1]])
        table[:, t] = value[:rows, t] + np.maximum(table[:, t - 1], above)
    path = np.zeros(value.shape, dtype=np.float32)
    row = rows - 1
    for t in range(columns - 1, -1, -1):
        path[row, t] = 1
        if row and t and (row == t or table[row, t - 1] < table[row - 1, t - 1]):
            row -= 1
    return path


def monotonic_align():
    """A stand-in for resemble-ai's package of that name, which is in no index: its two functions, in numpy."""
    import torch

    def mask_from_lens(similarity, rows, columns):
        one = torch.arange(similarity.size(1), device=similarity.device)[None] < rows[:, None]
        two = torch.arange(similarity.size(2), device=similarity.device)[None] < columns[:, None]
        return (one[:, :, None] & two[:, None, :]).to(similarity.dtype)

    def maximum_path(value, mask):
        rows = mask[:, :, 0].sum(1).long().cpu().numpy()
        columns = mask[:, 0, :].sum(1).long().cpu().numpy()
        values = value.detach().float().cpu().numpy()
        found = np.stack([best_path(v, r, c) for v, r, c in zip(values, rows, columns)])
        return torch.from_numpy(found).to(device=value.device, dtype=value.dtype)

    if importlib.util.find_spec("monotonic_align") is not None:
        real = importlib.import_module("monotonic_align")
        if hasattr(real, "mask_from_lens"):
            return real
    return module("monotonic_align", mask_from_lens=mask_from_lens, maximum_path=maximum_path)


def timed(clock, part, owner, name):
    """``owner.name`` measured as ``part`` from now on. Returns a holder whose ``clock`` is set for each clip."""
    original = getattr(owner, name)

    def measured(*args, **kwargs):
        with clock.now(part):
            return original(*args, **kwargs)

    setattr(owner, name, measured)


class Clocks:
    """The clock of the clip under way, for functions that are measured wherever they are called."""

    def __init__(self):
        self.now = None


def features(request, *names):
    """Arrays that the host made for this clip, float32."""
    return [np.load(request["features"][name]).astype(np.float32) for name in names]


def placed(array, *parts):
    """Save an array where a script looks for it."""
    path = os.path.join(*parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    np.save(path, array)
    return path


def known_phones(phones, known, system):
    """Refuse what the system would drop without a word.

    Raises:
        ValueError: phones that it does not know, or none at all.
    """
    if not phones:
        raise ValueError("no phones for this text")
    strange = sorted(set(phones) - set(known))
    if strange:
        raise ValueError("%s does not know the phones %s, and would drop them silently" % (system, ", ".join(strange)))
