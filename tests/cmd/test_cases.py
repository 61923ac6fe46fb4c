# SPDX-License-Identifier: ISC
"""The scripted cases of tests/cases/http, one test each: the program against
a server that sends given bytes. tests/cases/README.md says how to add one.

All of them are started when the first is wanted, some at a time: most of
their time is waiting.
"""

import concurrent.futures

import pytest

from case import Case
from conftest import ROOT, Mill
from script import Mistake

CASES = sorted((ROOT / "tests/cases/http").iterdir())
AT_ONCE = 8


def play(path, place):
    """Gives all that is wrong with a case, and how the program ended."""
    case = Case(path)
    mill = Mill(place)
    try:
        run = case.play(mill)
        wrongs = list(run.wrongs())
        mill.no_process_left()
    except BaseException:
        mill.kill_all()
        raise
    finally:
        mill.close()
    return wrongs, run.done


@pytest.fixture(scope="module")
def games(request, tmp_path_factory):
    """Case → the future of what came of it."""
    wanted = [item.callspec.params["path"] for item in request.session.items
              if item.function is test_case]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        yield {path: pool.submit(play, path, tmp_path_factory.mktemp("case"))
               for path in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_case(games, path):
    try:
        wrongs, done = games[path].result()
    except Mistake as mistake:
        pytest.fail(str(mistake), pytrace=False)
    if wrongs:
        pytest.fail("\n".join([*wrongs, repr(done)]), pytrace=False)
