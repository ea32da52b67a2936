import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from dub_requests import made_up

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.errors import DubbenchError
from dubbench.signal.media import write_wav
from dubbench.systems.precomputed import Precomputed

IDS = ["s1-bbaf2n", "s2-lbax4n", "s10-swbi6p"]
SOUND = made_up(0.5)


def asked(*clips: str) -> list[DubRequest]:
    return [DubRequest(c, Path("v.mkv"), "text", Path("r.wav"), 0.5, 25.0, 0) for c in clips]


def coverage(system: Precomputed, ids: list[str]) -> tuple[dict[str, Path], list[str]]:
    """Which clips have a dub: (id -> file, ids that have none or more than one)."""
    answers = list(system.dub(asked(*ids)))
    found = {a.clip: system.folder / a.extras["file"] for a in answers if isinstance(a, Dub)}
    return found, [a.clip for a in answers if isinstance(a, Failure)]


def fill(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".flac"):
            soundfile.write(folder / name, SOUND, 16000)
        else:
            write_wav(folder / name, SOUND, 16000)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["s1-bbaf2n.wav", "s2-lbax4n.wav", "s10-swbi6p.wav"],
        ["bbaf2n.wav", "lbax4n.wav", "swbi6p.wav"],
        ["wav_pred_s1-bbaf2n.wav", "wav_pred_s2-lbax4n.wav", "wav_pred_s10-swbi6p.wav"],
        ["pred_s1-bbaf2n.WAV", "pred_s2-lbax4n.wav", "pred_s10-swbi6p.wav"],
        ["s1/bbaf2n.wav", "s2/lbax4n.wav", "s10/swbi6p.wav"],
        ["s1/s1-bbaf2n.wav", "s2/s2-lbax4n.wav", "s10/s10-swbi6p.wav"],
        ["s1-bbaf2n_gen.wav", "s2-lbax4n_gen.wav", "s10-swbi6p_gen.flac"],
    ],
)
def test_auto_finds_what_the_published_repositories_write(names, tmp_path):
    system = Precomputed(fill(tmp_path, [*names, "unrelated.wav", "notes/readme.wav"]))
    assert system.info.kind == "precomputed" and not system.info.timed and not system.info.privileged
    found, missing = coverage(system, [*IDS, "s3-absent"])
    assert [path.relative_to(tmp_path).as_posix() for path in found.values()] == names and missing == ["s3-absent"]
    answers = list(system.dub(asked(*IDS)))
    assert all(isinstance(a, Dub) and np.allclose(a.samples, SOUND, atol=1e-4) for a in answers)
    assert [a.extras["file"] for a in answers] == names


@pytest.mark.parametrize("rule", ["out/{speaker}/step3_{name}.v2.wav", "out/{speaker}/step3_{name}.v2"])
def test_a_rule_of_ones_own(rule, tmp_path):
    system = Precomputed(fill(tmp_path, ["out/s1/step3_bbaf2n.v2.wav"]), rule=rule)
    assert list(coverage(system, IDS)[0]) == ["s1-bbaf2n"]


def test_a_missing_file_says_what_was_looked_for(tmp_path):
    fill(tmp_path, ["s1-bbaf2n.wav"])
    good, bad = Precomputed(tmp_path).dub(asked("s1-bbaf2n", "s2-lbax4n"))
    assert isinstance(good, Dub) and isinstance(bad, Failure)
    assert bad.reason.startswith(
        f"no file for clip s2-lbax4n in {tmp_path} (looked for s2-lbax4n, lbax4n, s2/s2-lbax4n, "
    )
    assert bad.reason.endswith(" and 8 more); put it there, or say with rule= how files are named")
    (bad,) = Precomputed(tmp_path, "x_{id}.flac").dub(asked("s1-bbaf2n"))
    assert "(looked for x_s1-bbaf2n.flac); put it there" in bad.reason


def test_two_files_for_a_clip_fail_it_and_are_named(tmp_path):
    system = Precomputed(fill(tmp_path, ["s1-bbaf2n.wav", "wav_pred_s1-bbaf2n.wav", "s2-lbax4n.wav"]))
    first, second = system.dub(asked("s1-bbaf2n", "s2-lbax4n"))
    assert isinstance(first, Failure) and isinstance(second, Dub)
    assert "s1-bbaf2n.wav (rule {id}) and wav_pred_s1-bbaf2n.wav (rule wav_pred_{id})" in first.reason
    assert coverage(system, IDS)[1] == ["s1-bbaf2n", "s10-swbi6p"]
    (told,) = Precomputed(tmp_path, "wav_pred_{id}").dub(asked("s1-bbaf2n"))
    assert isinstance(told, Dub)


def test_one_file_is_not_two_clips_dub(tmp_path):
    system = Precomputed(fill(tmp_path, ["bbaf2n.wav"]))
    system.expects(["s1-bbaf2n", "s2-bbaf2n"])
    for clip in ("s2-bbaf2n", "s1-bbaf2n", "s2-bbaf2n"):  # in any order, and when it is tried again
        (answer,) = system.dub(asked(clip))
        assert isinstance(answer, Failure)
        assert answer.reason.endswith("both clips s1-bbaf2n and s2-bbaf2n; name files after whole ids")


def test_unreadable_files_fail_their_clip_alone(tmp_path):
    fill(tmp_path, ["c.wav"])
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "b.mp3").write_bytes(b"not sound at all" * 50)
    write_wav(tmp_path / "d.wav", np.array([0.1, np.nan], np.float32), 16000)
    a, b, c, d = Precomputed(tmp_path).dub(asked("a", "b", "c", "d"))
    assert "empty" in a.reason and "b.mp3" in b.reason and isinstance(c, Dub) and "NaN" in d.reason
    assert all(failure.reason.endswith("; get or make it again") for failure in (a, b, d))


def test_files_outside_the_folder_are_never_read(tmp_path):
    inside, outside = tmp_path / "dubs", fill(tmp_path / "secret", ["s1-bbaf2n.wav"])
    fill(inside, ["s2-lbax4n.wav"])
    (inside / "s1-bbaf2n.wav").symlink_to(outside / "s1-bbaf2n.wav")
    (inside / "s10-swbi6p.wav").symlink_to(inside / "s2-lbax4n.wav")
    found, _ = coverage(Precomputed(inside), IDS)
    assert sorted(found) == ["s10-swbi6p", "s2-lbax4n"]
    assert Precomputed(inside).find("../secret/s1-bbaf2n") is None
    for rule in ("../secret/{id}", "/tmp/{id}", "a/../../{id}"):
        with pytest.raises(DubbenchError, match="leads out of the folder"):
            Precomputed(inside, rule)


def test_bad_rules_and_folders_are_named(tmp_path):
    with pytest.raises(DubbenchError, match="no such folder"):
        Precomputed(tmp_path / "absent")
    with pytest.raises(DubbenchError, match="no sound there"):
        Precomputed(tmp_path)
    fill(tmp_path, ["a.wav"])
    with pytest.raises(DubbenchError, match="names no clip"):
        Precomputed(tmp_path, "pred.wav")
    for rule in ("{id}{step}.wav", "{id}{0}"):
        with pytest.raises(DubbenchError, match="fields besides"):
            Precomputed(tmp_path, rule)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser reads everything")
def test_an_unreadable_folder_says_so(tmp_path):
    shut = fill(tmp_path, ["in/a.wav"]) / "in"
    shut.chmod(0)
    try:
        with pytest.raises(DubbenchError, match="cannot be read"):
            Precomputed(tmp_path)
    finally:
        shut.chmod(0o755)


def test_a_changed_folder_is_another_system(tmp_path):
    fill(tmp_path, ["a.wav"])
    before = Precomputed(tmp_path).info
    assert Precomputed(tmp_path).info == before
    write_wav(tmp_path / "a.wav", SOUND[:-1], 16000)
    assert Precomputed(tmp_path).info.version != before.version


def test_published_dubs(shared_data):
    for name in ("diflowdubber", "ground_truth", "v2cnet"):
        system = Precomputed(shared_data / "published_dubs" / name)
        found, missing = coverage(system, ["lbbt8n", "swbi6p", "s1-swbi6p2"])
        assert sorted(found) == ["lbbt8n", "swbi6p"] and missing == ["s1-swbi6p2"]


def test_released_wavs(tmp_path: Path) -> None:
    places = {
        "emodubber-grid": ("Setting2_GRID_outputWav_Step_92", "s1-bbaf2n", "s1-bbaf2n.wav"),
        "emodubber-chem": ("results/Setting2_Chem_outputWav_Step_9", "AGZZGR5Otxw-013", "AGZZGR5Otxw-013.wav"),
        "speaker2dubber": ("out/result_setting2_50000", "s1-bbaf2n", "wav_pred_s1-bbaf2n.wav"),
        "aligndit-lrs3-cross": ("samples/test/a-b_5aSvaNkg", "a-b_5aSvaNkg-00002", "00002.wav"),
    }
    for release, (folder, clip, name) in places.items():
        write_wav(tmp_path / release / folder / name, np.full(1600, 0.1, np.float32), 16000)
        write_wav(
            tmp_path / release / folder.replace("etting2", "etting1") / name, np.full(1600, 0.2, np.float32), 16000
        )
        made = Precomputed(tmp_path / release, release=release, setting=2.0)
        assert made.info.settings["setting"] == "2.0" and made.info.paper
        found = made.find(clip)
        assert found == tmp_path / release / folder / name, release
        assert made.find(f"{clip}9") is None
    assert (
        Precomputed(tmp_path / "aligndit-lrs3-cross", release="aligndit-lrs3-cross").info.settings["setting"] == "2.0"
    )
    with pytest.raises(DubbenchError, match=r"holds Setting 1.0 and 2.0; say which with setting="):
        Precomputed(tmp_path / "emodubber-grid", release="emodubber-grid")
    with pytest.raises(DubbenchError, match="no released wavs named 'emodubber'; did you mean 'emodubber-"):
        Precomputed(tmp_path / "emodubber-grid", release="emodubber")
    with pytest.raises(DubbenchError, match=r"has a \* in the file's name"):
        Precomputed(tmp_path / "emodubber-grid", rule="*{id}")
    both = Precomputed(tmp_path / "emodubber-grid", rule="Setting*/{id}")
    with pytest.raises(DubbenchError, match=r"two files fit the rule Setting\*/s1-bbaf2n"):
        both.find("s1-bbaf2n")


def test_ids_that_end_in_what_looks_like_a_suffix(tmp_path: Path) -> None:
    system = Precomputed(fill(tmp_path, ["bbal8p.mpg.wav", "other.wav"]))
    found, missing = coverage(system, ["bbal8p.mpg", "other", "absent.mpg"])
    assert found["bbal8p.mpg"].name == "bbal8p.mpg.wav" and missing == ["absent.mpg"]
    found, missing = coverage(Precomputed(tmp_path, rule="{id}.wav"), ["bbal8p.mpg", "other"])
    assert not missing and len(found) == 2
