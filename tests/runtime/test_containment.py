"""A stranger's run folder: nothing in it leads outside, nothing outside is read into a page or written."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from dubbench.errors import DubbenchError, MediaError
from dubbench.leaderboards.table import csv_text
from dubbench.pipeline.originals import picture_of, sound_of
from dubbench.pipeline.prepare import content_digest, video_file
from dubbench.pipeline.store import ClipRow, DubRow, read_manifest
from dubbench.runtime.containment import contained, printable
from dubbench.runtime.files import Journal, held
from dubbench.signal.media import read_audio


@pytest.mark.parametrize("part", ["lock", "scores.jsonl", "run.json", "board", "work", "dubs/x"])
def test_links_out_are_refused_before_anything_is_written(part: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    (run / "dubs").mkdir(parents=True)
    outside.mkdir()
    victim = outside / ".victim.abcdefgh.txt"
    victim.write_text("keep me")
    (run / part).symlink_to(outside if part in ("board", "work", "dubs/x") else victim)
    with pytest.raises(DubbenchError, match=f"{part} is a link to .* nothing in it was opened"), held(run):
        pass
    assert (victim.read_text() == "keep me" and not (run / "lock").is_file()) or part == "lock"
    assert [p.name for p in outside.iterdir()] == [victim.name]


def test_links_inside_and_a_linked_run_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real" / "disk").mkdir(parents=True)
    (tmp_path / "real" / "work").symlink_to("disk")
    (tmp_path / "run").symlink_to("real")
    contained(tmp_path / "run")
    with held(tmp_path / "run"):
        assert (tmp_path / "real" / "lock").is_file()
    contained(tmp_path / "nowhere")


def test_pipes_and_links_are_no_journals(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DubbenchError, match="pipe is neither a file nor a folder"):
        contained(tmp_path)
    with pytest.raises(DubbenchError, match="no regular file"):
        list(Journal(tmp_path / "pipe", DubRow).read())
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "link").symlink_to("secret")
    with pytest.raises(OSError):
        list(Journal(tmp_path / "link", DubRow).read())
    (tmp_path / "run.json").symlink_to("secret")
    with pytest.raises(DubbenchError, match="not a manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.wav", "dubs/../../x.wav", "x.wav", "dubs\\..\\x.wav"])
def test_a_dub_lies_in_dubs(path: str) -> None:
    with pytest.raises(ValidationError, match="lies in dubs/"):
        DubRow(system="s", clip="c", key="k", path=path)


def test_a_page_shows_no_file_but_the_clips(tmp_path: Path) -> None:
    secret, run = tmp_path / "secret.mp4", tmp_path / "run"
    secret.write_bytes(b"private")
    clip = ClipRow(id="c", speaker="s", text="t", video=str(secret), digest="0" * 64)
    for look in (picture_of, sound_of):
        with pytest.raises(DubbenchError, match=r"^secret.mp4: not the file that was dubbed"):
            look([run], clip)
        with pytest.raises(DubbenchError, match="no digest"):
            look([run], clip.model_copy(update={"digest": ""}))
    known = clip.model_copy(update={"digest": content_digest("t", secret)})
    assert picture_of([run], known) == secret == sound_of([run], known)
    secret.with_suffix(".wav").write_bytes(b"sound")
    apart = clip.model_copy(update={"digest": content_digest("t", secret, secret.with_suffix(".wav"))})
    assert picture_of([run], apart) == secret
    copy = video_file(run / "work", clip.digest)
    copy.parent.mkdir(parents=True)
    copy.touch()
    assert picture_of([run], clip) == copy


def test_playlists_and_names_like_protocols_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.ts").write_bytes(b"x" * 400)
    playlist = tmp_path / "clip.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(MediaError, match="not readable"):
        read_audio(playlist)
    monkeypatch.chdir(tmp_path)
    Path("concat:other.ts").write_bytes(b"y" * 400)
    with pytest.raises(MediaError, match="not readable"):
        read_audio(Path("concat:other.ts"))


def test_texts_do_nothing_to_a_terminal_or_a_spreadsheet() -> None:
    assert printable("a\x1b[2Jb\x07\u202ec\n\td é 漢") == "a\\x1b[2Jb\\x07\\x202ec\n\td é 漢"
    rows = [("=1+1", "@x", "+cmd", "-x", "-3.5", "+0.1", "-inf", "-.5", "-", "plain")]
    assert csv_text(("a",) * 10, iter(rows)).splitlines()[1] == "'=1+1,'@x,'+cmd,'-x,-3.5,+0.1,-inf,-.5,-,plain"
