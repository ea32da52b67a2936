from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the checkout; its absence skips the test."""
    if not SHARED.is_dir():
        pytest.skip("no real clips: the folder ../shared/data beside the checkout is absent")
    return SHARED
