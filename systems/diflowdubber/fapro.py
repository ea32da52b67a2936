"""Face-to-Prosody Mapper: a prosody prior from facial expressions (section 3.4.1, B.2.2)."""

from __future__ import annotations

from torch import Tensor, nn

from .config import Config
from .layers.convnext import ConvNeXtStack
from .layers.fft import CodebookPredictor, add_positions
from .layers.upsample import Upsample
from .visual import VisualProjection


class FaPro(nn.Module):
    """Upsampling, ConvNeXt V2 blocks, layer norm, and a prosody predictor of one FFT block a codebook."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.visual = VisualProjection(config, config.face_dim)
        self.upsample = Upsample(config)
        self.convnext = ConvNeXtStack(
            config.fapro_convnext, config.hidden, config.convnext_inner, config.convnext_kernel
        )
        self.norm = nn.LayerNorm(config.hidden)
        self.predictor = CodebookPredictor(config, config.prosody)

    def forward(self, face: Tensor, frame_mask: Tensor, token_mask: Tensor) -> Tensor:
        """face (B, F, face_dim) to z̃_p (B, m, L, stream_dim)."""
        x = self.visual(face, frame_mask)
        x = self.upsample(x, frame_mask.sum(1), token_mask)
        x = self.norm(self.convnext(x, token_mask))
        return self.predictor(add_positions(x), token_mask)
