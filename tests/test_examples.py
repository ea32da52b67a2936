"""Every example runs as it stands."""

import doctest
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Command

from dubbench.signal.media import write_wav

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_a_system_and_a_metric_from_a_file(dubbench: Command, tmp_path: Path) -> None:
    system, metric = EXAMPLES / "my_system.py", EXAMPLES / "my_metric.py"
    done = dubbench(
        *("run", "--dataset", "example-tones", "--root", "tones", "--setting", "1.0", "--out", "run"),
        *("--system", f"{system}:Beep", "--system", f"low={system}:Beep(hertz=110)"),
        *("-m", f"{metric}:PeakLevel", "-m", "duration"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "run" / "board" / "table.csv").read_text()
    assert "low," in table and "Beep,example" in table and "peak-dBFS,-20,,,4,4" in table
    wrong = dubbench("run", "--dataset", "example-tones", "--root", "tones", "--system", f"{system}:Boop")
    assert "has no 'Boop'; it has Beep" in wrong.stderr
    wrong = dubbench("run", "--dataset", "example-tones", "--root", "tones", "--system", f"{system}:Beep(herz=1)")
    assert "has no option 'herz'; did you mean 'hertz'?" in wrong.stderr
    wrong = dubbench("run", "--dataset", "example-tones", "--root", "tones", "--system", f"{system}:Beep(hertz=high)")
    assert "hertz is 'high'; give a number" in wrong.stderr


def test_the_functional_core_is_a_doctest() -> None:
    spec = importlib.util.spec_from_file_location("my_metric", EXAMPLES / "my_metric.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert doctest.testmod(module) == doctest.TestResults(0, 1)


def test_the_package_to_copy(dubbench: Command, plugins: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLES / "plugin", copy)
    pip = "pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target"
    subprocess.run([sys.executable, "-m", *pip.split(), str(tmp_path / "there"), str(copy)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    for words in (("systems", "beep"), ("metrics", "peak"), ("beep", "--out", "beep.wav")):
        done = subprocess.run(
            [sys.executable, "-m", "dubbench", *words], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "beep.wav").is_file()


def test_the_packages_files_are_those_of_the_single_files() -> None:
    for name in ("system", "metric"):
        whole = [
            (EXAMPLES / f"my_{name}.py").read_text(),
            (EXAMPLES / "plugin/dubbench_mine" / f"{name}.py").read_text(),
        ]
        assert len({text.split('"""', 2)[2] for text in whole}) == 1


def test_two_wavs_from_a_script(tmp_path: Path, plugins: Path) -> None:
    pytest.importorskip("matplotlib", reason="no matplotlib: pip install 'dubbench[figures]'")
    code = f"import sys; sys.path.insert(0, {str(plugins)!r})\n"
    code += "from pathlib import Path; from dubbench_example.dataset import Tones; Tones(Path('clips')).clips()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    (tmp_path / "dubs").mkdir()
    rows = ["clip,speaker,text,video"]
    for name in ("a-0", "a-1"):
        rows.append(f"{name},a,tone number {name[-1]},{name}.mp4")
        time = np.arange(16000) / 16000
        tone = sum(np.sin(2 * np.pi * 110 * k * time) / k for k in range(1, 9))
        write_wav(tmp_path / "dubs" / f"{name}.wav", (0.1 * tone).astype(np.float32), 16000)
    (tmp_path / "clips" / "clips.csv").write_text("\n".join(rows))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "score_two_wavs.py"), "dubs", "clips"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "FFE" in done.stdout and (tmp_path / "ffe.png").stat().st_size > 1000


@pytest.mark.slow
def test_tiny_training(tmp_path: Path) -> None:
    environment = {**os.environ, "STEPS": "4", "LIMIT": "12"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    script = [str(EXAMPLES / "train_tiny.sh"), str(tmp_path / "tiny")]
    done = subprocess.run(script, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tiny" / "run" / "board" / "index.html").is_file()
