"""Options that the training verbs share. (Those of `dubbench.cli.options` are not for plugins: imports point down.)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

DatasetOption = Annotated[
    list[str] | None, typer.Option("--dataset", help="Data set to make features of; repeat. See: dubbench data list")
]
RootOption = Annotated[
    list[str] | None, typer.Option(metavar="DIR", help="Where the data set lies; NAME=DIR where there are several.")
]
SplitOption = Annotated[str, typer.Option(help="train, all, another split, random:SHARE:SEED, or a file of clip ids.")]
SpeechOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="LibriTTS, or any folder of wavs with texts (stage 1 alone).")
]
CodecOption = Annotated[
    str, typer.Option(help="A file of 'codec fit'; world: the shipped one; facodec: the paper's, see 'assets list'.")
]
VisualOption = Annotated[str, typer.Option(help="landmarks, none (speech alone), or npy with --lips and --face.")]
LipsOption = Annotated[Path | None, typer.Option(metavar="DIR", help="npy: the field's lip features, 512 a frame.")]
FaceOption = Annotated[Path | None, typer.Option(metavar="DIR", help="npy: the field's face features, 256 a frame.")]
TextGridOption = Annotated[
    Path | None, typer.Option("--textgrids", metavar="DIR", help="MFA's TextGrids; else pocketsphinx aligns.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many clips, spread over the split.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds after which one clip counts as hung.")]
HoldOutOption = Annotated[int, typer.Option(min=0, help="Clips of each data set kept for validation; at most a tenth.")]
ConfigOption = Annotated[str, typer.Option(help="paper, small, tiny, or a .toml file as 'train settings' writes it.")]
PresetOption = Annotated[
    list[str] | None,
    typer.Option("--preset", "--ablation", help="grid, chem, or a row of Table 3: no-ctc, no-fapro …; repeat."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting, as dub.batch=16; repeat.")
]
FeaturesOption = Annotated[
    list[Path] | None, typer.Option("--features", metavar="FILE", help="From 'train features'; repeat.")
]
InitOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Begin with the weights of this run or checkpoint of the same stage.")
]
RunOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Run folder; given again, it goes on.")]
EstimateOption = Annotated[bool, typer.Option("--estimate", help="Time a few steps, say how long it takes, and end.")]
SeedOption = Annotated[int, typer.Option(help="Of weights, order and noise.")]
StepsOption = Annotated[int, typer.Option(min=0, help="Instead of the configuration's; 0: those.")]
SaveOption = Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")]
ValidateOption = Annotated[int, typer.Option(min=1, help="Steps between validations.")]
AverageOption = Annotated[float, typer.Option(min=0, max=1, help="Decay of the average of the weights; 0: none.")]
SecondsOption = Annotated[float, typer.Option(min=0, help="Stop, with a checkpoint, after that time; 0: at the end.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
EngineOption = Annotated[str, typer.Option(help="fabric, plain (torch alone), or auto: Fabric where it is installed.")]
PrecisionOption = Annotated[str, typer.Option(help="float32, bf16, or auto: bf16 on a GPU.")]
AccumulateOption = Annotated[int, typer.Option(min=1, help="Compute a batch in so many parts, to need less memory.")]
ClipOption = Annotated[float, typer.Option(min=0, help="Largest norm of the gradient.")]
DecayOption = Annotated[str, typer.Option(help="Of the learning rate after the warm-up: cosine or constant.")]
KeepOption = Annotated[int, typer.Option(min=1, help="Last checkpoints that stay, beside the best.")]


@dataclass(frozen=True)
class TrainingOptions:
    """The options of both stages."""

    config: ConfigOption = "small"
    preset: PresetOption = None
    set_: SetOption = None
    features: FeaturesOption = None
    dataset: DatasetOption = None
    root: RootOption = None
    split: SplitOption = "train"
    codec: CodecOption = "world"
    init: InitOption = None
    hold_out: HoldOutOption = 50
    seed: SeedOption = 0
    steps: StepsOption = 0
    save_every: SaveOption = 500
    validate_every: ValidateOption = 500
    keep: KeepOption = 2
    average: AverageOption = 0.999
    clip: ClipOption = 1.0
    decay: DecayOption = "cosine"
    accumulate: AccumulateOption = 1
    seconds: SecondsOption = 0.0
    device: DeviceOption = "auto"
    engine: EngineOption = "auto"
    precision: PrecisionOption = "auto"
    workers: WorkersOption = 0
    estimate: EstimateOption = False
