"""Every number of DiFlowDubber as data: `paper`, `small` and `tiny` (`presets` and `settings` change them).

Plain frozen dataclasses, so that a training machine needs torch, numpy and safetensors alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from dubbench.errors import DubbenchError


@dataclass(frozen=True)
class Weights:
    """Weights of the losses: equation 9 (stage 1) and equation 7 (stage 2)."""

    tts_duration: float = 0.5
    tts_content: float = 1.0
    tts_flow: float = 1.0
    content: float = 1.0
    ctc: float = 0.1
    distill: float = 0.1
    flow: float = 1.0
    vt: float = 0.001
    st: float = 0.001
    voicing: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True)
class Training:
    """How one stage is optimised (B.3): AdamW, linear warm-up over a share of all steps.

    Exactly one of ``steps`` and ``epochs`` is above zero. ``batch`` is over all GPUs together, or that of each one with
    ``per_gpu`` (the paper's "4 GPUs with a batch size of 16" may be read both ways).
    """

    learning_rate: float
    warmup: float
    weight_decay: float
    batch: int
    steps: int = 0
    epochs: int = 0
    per_gpu: bool = False

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0):
            raise DubbenchError(f"training has {self.steps} steps and {self.epochs} epochs; give one of them")
        if self.batch < 1 or self.learning_rate <= 0 or not 0 <= self.warmup <= 1:
            raise DubbenchError("training needs a batch of at least 1, a learning rate above 0, a warm-up of 0 to 1")


@dataclass(frozen=True)
class Config:
    """One DiFlowDubber. Defaults are the paper's; what it leaves open is explained in ``docs/choices.md``.

    Attributes:
        name: what checkpoints call it.
        phones: size of the phone inventory (`dubbench.systems.diflowdubber.text.PHONES`).
        lip_dim, face_dim: width of the visual features a frame (Dl, Df): 512 and 256 for LRW ResNet-18 and EmoNet,
            288 and 75 for landmarks.
        speaker_dim: width of the codec's speaker vector.
        vocab: codes in a codebook (v); the mask token of the flow has the id ``vocab``.
        prosody, content, acoustic: number of codebooks (m, n, k).
        frame_rate, token_rate: Hz; 25 and 80 give the fixed ratio 5:16.
        max_length: longest sequence in tokens.
        hidden, heads, filter, kernels, dropout: the FFT blocks, and the width of everything before the DFPA.
        encoder_layers, decoder_layers: FFT blocks before and after the length regulator.
        stream_dim: width E of one token stream (prosody prior, content, embedded tokens); the paper's D.
        head_hidden: hidden width of the heads that give logits; 0 for a single linear layer.
        dit_*: the denoiser; ``dit_modulation`` is the hidden width of the AdaLN networks, 0 for SiLU and one linear.
        visual_kernel: kernel of the convolution that brings visual features to ``hidden``.
        upsample_layers: convolution + group norm + Mish sets after the interpolation.
        fapro_convnext, sync_convnext, convnext_inner, convnext_kernel: ConvNeXt V2 stacks.
        sync_layers: cross-attention blocks of each of the two stacks.
        sync_inner, sync_dropout, sync_self_attention: the rest of such a block.
        attention: ``monotonic`` (softmax around a centre that only moves forward, all queries at once), ``softmax``
            (no constraint), ``expected`` (Ma et al. 2020, recurrent over queries: slow).
        tau: temperature of equations 2 and 4.
        regulate: durations of equation 3 in training: ``mas`` as at inference, or the ground ``truth``.
        teacher_durations: equation 5's teacher on its own (``predicted``) or the ground-truth (``truth``) durations.
        flow_positions: equation 1 over ``all`` positions or the ``masked`` ones.
        revise: whether the sampler may change a token that it has already drawn.
        positions: of the denoiser's target: ``continue`` behind its condition's, or ``restart`` at 0, so that a token
            and its own frame of the prosody prior have the same.
        segments: an embedding that tells condition from target in the denoiser.
        condition_dropout: share of clips whose condition the denoiser does not see in training.
        soft_targets: spread of softened targets (`geometry.Geometry`); 0 for hard ones. Losses are then not the
            likelihood of the codes.
        codebook_start: begin embeddings and heads as the codec's code vectors (`geometry`); without a teacher.
        freeze_head: freeze projection and content head when a teacher is given.
        pretraining: whether stage 2 starts from a stage 1 (`Stage2.initialise`). Without, nothing can be distilled.
        use_vt_loss, use_st_loss, distill, ctc, fuse_prosody, fapro: what the other rows of Table 3 switch off.
        weights: of the losses.
        tts, dub: how the stages are trained.
    """

    name: str = "paper"
    phones: int = 40
    lip_dim: int = 512
    face_dim: int = 256
    speaker_dim: int = 256
    vocab: int = 1024
    prosody: int = 1
    content: int = 2
    acoustic: int = 3
    frame_rate: int = 25
    token_rate: int = 80
    max_length: int = 5000

    hidden: int = 256
    heads: int = 4
    filter: int = 1024
    kernels: tuple[int, int] = (9, 1)
    dropout: float = 0.2
    encoder_layers: int = 4
    decoder_layers: int = 2
    stream_dim: int = 768
    head_hidden: int = 768

    dit_dim: int = 768
    dit_layers: int = 8
    dit_heads: int = 8
    dit_inner: int = 3072
    dit_modulation: int = 0
    dit_dropout: float = 0.0

    visual_kernel: int = 3
    upsample_layers: int = 4
    fapro_convnext: int = 8
    sync_convnext: int = 8
    convnext_inner: int = 1024
    convnext_kernel: int = 7
    sync_layers: int = 8
    sync_inner: int = 1024
    sync_dropout: float = 0.1
    sync_self_attention: bool = True
    attention: Literal["monotonic", "softmax", "expected"] = "monotonic"
    tau: float = 1.0
    regulate: Literal["mas", "truth"] = "mas"
    teacher_durations: Literal["predicted", "truth"] = "predicted"
    flow_positions: Literal["all", "masked"] = "all"
    revise: bool = False
    freeze_head: bool = True
    positions: Literal["continue", "restart"] = "continue"
    segments: bool = False
    condition_dropout: float = 0.0
    soft_targets: float = 0.0
    codebook_start: bool = False

    pretraining: bool = True
    use_vt_loss: bool = True
    use_st_loss: bool = True
    distill: bool = True
    ctc: bool = True
    fuse_prosody: bool = True
    fapro: bool = True

    weights: Weights = field(default_factory=Weights)
    tts: Training = Training(learning_rate=1e-4, warmup=0.1, weight_decay=0.01, batch=16, steps=300_000)
    dub: Training = Training(learning_rate=1e-3, warmup=0.05, weight_decay=0.01, batch=64, epochs=200)

    def __post_init__(self) -> None:
        wrong = []
        if self.hidden % (2 * self.heads) or self.dit_dim % (2 * self.dit_heads):
            wrong.append("hidden and dit_dim must be even multiples of their heads")
        if not all(k % 2 for k in (*self.kernels, self.visual_kernel, self.convnext_kernel)):
            wrong.append("kernels must be odd")
        if self.attention not in ("monotonic", "softmax", "expected"):
            wrong.append("attention must be monotonic, softmax or expected")
        if self.regulate not in ("mas", "truth") or self.teacher_durations not in ("predicted", "truth"):
            wrong.append("regulate must be mas or truth, teacher_durations predicted or truth")
        if self.positions not in ("continue", "restart"):
            wrong.append("positions must be continue or restart")
        if not 0 <= self.condition_dropout < 1 or self.soft_targets < 0:
            wrong.append("condition_dropout must be in [0, 1), soft_targets at least 0")
        if self.flow_positions not in ("all", "masked"):
            wrong.append("flow_positions must be all or masked")
        if self.tau <= 0:
            wrong.append("tau must be above 0")
        if self.distill and not self.pretraining:
            wrong.append("distill needs pretraining: without a stage 1 nothing can be distilled; set distill to false")
        if wrong:
            raise DubbenchError(f"configuration {self.name}: {'; '.join(wrong)}")

    @property
    def needs_geometry(self) -> bool:
        """Whether training has to know what the codec's codes stand for."""
        auxiliary = self.weights.voicing > 0 or self.weights.pitch > 0
        return self.codebook_start or self.soft_targets > 0 or auxiliary

    @property
    def books(self) -> int:
        """All streams of the codec: m + n + k."""
        return self.prosody + self.content + self.acoustic

    @property
    def flow_books(self) -> int:
        """Streams that the flow generates: m + k, prosody first."""
        return self.prosody + self.acoustic

    @property
    def seconds(self) -> float:
        """The longest clip."""
        return self.max_length / self.token_rate

    def tokens(self, frames: int) -> int:
        """Token length of ``frames`` video frames, rounded half up: L = round(F · 16 / 5) at 25 and 80 Hz."""
        return (2 * frames * self.token_rate + self.frame_rate) // (2 * self.frame_rate)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-serialisable data; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Config:
        """Read what `to_dict` wrote.

        Raises:
            DubbenchError: an unknown name, so that a checkpoint of another version is not read by half.
        """
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise DubbenchError(f"configuration has unknown settings: {', '.join(unknown)}")
        data = dict(data)
        try:
            for name, kind in (("weights", Weights), ("tts", Training), ("dub", Training)):
                if isinstance(data.get(name), dict):
                    data[name] = kind(**data[name])
        except TypeError as error:
            raise DubbenchError(f"configuration: {error}") from error
        if "kernels" in data:
            data["kernels"] = tuple(data["kernels"])
        return cls(**data)


PAPER = Config()

SMALL = Config(
    name="small",
    lip_dim=288,
    face_dim=75,
    hidden=128,
    filter=512,
    kernels=(3, 1),
    dropout=0.1,
    encoder_layers=2,
    decoder_layers=1,
    stream_dim=128,
    head_hidden=0,
    dit_dim=192,
    dit_layers=4,
    dit_heads=3,
    dit_inner=576,
    dit_modulation=32,
    visual_kernel=5,
    upsample_layers=2,
    fapro_convnext=1,
    sync_convnext=3,
    convnext_inner=512,
    sync_layers=2,
    sync_inner=512,
    tts=Training(learning_rate=1e-3, warmup=0.05, weight_decay=0.01, batch=8, steps=2_000),
    dub=Training(learning_rate=1e-3, warmup=0.05, weight_decay=0.01, batch=8, steps=2_400),
)

TINY = Config(
    name="tiny",
    lip_dim=288,
    face_dim=75,
    hidden=48,
    heads=2,
    filter=96,
    kernels=(3, 1),
    dropout=0.0,
    encoder_layers=1,
    decoder_layers=1,
    stream_dim=40,
    head_hidden=0,
    dit_dim=64,
    dit_layers=2,
    dit_heads=2,
    dit_inner=128,
    dit_modulation=16,
    upsample_layers=1,
    fapro_convnext=1,
    sync_convnext=1,
    convnext_inner=96,
    sync_layers=1,
    sync_inner=96,
    sync_dropout=0.0,
    tts=Training(learning_rate=2e-3, warmup=0.05, weight_decay=0.01, batch=4, steps=200),
    dub=Training(learning_rate=2e-3, warmup=0.05, weight_decay=0.01, batch=4, steps=200),
)
