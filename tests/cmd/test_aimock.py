# SPDX-License-Identifier: ISC
"""A server that others wrote: a run of 500 prompts against aimock."""

import hashlib

import pytest

import aimock

COUNT = 500
PROMPTS = [f"<{n:04}> what is behind number {n}?" for n in range(COUNT)]


def answer_to(prompt):
    """Some words, none the same, with what has to be escaped."""
    words = hashlib.sha256(prompt.encode()).hexdigest()
    return f'{prompt[:6]} "{words[:20]}"\n\tGrüße, 你好 {words}'


ANSWERS = [answer_to(prompt) for prompt in PROMPTS]


@pytest.fixture(scope="module", autouse=True)
def there():
    try:
        aimock.prepare()
    except aimock.Missing as missing:
        pytest.skip(f"no aimock: {missing}")


def serve(*args):
    return aimock.Aimock(
        {prompt[:6]: answer for prompt, answer in zip(PROMPTS, ANSWERS)},
        *args)


def send(mill, server, *args):
    mill.write("p.txt", "\n".join(PROMPTS))
    return mill.run("run", "p.txt", "-u", server.url, "-m", "gpt-4o-mini",
                    "--db", "a.db", "-j", 16, "--retry-delay", "10ms", *args,
                    patience=60)


@pytest.mark.parametrize("api", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", ["on", "off"])
def test_500_prompts_are_answered_in_order(mill, api, stream):
    with serve("--chunk-size", 7) as server:
        done = send(mill, server, "--api", api, "--stream", stream)
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS
    assert mill.sql("SELECT outcome, count(*), count(finish_reason),"
                    " count(model) FROM llm_attempts GROUP BY 1",
                    db="a.db") == [("ok", COUNT, COUNT, COUNT)]


@pytest.mark.parametrize("stream", ["on", "off"])
def test_its_chaos_is_survived(mill, stream):
    with serve("--chaos-drop", 0.1, "--chaos-malformed", 0.1,
               "--chaos-disconnect", 0.1) as server:
        done = send(mill, server, "--stream", stream, "--retry-attempts", 12)
    assert done.status == 0, done
    assert mill.results("a.db") == ANSWERS
    outcomes = dict(mill.sql("SELECT outcome, count(*) FROM llm_attempts"
                             " GROUP BY 1", db="a.db"))
    assert outcomes.pop("ok") == COUNT
    assert set(outcomes) <= {"server_error", "garbage", "truncated"}
    # Most of what is cut off was sent again at once: libcurl does that where a
    # kept connection ends before a byte came.
    assert outcomes["server_error"] > 20 and outcomes["garbage"] > 20


def test_why_it_cannot_be_had_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(aimock, "PLACE", tmp_path / "npm" / "aimock")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    with pytest.raises(aimock.Missing, match="does not give it"):
        aimock.prepare()
    monkeypatch.setattr(aimock, "NODE_LEAST", (999, 0))
    with pytest.raises(aimock.Missing, match="older than 999.0"):
        aimock.prepare()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(aimock.Missing, match="there is no node"):
        aimock.prepare()
    assert not list(tmp_path.iterdir())
