"""A bar where one can be drawn, plain lines everywhere else; nothing on standard output."""

import io
import sys

import pytest

from dubbench.runtime.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(count: int = 3) -> None:
    with progress("scoring clips", count) as advance:
        for i in range(count):
            advance(failed=i == 1)


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    work()
    assert sys.stderr.getvalue().splitlines() == ["scoring clips: 3/3, 1 failed, 0 s, 0 s left"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("without", ["rich", "cursor"])
def test_lines_on_a_terminal_that_lacks(without: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb" if without == "cursor" else "xterm")
    if without == "rich":
        for name in [n for n in sys.modules if n.partition(".")[0] == "rich"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    work()
    assert sys.stderr.getvalue() == "scoring clips: 3/3, 1 failed, 0 s, 0 s left\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    work()
    assert "scoring clips" in sys.stderr.getvalue() and "1 failed" in sys.stderr.getvalue()
    assert "\x1b[" in sys.stderr.getvalue()
