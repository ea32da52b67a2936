"""The verbs around training: DiFlowDubber's features and stages, the codec, the sync expert; and a user's own clip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubbench.datasets.roots import roots_of

from .cli_options import (
    CodecOption,
    DatasetOption,
    FaceOption,
    FeaturesOption,
    HoldOutOption,
    LimitOption,
    LipsOption,
    RootOption,
    RunOption,
    SaveOption,
    SecondsOption,
    SeedOption,
    SpeechOption,
    SplitOption,
    TextGridOption,
    TimeoutOption,
    VisualOption,
    WorkersOption,
)
from .train_cli import dub, settings, tts

train_app = typer.Typer(
    help="Train DiFlowDubber (features, tts, dub, release; settings lists all choices) or the sync expert (sync).",
    no_args_is_help=True,
)
for verb in (tts, dub, settings):
    train_app.command()(verb)
codec_app = typer.Typer(help="Codecs: fit one on a corpus, try one.", no_args_is_help=True)


@train_app.command()
def features(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The features: one .safetensors file.")],
    dataset: Annotated[str, typer.Option(help="Data set. See: dubbench data list")] = "toon",
    root: Annotated[Path | None, typer.Option(help="Where it lies.")] = None,
    split: SplitOption = "train",
    speech: SpeechOption = None,
    codec: CodecOption = "world",
    visual: VisualOption = "landmarks",
    lips: LipsOption = None,
    face: FaceOption = None,
    textgrids: TextGridOption = None,
    limit: LimitOption = None,
    workers: WorkersOption = 0,
    timeout: TimeoutOption = 300.0,
) -> None:
    """Make the features of a data set, or of a folder of speech. Goes on where it was. Exit 3 if clips failed."""
    from dubbench.systems.diflowdubber.training.jobs import make_features, open_dataset, sources_of

    if speech is not None:
        from dubbench.systems.diflowdubber.speech import speech_sources

        name, split, visual = speech.resolve().name, "all", "none"
        sources = speech_sources(speech, textgrids)[:limit]
    else:
        data = open_dataset(dataset, {dataset: root} if root else {})
        name = data.info.name
        sources = sources_of(data, split, limit, textgrids, lips, face)
    problems = make_features(name, split, sources, out, codec, visual, workers, timeout)
    raise typer.Exit(3 if problems else 0)


@train_app.command()
def sync(
    out: RunOption,
    features: FeaturesOption = None,
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: SplitOption = "train",
    speakers: Annotated[
        list[str] | None, typer.Option(metavar="NAME=S1,S2", help="Only these speakers of that data set; repeat.")
    ] = None,
    hold_out: HoldOutOption = 50,
    seed: SeedOption = 0,
    steps: Annotated[int, typer.Option(min=1)] = 800,
    save_every: SaveOption = 250,
    seconds: SecondsOption = 0.0,
    workers: WorkersOption = 0,
) -> None:
    """The sync expert behind the metric 'sync', on one CPU core. Exit 4 if --seconds ran out."""
    from dubbench.metrics.sync_expert.train import WEIGHTS, Settings, train
    from dubbench.systems.diflowdubber.training.sync_sources import sources_of

    sources = sources_of(features or [], dataset or [], root or [], split, speakers or [], workers)
    settings = Settings(steps=steps, seed=seed, hold_out=hold_out)
    if not train(sources, out, settings, seconds, save_every):
        typer.echo("the time is over; the same command goes on from here", err=True)
        raise typer.Exit(4)
    typer.echo(f"weights: {out / WEIGHTS}")


@train_app.command()
def release(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run of stage 2, or a checkpoint.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="New folder.")],
    codec: CodecOption = "world",
    part: Annotated[float, typer.Option(min=0, help="MiB a file at most; 0: one file.")] = 0.0,
    full: Annotated[bool, typer.Option("--float32", help="Not half precision.")] = False,
) -> None:
    """Write what dubbing needs of a run: averaged weights in half precision, and the codec beside them."""
    import torch

    from dubbench.systems.diflowdubber.codec.world import WorldCodec
    from dubbench.systems.diflowdubber.codecs import CODEC_FILE, check_codec, open_codec
    from dubbench.systems.diflowdubber.training.load import release
    from dubbench.training.checkpoint import MIB, find, read_meta

    source = find(run)
    opened = open_codec(codec)
    check_codec(opened, f"--codec {codec}", read_meta(source)["codec"]["digest"], "the run was trained on")
    release(source, out, round(part * MIB) or None, torch.float32 if full else torch.float16)
    if isinstance(opened, WorldCodec):
        opened.save(out / CODEC_FILE)
    size = sum(path.stat().st_size for path in out.iterdir())
    typer.echo(f"{out}: {size / MIB:.1f} MiB from {source}")


@train_app.command()
def repack(
    source: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint's folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="New folder.")],
    part: Annotated[float, typer.Option(min=0, help="MiB a file at most; 0: join all parts.")] = 15.0,
) -> None:
    """Write a checkpoint anew in parts of at most so many MiB, or in one piece."""
    from dubbench.training.checkpoint import MIB, repack

    repack(source, out, round(part * MIB) or None)
    typer.echo(f"{out}: {len(list(out.glob('*.safetensors')))} files")


@codec_app.command()
def fit(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The codec: one .safetensors file.")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Data set to fit the codec on; repeat. See: dubbench data list")
    ] = None,
    root: RootOption = None,
    split: SplitOption = "train",
    speech: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Folder of wav or flac; repeat.")] = None,
    limit: LimitOption = None,
    hold_out: HoldOutOption = 50,
    seed: Annotated[int, typer.Option(help="Of k-means.")] = 0,
) -> None:
    """Fit the codec 'world' on recordings: data sets (less their validation clips), or folders of sound."""
    from dubbench.systems.diflowdubber.training.jobs import fit_codec, recordings

    roots = roots_of(root, *dict.fromkeys(dataset or []))
    paths = recordings(dataset or [], roots, split, speech or [], limit, hold_out)
    codec, problems = fit_codec(paths, seed)
    codec.meta["datasets"] = sorted([*(dataset or []), *(folder.name for folder in speech or [])])
    codec.save(out)
    for problem in problems:
        typer.echo(problem, err=True)
    typer.echo(f"{out}: {codec.digest[:12]}, {codec.meta}")
    raise typer.Exit(3 if problems else 0)


@codec_app.command("copy")
def codec_copy(
    source: Annotated[Path, typer.Argument(metavar="SOUND", help="A sound file or a video.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="WAV")],
    codec: CodecOption = "world",
) -> None:
    """Encode and decode a recording: the upper bound of a dub's quality."""
    from dubbench.signal.media import read_audio, write_wav
    from dubbench.systems.diflowdubber.codec.base import RATE
    from dubbench.systems.diflowdubber.codecs import open_codec

    opened = open_codec(codec)
    write_wav(out, opened.decode(opened.encode(read_audio(source))), RATE)
