"""The alarm, in a process of its own: the test runner has one too."""

import subprocess
import sys

CODE = """
import signal, threading, time
from types import SimpleNamespace
from dubbench.core import plugins
from dubbench.errors import DubbenchError
from dubbench.runtime.time_limit import within

def stubborn():
    while True:
        try:
            time.sleep(100)
        except Exception:  # on purpose: the alarm is a BaseException, so that a plugin like this one cannot swallow it
            pass

def tried(function, *arguments):
    try:
        with within("it", 0.3):
            function(*arguments)
    except DubbenchError as error:
        return str(error)

def nested():
    with within("inner", 100):
        stubborn()

print(tried(stubborn))
print(tried(nested))
print(tried(lambda: None))
print(signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM))
other = threading.Thread(target=lambda: print(tried(lambda: None)))
other.start(); other.join()
plugin = SimpleNamespace(name="slow", value="slow:System", dist=None, load=stubborn)
plugins._entries = lambda group: {"slow": plugin}
plugins.within = lambda what: within(what, 0.3)
from dubbench.cli.listing import list_systems
print(list_systems()[0]["summary"])
"""


def test_code_that_never_comes_back_is_broken_off() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "it: no answer within 0.3 s",
        "it: no answer within 0.3 s",
        "None",
        "(0.0, 0.0) 0",
        "None",
        "unusable: system 'slow' from an unknown package (slow:System) cannot be imported: no answer within 0.3 s",
    ]
