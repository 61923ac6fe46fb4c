# SPDX-License-Identifier: ISC
"""The fixtures of the black box, and the campaign's figures at the end."""

import contextlib

import pytest
from campaign import LONG, StubServer, black_box, figures

mill = black_box.mill
stub = black_box.stub
pytest_runtest_makereport = black_box.pytest_runtest_makereport


@pytest.fixture(scope="module")
def server():
    """A stub server that answers at once, for all tests of a file."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(StubServer())


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        f"fault campaign, {'long' if LONG else 'sample'}:")
    for line in figures:
        terminalreporter.write_line("  " + line)
