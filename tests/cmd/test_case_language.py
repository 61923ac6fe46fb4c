# SPDX-License-Identifier: ISC
"""The language of the scripted cases: what cannot be meant is refused, and
each thing that a case can want is missed when it does not come."""

import gzip

import pytest

from case import Case, lacks
from script import Mistake, Script

# A case that is right, with two requests and something of everything.
SOUND = {
    "prompts": "a\nb\n",
    "args": "--keep-raw",
    "reply": """status 500 Internal Server Error
json {"error":{"message":"ill today"}}
then
header x-request-id: r1
message stop {"content":"Fine.","reasoning":"Hm."}
then
answer "Second."
""",
    "request": """POST /v1/chat/completions
no header X-Other
json {"model":"m"}
""",
    "want": """exit 0
result Second.
result Fine.
attempt 500 server_error
	error ill
	no tokens
attempt 200 ok
	finish stop
	model m
	request_id r1
	reasoning Hm.
	raw Fine.
	tokens 3 5
	first_byte 0s
	no refusal
attempt 200 ok
connections 1
within 20s
stderr 2 prompts: 2 answered
nowhere elephant
""",
}


def write(path, **files):
    """A case from the sound one, with other files; None: without it."""
    place = path / "case"
    place.mkdir()
    for name, text in {**SOUND, **files}.items():
        if text is not None:
            (place / name).write_text(text)
    return place


def wrongs(mill, path):
    return list(Case(path).play(mill).wrongs())


def instead(name, old, new):
    """The text of a sound file, with a piece of it replaced."""
    assert old in SOUND[name]
    return {name: SOUND[name].replace(old, new)}


def test_a_sound_case_passes(mill, tmp_path):
    assert wrongs(mill, write(tmp_path)) == []


@pytest.mark.parametrize("files, told", [
    (instead("want", "exit 0", "exit 1"), "exit: wanted 1, got 0"),
    (instead("want", "result Fine.", "result Bad."), "wanted result Bad."),
    (instead("want", "result Fine.", "failed ine"), "wanted failed ine"),
    (instead("want", "result Fine.", "open"), "wanted open"),
    (instead("want", "result Fine.", "calls []"), "wanted calls []"),
    (instead("want", "500 server", "502 server"), "wanted 502 server_error"),
    (instead("want", "server_error", "garbage"), "wanted 500 garbage"),
    (instead("want", "error ill", "error well"), "error: wanted well"),
    (instead("want", "no tokens", "tokens 1 2"), "tokens: wanted 1 2"),
    (instead("want", "finish stop", "finish sto"), "finish: wanted sto"),
    (instead("want", "model m", "model M"), "model: wanted M"),
    (instead("want", "request_id r1", "request_id r"), "request_id: wanted r"),
    (instead("want", "request_id r1", "no request_id"), "wanted none"),
    (instead("want", "reasoning Hm.", "reasoning Hm"), "reasoning: wanted"),
    (instead("want", "raw Fine.", "raw Fin!"), "raw: wanted Fin!"),
    (instead("want", "tokens 3 5", "tokens 3 4"), "tokens: wanted 3 4"),
    (instead("want", "first_byte 0s", "first_byte 9s"), "first_byte: wanted"),
    (instead("want", "no refusal", "refusal x"), "refusal: wanted x"),
    (instead("want", "attempt 200 ok\nconn", "conn"), "wanted 2 attempts"),
    (instead("want", "connections 1", "connections 2"), "connections: wanted"),
    (instead("want", "within 20s", "within 1us"), "took "),
    (instead("want", "2 answered", "3 answered"), "stderr: no "),
    (instead("want", "elephant", "ill today"), "stands in a.db"),
    (instead("want", "elephant", "answered"), "stands in stderr"),
    (instead("request", "POST", "GET"), "wanted GET"),
    (instead("request", "no header X-Other", "header X-Other: 1"),
     "X-Other: wanted '1', got []"),
    (instead("request", "no header X-Other", "no header Host"), "has Host"),
    (instead("request", 'json {"model":"m"}', 'json {"model":"n"}'),
     "body.model: wanted 'n', got 'm'"),
    (instead("request", 'json {"model":"m"}', 'exactly {"model":"m"}'),
     "body: got"),
    (instead("request", 'json {"model":"m"}', "no json model"), "has model"),
    (instead("request", 'json {"model":"m"}', "body elephant"),
     "no elephant in the body"),
    (instead("request", 'json {"model":"m"}', "no body role"), "has role"),
    (instead("request", 'json {"model":"m"}', "connection kept"),
     "wanted a kept connection, got a new one"),
    ({"request": "POST /v1/chat/completions\nthen\nlater 9s\n"},
     "wanted 9s after the last"),
    ({"request": "POST /v1/chat/completions\nthen\nsooner 1us\n"},
     "wanted less than 1us"),
    ({"request": 3 * "connection new\nthen\n" + "connection new\n"},
     "no request 4"),
    ({"reply": SOUND["reply"] + "then\nanswer \"Third.\"\n"},
     "1 of the replies were never asked for"),
    ({"reply": SOUND["reply"] + "then\nevery\nanswer \"Third.\"\n"},
     "1 of the replies were never asked for"),
    (instead("reply", "then\nanswer \"Second.\"\n", ""), "no reply for"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_wanted_and_does_not_come_is_told(
        mill, tmp_path, files, told):
    found = wrongs(mill, write(tmp_path, **files))
    assert any(told in line for line in found), found


FAMILY = {
    "prompts": None, "args": None, "request": None,
    "reply": """no header Content-Length
text "{\\"choices\\":[{\\"message\\":{\\"content\\":\\"x\\"}}]}"
whole
text "\\n\\n"
cut every
then
header Connection: close
answer "Again."
""",
    "want": "exit 0\nresult Again.\nwhole x\ncuts truncated garbage\n",
}


@pytest.mark.parametrize("files, told", [
    ({}, None),
    ({"want": FAMILY["want"].replace("whole x", "whole y")}, "cut at byte 9"),
    ({"want": FAMILY["want"].replace("Again", "again")}, "cut at byte 0 of"),
    ({"want": FAMILY["want"].replace(" garbage", "")}, "cut at byte 5"),
    ({"want": FAMILY["want"].replace("garbage", "garbage tls")},
     "cuts: wanted ['garbage', 'tls', 'truncated']"),
    ({"reply": FAMILY["reply"].replace("whole\n", "")}, "(whole at 94)"),
], ids=str)
def test_a_family_is_judged_place_by_place(mill, tmp_path, files, told):
    found = wrongs(mill, write(tmp_path, **{**FAMILY, **files}))
    assert (found == []) if told is None else \
        any(told in line for line in found), found


@pytest.mark.parametrize("files, told", [
    ({"want": None}, "no file 'want'"),
    ({"reply": None}, "no file 'reply'"),
    ({"wnat": "exit 0\n"}, "unknown file"),
    (instead("want", "exit 0\n", ""), "no line `exit`"),
    (instead("want", "result Fine.\n", ""), "2 prompts, 1 lines"),
    (instead("want", "stderr", "stdrr"), "unknown word 'stdrr'"),
    (instead("want", "finish stop", "finnish stop"), "unknown word 'finnish'"),
    (instead("want", "finish stop", "finish"), "finish wants something"),
    (instead("want", "exit 0", "exit none"), "exit wants a number"),
    (instead("want", "within 20s", "within 20"), "within wants a time"),
    ({"want": "exit 0\nresult a\nresult b\n"}, "no line `attempt`"),
    (instead("want", "exit 0", "exit 0\ncuts garbage"), "`cuts` belongs to"),
    ({"want": "\tfinish stop\n" + SOUND["want"]}, "indented under nothing"),
    ({"request": "POST /\nthen\n"}, "of which nothing is wanted"),
    ({"prompt": "x\n"}, "prompts from two places"),
    ({"reply": "then\nanswer \"x\"\n"}, "an empty reply"),
    ({"reply": "anwser \"x\"\n"}, "unknown word 'anwser'"),
    ({"reply": "json {\"a\":}\n"}, "no JSON"),
    ({"reply": "answer \"x\n"}, "no string"),
    ({"reply": "answer \"x\"\nstatus 200 OK\n"}, "belongs before the body"),
    ({"reply": "close\nanswer \"x\"\n"}, "behind the end"),
    ({"reply": "repeat 3 wait 3s\n"}, "'wait' makes no body"),
    ({"reply": "answer \"x\"\ncut 3 slowly\n"}, "a cut ends in one of"),
    ({"reply": "answer \"x\"\ndrip fast\n"}, "drip wants a number"),
    ({"reply": "newline VT\nanswer \"x\"\n"}, "newline wants one of"),
    ({"reply": "answer \"x\"\nthen\nanswer \"y\"\ncut every\n"},
     "only the first"),
    ({"reply": "answer \"x\"\nwait 1s\ncut every\n"}, "wait where all is cut"),
    ({"reply": "close now\n"}, "close stands alone"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_meant_is_refused(tmp_path, files, told):
    with pytest.raises(Mistake, match="case") as caught:
        Case(write(tmp_path, **files))
    assert told in str(caught.value)


def test_an_unknown_word_in_a_request_is_told(mill, tmp_path):
    path = write(tmp_path, **instead("request", "no header", "nor header"))
    with pytest.raises(Mistake, match="unknown word 'nor'"):
        wrongs(mill, path)


# --- what goes over the wire ---


def sent(tmp_path, text):
    """The bytes of a reply."""
    path = tmp_path / "reply"
    path.write_text(text)
    return b"".join(step[1] * step[2] for step in Script(path).reply(0)
                    if step[0] == "send")


def ended(tmp_path, text):
    path = tmp_path / "reply"
    path.write_text(text)
    return Script(path).reply(0)[-1]


def test_a_body_is_measured_and_chunked(tmp_path):
    assert sent(tmp_path, 'status 201 Made\nheader X: y\ntext "abc"*2\n') == (
        b"HTTP/1.1 201 Made\r\nContent-Type: application/json\r\n"
        b"Content-Length: 6\r\nX: y\r\n\r\nabcabc")
    assert sent(tmp_path, 'chunked 4\ntext "abcdef"\ntext "g"\n').endswith(
        b"Transfer-Encoding: chunked\r\n\r\n"
        b"4\r\nabcd\r\n2\r\nef\r\n1\r\ng\r\n0\r\n\r\n")
    assert sent(tmp_path, 'chunked\ntext "abcdef"\nclose\n').endswith(
        b"\r\n\r\n6\r\nabcdef\r\n")
    assert sent(tmp_path, 'text "abcdef"\ncut -2\n').endswith(
        b"Content-Length: 6\r\n\r\nabcd")
    assert sent(tmp_path, 'send "x\\x00\\u00e9\\r\\n"\nclose\n') == \
        b"x\0\xc3\xa9\r\n"
    head, _, body = sent(tmp_path, 'gzip\ntext "a"*99\n').partition(
        b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert gzip.decompress(body) == b"a" * 99


def test_an_event_has_a_data_line_for_each_line(tmp_path):
    assert sent(tmp_path, 'newline CRLF\nevent x {"a":\n\t1}\ndone\n').endswith(
        b"text/event-stream\r\nContent-Length: 51\r\n\r\n"
        b'event: x\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: [DONE]\r\n\r\n')


@pytest.mark.parametrize("text, end", [
    ('answer "x"\n', "keep"), ('chunked\nanswer "x"\n', "keep"),
    ('http 1.0\nanswer "x"\n', "close"), ('send "x"\n', "close"),
    ('no header Content-Length\nanswer "x"\n', "close"),
    ('header Connection: close\nanswer "x"\n', "close"),
    ('answer "x"\nreset\n', "reset"), ('answer "x"\ncut 3 hang\n', "hang")])
def test_a_reply_ends_as_it_has_to(tmp_path, text, end):
    assert ended(tmp_path, text) == (end,)


def test_json_is_compared_as_deep_as_it_goes():
    have = {"a": {"b": [1, {"c": True}]}, "d": 1}
    assert list(lacks({"a": {"b": [1, {"c": True}]}}, have)) == []
    assert list(lacks({"d": True}, have)) == ["body.d: wanted True, got 1"]
    assert list(lacks({"a": {"x": 1}}, have)) == ["no body.a.x"]
    assert list(lacks({"a": {"b": [1]}}, have)) != []
