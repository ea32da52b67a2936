"""Clones, environments, weights and features of foreign systems: what is here, what is not, and the line for it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dubbench.core.request import DubRequest
from dubbench.errors import DubbenchError
from dubbench.runtime import store
from dubbench.signal.media import RATE, write_wav
from dubbench.systems.foreign import clone, environment, features, phones, setup, state, system
from dubbench.systems.foreign.recipe import ADAPTERS, Environment, Recipe, recipe, recipes
from dubbench.weights.catalogue import assets

SEVEN = ("v2c_net", "hpmdubbing", "styledubber", "speaker2dubber", "produbber", "emodubber")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty machine: no clones, no cache, no weights."""
    monkeypatch.setenv("DUBBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    monkeypatch.setenv("DUBBENCH_SOURCES", str(tmp_path / "sources"))
    return tmp_path


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *identity, "-C", str(place), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "published"
    place.mkdir()
    git(place, "init", "-q")
    (place / "code.py").write_text("x = 1\n")
    (place / "weights.bin").write_bytes(b"1234")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "one")
    return place


def toy(repository: Path, **changes: object) -> Recipe:
    told = {
        "name": "emodubber",
        "title": "Toy",
        "paper": "",
        "licence": "",
        "repository": "somebody/toy",
        "commit": git(repository, "rev-parse", "HEAD")[:7],
    }
    return Recipe.model_validate({**told, **changes})


class Nearby(Recipe):
    """A recipe whose repository lies on this disk."""

    @property
    def address(self) -> str:
        return self.title


def nearby(repository: Path) -> Nearby:
    return Nearby.model_validate({**toy(repository).model_dump(), "title": str(repository)})


def test_every_recipe_is_whole() -> None:
    for name, known in recipes().items():
        assert known.title and known.paper and known.licence, name
        if known.reason:
            continue
        assert known.adapter.is_file() and known.environments and len(known.commit) == 7, name
        for way in known.environments:
            lock = (ADAPTERS / way.lock).read_text()
            assert "torch==" in lock and "/" not in lock.replace("://", ""), way.lock
        for weight in known.weights:
            assert bool(weight.asset) != bool(weight.path) and (not weight.asset or weight.asset in assets()), weight


def test_the_other_six_of_the_paper_are_there() -> None:
    for name in SEVEN:
        assert name in recipes()
    assert "no model" in recipe("v2c_net").reason


def test_a_system_that_is_not_set_up_names_the_command(here: Path) -> None:
    with pytest.raises(DubbenchError, match="dubbench setup emodubber") as caught:
        system.EmoDubber()
    assert "\n" not in str(caught.value)
    assert system.EmoDubber.state() == "not set up: dubbench setup emodubber"


def test_one_that_cannot_be_run_says_why(here: Path) -> None:
    with pytest.raises(DubbenchError, match="no model, no inference"):
        system.V2CNet()
    with pytest.raises(DubbenchError, match="cannot be set up"):
        setup.set_up(recipe("v2c_net"), "", False, print)


def test_doctor_names_every_path(here: Path) -> None:
    rows = system.ProDubber.lacks()
    text = "\n".join(f"{row['state']} {row['remedy']}" for row in rows)
    assert str(here / "sources" / "ProDubber") in text
    assert str(here / "assets" / "produbber-grid" / "ProDubber_GRID_epoch_2nd.pth") in text
    assert "drive.google.com/file/d/1pk9gcGUcM5OnibcxktUwYM-m73QxPtUV" in text
    assert "python3.10" in text or "python3.11" in text


def test_clones_at_the_commit_and_goes_on(here: Path, repository: Path) -> None:
    known = nearby(repository)
    (here / "sources" / ".toy.half").mkdir(parents=True)  # of a set-up that broke off
    said: list[str] = []
    place = clone.make_clone(known, said.append)
    assert place == here / "sources" / "toy" and (place / "code.py").is_file() and len(said) == 1
    assert clone.make_clone(known, said.append) == place and len(said) == 1


def test_a_clone_elsewhere_in_time_is_refused(here: Path, repository: Path) -> None:
    known = nearby(repository)
    place = clone.make_clone(known, print)
    git(place, "commit", "-q", "--allow-empty", "-m", "two")
    with pytest.raises(DubbenchError, match=f"is at commit .* checkout {known.commit}"):
        clone.find_clone(known)


def test_an_edited_clone_is_refused_and_a_file_that_is_away_is_not(here: Path, repository: Path) -> None:
    known = nearby(repository)
    place = clone.make_clone(known, print)
    (place / "weights.bin").unlink()  # large files may be absent; `doctor` names those that are needed
    clone.find_clone(known)
    (place / "code.py").write_text("x = 2\n")
    with pytest.raises(DubbenchError, match=r"code.py: edited; .* stash"):
        clone.find_clone(known)


def test_a_folder_in_the_way_and_a_repository_that_is_gone(here: Path, repository: Path) -> None:
    known = nearby(repository)
    (here / "sources" / "toy").mkdir(parents=True)
    (here / "sources" / "toy" / "mine.txt").touch()
    with pytest.raises(DubbenchError, match="not a git clone; move it away"):
        clone.make_clone(known, print)
    (here / "sources" / "toy" / "mine.txt").unlink()
    gone = Nearby.model_validate({**known.model_dump(), "title": str(here / "nowhere")})
    with pytest.raises(DubbenchError, match=r"git clone .*failed.*run it again later"):
        clone.make_clone(gone, print)


def fake_uv(folder: Path, body: str) -> str:
    path = folder / "uv"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('echo "No interpreter found for Python 3.6" >&2; exit 2', "Python 3.6 cannot be had .*--environment other"),
        (
            'if [ "$1" = venv ]; then mkdir -p "$6/bin"; ln -sf /bin/sh "$6/bin/python"; exit 0; fi\n'
            'echo "No space left on device" >&2; exit 1',
            "the disk is full; make room, then the same command goes on",
        ),
        (
            'if [ "$1" = venv ]; then mkdir -p "$6/bin"; ln -sf /bin/sh "$6/bin/python"; exit 0; fi\n'
            'echo "network unreachable" >&2; exit 1',
            "cannot be installed .*network unreachable.*; the same command goes on where it was",
        ),
    ],
)
def test_an_environment_that_cannot_be_made(
    here: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, body: str, line: str
) -> None:
    ways = [Environment(name=n, python="3.6", lock="py311.lock") for n in ("one", "other")]
    known = toy(repository, environments=ways)
    monkeypatch.setattr(environment, "find_uv", lambda: fake_uv(here, body))
    with pytest.raises(DubbenchError, match=line):
        environment.make_environment(known, ways[0], print)
    assert environment.interpreter(ways[0]) is None  # half built
    half = "half built" if environment.environment_dir(ways[0]).is_dir() else "not there"
    assert any(half in text for text in state.missing(known, "", random=True))


def test_an_environment_half_built_is_gone_on_with(
    here: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Environment(name="one", python="3.11", lock="py311.lock")
    place = environment.environment_dir(way)
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(environment, "find_uv", lambda: fake_uv(here, f'echo "$@" >> {here}/calls'))
    python = environment.make_environment(toy(repository, environments=[way]), way, print)
    assert environment.interpreter(way) == python
    calls = (here / "calls").read_text().splitlines()
    assert len(calls) == 1 and calls[0].startswith("pip install")  # not made anew
    environment.make_environment(toy(repository, environments=[way]), way, print)
    assert len((here / "calls").read_text().splitlines()) == 1


def test_uv_hears_of_the_mirrors_that_pip_is_set_up_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "UV_INDEX_STRATEGY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"https://two.example/simple file://{tmp_path}/gone")
    found = environment.pip_settings()
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["UV_INDEX"] == "https://two.example/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own.example/simple")
    assert "UV_DEFAULT_INDEX" not in environment.pip_settings()


def test_a_quota_page_is_no_weight(tmp_path: Path) -> None:
    page = tmp_path / "model.ckpt"
    page.write_text("\n<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></html>")
    assert setup.a_page(page) == "a web page came instead of model.ckpt (the drive's quota is used up; try tomorrow)"
    page.write_bytes(b"PK\x03\x04 and so on")
    assert setup.a_page(page) == ""


def test_a_page_that_came_is_dropped_and_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring_page(remote: object, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("<html>sign in</html>")

    monkeypatch.setattr(setup, "fetch", bring_page)
    monkeypatch.delenv("DUBBENCH_OFFLINE", raising=False)
    item = assets()["emodubber-grid"]
    assert setup.bring(item, print) == "a web page came instead of EmoDubber_GRID.ckpt"
    assert not list((here / "assets").rglob("*.ckpt"))


def test_what_is_published_as_a_folder_is_not_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DUBBENCH_OFFLINE", raising=False)
    assert "published as a folder" in setup.bring(assets()["speaker2dubber"], print)


def test_a_weight_that_comes_is_kept_under_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bring_bytes(remote: object, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"PK weights")

    monkeypatch.setattr(setup, "fetch", bring_bytes)
    monkeypatch.delenv("DUBBENCH_OFFLINE", raising=False)
    assert setup.bring(assets()["emodubber-grid"], print) == ""
    assert (here / "assets" / "emodubber-grid" / "EmoDubber_GRID.ckpt").read_bytes() == b"PK weights"


def test_drive_pages_become_addresses_of_bytes() -> None:
    page = "https://drive.google.com/file/d/1AbC-d_9/view"
    assert setup.direct(page) == "https://drive.usercontent.google.com/download?id=1AbC-d_9&export=download&confirm=t"
    assert setup.direct("https://example.org/x.pt") == "https://example.org/x.pt"


@pytest.fixture
def asked(here: Path) -> DubRequest:
    rng = np.random.default_rng(0)
    write_wav(here / "ref.wav", (rng.standard_normal(RATE) * 0.1).astype(np.float32), RATE)
    (here / "video.mkv").write_bytes(b"pictures")
    return DubRequest("s1-bbaf2n", here / "video.mkv", "bin blue", here / "ref.wav", 3.0, 25.0, 1)


def test_no_feature_is_made_twice_for_two_systems(
    here: Path, asked: DubRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(kind: str, version: str, content: str, make: object) -> object:
        def count() -> object:
            made.append(kind)
            return make()  # type: ignore[operator]

        return store.kept(kind, version, content, count)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "kept", counted)
    monkeypatch.setattr(features, "voice", lambda path: counted("voice", "1", "a", lambda: np.ones(256)))
    first = features.gather(recipe("emodubber"), asked, None, random=True)
    second = features.gather(recipe("styledubber"), asked, None, random=True)
    third = features.gather(recipe("produbber"), asked, None, random=True)
    assert sorted(made) == ["random-face", "random-lips", "voice"]
    assert all(np.array_equal(first[name], second[name]) for name in ("lips", "face", "voice"))
    assert first["lips"].shape == (75, 512) and first["face"].shape == (75, 256) and set(third) == {"lips", "face"}


def test_features_of_a_pack_by_the_authors_names(asked: DubRequest, tmp_path: Path) -> None:
    feature = recipe("emodubber").features[0]
    place = tmp_path / "pack" / "extrated_embedding_Grid_152_gray"
    place.mkdir(parents=True)
    np.save(place / "s1-face-bbaf2n.npy", np.ones((74, 512)))
    assert features.from_pack(feature, tmp_path / "pack", asked).shape == (75, 512)
    np.save(place / "s1-face-bbaf2n.npy", np.ones((60, 512)))
    with pytest.raises(DubbenchError, match=r"shape \(60, 512\); expected \(75, 512\)"):
        features.from_pack(feature, tmp_path / "pack", asked)
    (place / "s1-face-bbaf2n.npy").unlink()
    with pytest.raises(DubbenchError, match=r"s1-face-bbaf2n\.npy is not there"):
        features.from_pack(feature, tmp_path / "pack", asked)


def test_without_features_the_line_says_where_they_go(asked: DubRequest) -> None:
    with pytest.raises(DubbenchError, match=r"give the authors' pack with features=FOLDER \(FOLDER/extrated"):
        features.gather(recipe("produbber"), asked, None, random=False)


def test_a_damaged_array_is_made_anew(here: Path) -> None:
    assert store.kept("x", "1", "abc", lambda: np.ones(3)).sum() == 3
    store.feature_path("x", "1", "abc").write_bytes(b"nonsense")
    assert store.kept("x", "1", "abc", lambda: np.zeros(3)).sum() == 0


def test_phones_with_stress(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("BLUE  B L UW1\nBLUE  B L UW0\nAGAIN\tAH0 G EH1 N\n")
    assert phones.stressed("blue again", lexicon) == ["B", "L", "UW1", "AH0", "G", "EH1", "N"]
    assert phones.stressed("blue", None) == ["B", "L", "UW1"]
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DubbenchError, match="no pronunciations"):
        phones.stressed("blue", tmp_path / "empty.txt")
