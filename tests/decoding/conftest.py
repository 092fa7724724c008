from __future__ import annotations

import pytest

from physiolect import Recording, read_recording
from tests.spike_store import Made, make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("decoder"))


@pytest.fixture
def recording(made: Made) -> Recording:
    return read_recording(made.file)
