from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
save_file = pytest.importorskip("safetensors.torch").save_file

from placed_weights import place  # noqa: E402

from dubbench.errors import DubbenchError  # noqa: E402
from dubbench.systems.diflowdubber.codec import facodec  # noqa: E402
from dubbench.systems.diflowdubber.codecs import open_codec  # noqa: E402


def test_facodec_by_name_takes_the_fetched_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    with pytest.raises(DubbenchError, match="facodec-encoder is not here; dubbench assets fetch facodec-encoder"):
        open_codec("facodec")
    placed = []
    for name in ("facodec-encoder", "facodec-decoder"):
        save_file({"a": torch.zeros(1)}, tmp_path / name)
        placed.append(place(name, tmp_path / name))
    monkeypatch.setattr(facodec.FACodec, "load", classmethod(lambda cls, *given: given))
    assert open_codec("facodec", "cpu") == (*placed, "cpu")


def test_neither_name_nor_file() -> None:
    with pytest.raises(DubbenchError, match=r"^none/such: no such codec; make one with: dubbench codec fit"):
        open_codec("none/such")
