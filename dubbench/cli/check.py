"""The verb ``check``: a system through the conformance suite."""

from __future__ import annotations

from typing import Annotated

import typer

from dubbench.cli.options import DatasetOption, DeviceOption, JsonOption, RootOption, SeedOption


def check(
    system: Annotated[str, typer.Argument(metavar="SPEC", help="name or name(key=value). See: dubbench systems")],
    dataset: DatasetOption = "toon",
    root: RootOption = None,
    clips: Annotated[int, typer.Option(min=2, help="How many clips to dub, each several times.")] = 3,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which one clip counts as hung.")] = 600.0,
    json: JsonOption = False,
) -> None:
    """Put a system, yours or ours, through the suite that every system must pass. Exit 3 on a fault.

    It is loaded in fresh processes and dubs a few clips in order, again, in reverse, with other references, and beside
    damaged input; what it answers, opens and writes is held against the protocol. Nothing is scored.
    """
    from dubbench.cli.listing import to_json
    from dubbench.core.spec import parse_spec
    from dubbench.datasets.roots import open_dataset, roots_of
    from dubbench.pipeline.conformance import Plan, tried
    from dubbench.pipeline.conformance_rules import judge
    from dubbench.runtime.device import resolve_device

    spec = parse_spec(system)
    data = open_dataset(dataset, roots_of(root, dataset))
    plan = Plan(clips, resolve_device(device), timeout, seed)
    with tried(data, spec, plan) as trial:
        report = judge(trial, str(spec))
    if json:
        typer.echo(to_json(report.as_dict()))
    else:
        for finding in report.findings:
            typer.echo(f"{finding.state:9}  {finding.rule:12} {finding.what}")
            if finding.seen:
                typer.echo(f"{'':24}{finding.seen}")
        said = f"{len(report.faults)} of {len(report.findings)} rules broken" if report.faults else "no rule is broken"
        typer.echo(f"{spec} ({report.kind}), {len(report.clips)} clips on {plan.device}: {said}")
    raise typer.Exit(3 if report.faults else 0)
