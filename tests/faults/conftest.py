"""Fault tests on whole installations: what is killed, cut, filled or corrupted in the middle must cost neither a byte nor a
recovery point."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import sites  # noqa: E402,F401  (makes the installation's modules known)


@pytest.fixture(scope="session", autouse=True)
def root_rights():
    if os.geteuid() != 0:
        pytest.skip("the lab's volumes are loop devices: root rights are needed")
