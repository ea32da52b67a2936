"""Weights, clips and boxes for the tests of LSE: all of it can be made again anywhere."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from random_weights import random_state
from torch import Tensor

from dubbench.metrics.syncnet.network import SyncNet
from dubbench.metrics.syncnet.s3fd import S3FDNet


@cache
def syncnet_state() -> dict[str, Tensor]:
    """Random weights."""
    with torch.device("meta"):
        network = SyncNet()
    return random_state(network)


@cache
def syncnet() -> SyncNet:
    """With random weights."""
    network = SyncNet()
    network.load_state_dict(syncnet_state())
    return network.eval()


def s3fd_state(box: tuple[float, float, float, float], width: int, height: int) -> dict[str, Tensor]:
    """Random weights, but heads that see one face in every picture of width x height: ``box`` in its pixels.

    At a quarter of a GRID picture's size the map of stride 64 has one place, with an anchor of 256 pixels there.
    """
    with torch.device("meta"):
        network = S3FDNet()
    state = random_state(network)
    for name, tensor in state.items():
        if name.startswith(("loc", "conf")):
            tensor.zero_()
            if name.startswith("conf") and name.endswith("bias"):
                tensor[:-1] = 9.0
    small = np.array([round(width / 4), round(height / 4)] * 2)
    left, top, right, bottom = np.array(box) / [width, height, width, height] * small
    centre, side = np.array([(left + right) / 2, (top + bottom) / 2]), np.array([right - left, bottom - top])
    state["conf.4.bias"][:] = torch.tensor([-9.0, 9.0])
    shift = [*((centre - 32) / 25.6), *(np.log(side / 256) / 0.2)]
    state["loc.4.bias"][:] = torch.tensor(shift, dtype=torch.float32)
    return state


def excerpt(source: Path, target: Path, frames: int) -> Path:
    """The first packets of a video's pictures, as they are."""
    import av

    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = container.streams.video[0]
        copy = output.add_stream_from_template(stream)
        count = 0
        for packet in container.demux(stream):
            if packet.dts is not None and count < frames:
                packet.stream = copy
                output.mux(packet)
                count += 1
    return target


def film(target: Path, pictures: np.ndarray, fps: int = 25) -> Path:
    """(F, H, W, 3) RGB pictures as a video."""
    import av

    with av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], "yuv420p"
        for picture in pictures:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return target
