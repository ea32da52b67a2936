"""Training from its own command line."""

import re
import subprocess
import sys

import pytest
from training_runs import command, losses

from dubbench.training import checkpoint


@pytest.mark.slow
def test_two_processes_share_a_batch(features, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    run = tmp_path / "run"
    done = subprocess.run(
        [*torchrun, *command("tts", features, run, "--steps", 4, "--validate-every", 2)[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line["step"] for line in losses(run)] == [1, 2, 3, 4]
    assert checkpoint.read_meta(checkpoint.find(run))["training"]["world"] == 2


def test_nothing_but_torch_numpy_and_safetensors_is_needed(features, teacher, tmp_path):
    """The caches travel to a GPU machine that has no more than that."""
    allowed = {"torch", "numpy", "safetensors", "dubbench"}
    blocker = f"""
import sys
allowed = {allowed!r} | set(sys.stdlib_module_names)
torch_needs = {{"sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock", "typing_extensions"}}
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed | torch_needs or top.startswith(("_", "nvidia", "triton")):
            return None
        if top in {{"lightning_fabric", "lightning", "tensorboard", "typer", "click", "rich", "pydantic", "av", "scipy",
                   "soundfile", "soxr", "pyworld", "pocketsphinx", "mediapipe", "cv2", "librosa", "pyarrow",
                   "platformdirs", "resemblyzer", "matplotlib"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    try:
        return found(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = find_spec
import runpy
sys.argv = ["train"] + sys.argv[1:]
runpy.run_module("dubbench.systems.diflowdubber.training", run_name="__main__")
"""
    options = ["--steps", "3", "--teacher", str(teacher), "--validate-every", "3"]
    arguments = [x for x in command("dub", features, tmp_path / "run", *options)[3:] if x not in ("--engine", "plain")]
    done = subprocess.run([sys.executable, "-c", blocker, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(losses(tmp_path / "run")) == 3 and not (tmp_path / "run" / "tensorboard").exists()


def test_bad_options_are_one_line(features, tmp_path):
    missing = subprocess.run(
        command("tts", tmp_path / "nothing", tmp_path / "run"), capture_output=True, text=True, check=False
    )
    assert missing.returncode == 2
    assert re.fullmatch(r"dubbench: .*no such features; make them with: dubbench train features\n", missing.stderr)
