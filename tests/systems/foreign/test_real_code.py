"""The authors' inference code with untrained networks on three clips of GRID, and what it loses in silence.

Needs clones (``DUBBENCH_SOURCES``) and an environment (``dubbench setup NAME --environment py311``).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dub_requests import real

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.systems.foreign import features, state, system
from dubbench.systems.foreign.recipe import recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CASES = [
    (system.EmoDubber, "grid", 16000, (48000,)),
    (system.EmoDubber, "chem", 16000, (48000,)),
    (system.ProDubber, "grid", 24000, (71350, 71950)),
    (system.HPMDubbing, "chem", 16000, (48000,)),
    (system.StyleDubber, "grid", 22050, (65500, 66150)),
    (system.Speaker2Dubber, "grid", 22050, (65024, 66150)),
]


def started(make: type[system.Foreign], data: str) -> system.Foreign:
    lacks = state.missing(recipe(make.recipe_name), data, random=True)
    if lacks:
        pytest.skip(f"{make.recipe_name}: {lacks[0]}")
    made = make(data=data, weights="random", timeout=600)
    made.load("cpu")
    return made


@pytest.fixture
def clips(shared_data: Path, tmp_path: Path) -> list[DubRequest]:
    pairs = [("bbal8p", "bbaz4n"), ("bbaz4n", "bbal8p"), ("bbal8p", "bbal8p")]
    made = []
    for number, (name, other) in enumerate(pairs):
        folder = tmp_path / str(number)
        folder.mkdir()
        made.append(replace(real(folder, shared_data, name, other), clip=f"s1-{name}{number}", seed=number))
    return made


@pytest.mark.parametrize(("make", "data", "rate", "lengths"), CASES, ids=lambda x: getattr(x, "recipe_name", None))
def test_three_clips_in_any_order(
    make: type[system.Foreign], data: str, rate: int, lengths: tuple[int, ...], clips: list[DubRequest]
) -> None:
    made = started(make, data)
    try:
        found = {dub.clip: dub for dub in made.dub(clips)}
        again = {dub.clip: dub for dub in made.dub(clips[::-1])}
        strange = list(made.dub([replace(clips[0], clip="s1-long", duration=9.0), clips[1]]))
    finally:
        made.close()
    for clip, dub in found.items():
        assert isinstance(dub, Dub), dub
        assert dub.sample_rate == rate and lengths[0] <= len(dub.samples) <= lengths[-1]
        assert np.isfinite(dub.samples).all() and dub.samples.std() > 0
        assert {"frontend", "model", "vocoder"} <= set(dub.timings) and min(dub.timings.values()) > 0
        assert np.array_equal(dub.samples, again[clip].samples), "depends on the order of clips"
    assert len({dub.samples.tobytes() for dub in found.values()}) == 3
    long, after = strange
    if make is system.ProDubber:  # its own loop passes over such a clip
        assert isinstance(long, Failure) and "Error" in long.reason
    else:
        assert isinstance(long, Dub) and abs(len(long.samples) / rate - 9.0) < 0.1
    assert isinstance(after, Dub)


@pytest.mark.parametrize("make", [system.EmoDubber, system.HPMDubbing, system.StyleDubber, system.Speaker2Dubber])
def test_phones_that_it_would_drop_in_silence_fail(
    make: type[system.Foreign], clips: list[DubRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = started(make, recipe(make.recipe_name).data[0])
    try:
        monkeypatch.setattr(system, "stressed", lambda text, lexicon: ["B", "IH1", "N", "ø"])
        (first,) = made.dub(clips[:1])
        monkeypatch.setattr(system, "stressed", lambda text, lexicon: ["B", "IH1", "N"])
        (second,) = made.dub(clips[:1])
    finally:
        made.close()
    assert isinstance(first, Failure) and "does not know the phones ø, and would drop them silently" in first.reason
    assert isinstance(second, Dub)


def test_a_checkpoint_of_the_other_data_set_is_refused(tmp_path: Path) -> None:
    from dubbench.errors import DubbenchError

    grid = started(system.EmoDubber, "grid")
    grid.close()
    chem = system.EmoDubber(data="chem", weights="random")
    chem._random_weights = lambda folder, device: grid._random_weights(folder, device)  # type: ignore[method-assign]
    with pytest.raises(DubbenchError, match="the checkpoint is of grid and data=chem was asked"):
        chem.load("cpu")


def test_features_are_of_the_video_not_of_the_system(clips: list[DubRequest]) -> None:
    one, two = (features.gather(recipe(n), clips[0], None, random=True) for n in ("emodubber", "speaker2dubber"))
    assert all(np.array_equal(one[name], two[name]) for name in two)
