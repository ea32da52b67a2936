"""Verbs and data sets that another package brings."""

from pathlib import Path

from commands import Command


def test_a_package_brings_verbs(dubbench: Command) -> None:
    told = dubbench("--help").stdout
    assert (
        "example-sing" in told and "Sing." in told and "Unusable: command 'example-bad-verb'" in " ".join(told.split())
    )
    assert dubbench("example-sing", "--times", 2).stdout == "la la\n"
    wrong = dubbench("example-sing", "--times", 0)
    assert (wrong.returncode, wrong.stderr) == (2, "dubbench: --times 0: sing at least once\n")
    assert "Train nothing." in dubbench("train", "--help").stdout
    assert dubbench("train", "example").stdout == "trained\n"


def test_a_verb_that_cannot_be_imported_says_why(dubbench: Command) -> None:
    done = dubbench("example-bad-verb", "--any", "thing")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "example-bad-verb" in done.stderr and "cannot be imported" in done.stderr


def test_a_data_set_downloads_itself(dubbench: Command, tmp_path: Path) -> None:
    done = dubbench("data", "download", "example-tones", "--root", "here", "--speaker", "a", "--set", "address=there")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "fetched.txt").read_text() == "there ['a']"
    wrong = dubbench("data", "download", "example-tones", "--set", "adress=there")
    assert "does not take --adress; it takes --address, --speaker" in wrong.stderr
    assert (
        "toon: there is nothing to download; chem and example-tones and grid can be"
        in dubbench("data", "download", "toon").stderr
    )
    assert "data prepare toon does not take --table" in dubbench("data", "prepare", "toon", "--table", "t.csv").stderr
