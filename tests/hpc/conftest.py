# SPDX-License-Identifier: ISC
"""The fixtures of the black box, and a cluster for all tests."""

import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location(
    "black_box", ROOT / "tests/cmd/conftest.py")
black_box = sys.modules["black_box"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(black_box)

LLM_SERVER = ROOT / "tests/stub/llm_server.py"
Mill, StubServer = black_box.Mill, black_box.StubServer
until = black_box.until
mill = black_box.mill
stub = black_box.stub
pytest_runtest_makereport = black_box.pytest_runtest_makereport


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Start a cluster, once. Gives what makes one's own view of it."""
    from cluster import Cluster, why_not
    reason = why_not()
    if reason:
        pytest.skip(f"no Slurm here: {reason}")
    place = tmp_path_factory.mktemp("slurm")
    with Cluster(place, place, {"LC_ALL": "C.UTF-8"}) as cluster:
        yield cluster


def seen_from(slurm, mill):
    """The cluster, where that mill's files are."""
    from cluster import Cluster
    return Cluster(slurm.place, mill.dir, mill.env(PATH=None, SLURM_CONF=None))


@pytest.fixture
def cluster(slurm, mill):
    return seen_from(slurm, mill)
