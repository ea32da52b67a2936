"""Models inside packages: found without importing them, and named where they are missing."""

import hashlib
import sys

import pytest

from dubbench.errors import DubbenchError
from dubbench.runtime.package_files import bundled, bundled_digest, package_folder


def test_a_file_inside_a_package_and_its_digest() -> None:
    path = bundled("pocketsphinx", "model", "en-us", "en-us", "mdef")
    assert (
        bundled_digest("pocketsphinx", "model", "en-us", "en-us", "mdef")
        == hashlib.sha256(path.read_bytes()).hexdigest()
    )


def test_finding_imports_nothing() -> None:
    loaded = "xmlrpc" in sys.modules
    package_folder("xmlrpc")
    assert ("xmlrpc" in sys.modules) == loaded


def test_what_is_missing_is_named_in_one_line() -> None:
    with pytest.raises(DubbenchError, match="'no_such_package' is not installed; pip install 'dubbench\\[metrics\\]'"):
        bundled("no_such_package", "weights.pt")
    with pytest.raises(DubbenchError, match="missing; install the package 'pocketsphinx' again"):
        bundled("pocketsphinx", "no", "such", "file")
