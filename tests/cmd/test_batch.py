# SPDX-License-Identifier: ISC
"""OpenAI's batch files through a server: bodies go out as they stand, and come
back as its own batches give them."""

import json
import os
import pathlib
import re
import signal

from conftest import Process, until

BODIES = [
    '{"model":"m",  "messages":[{"role":"user","content":"h\\u0069"}],'
    '"temperature":0.30,"big":12345678901234567890123}',
    '{"messages":[{"role":"system","content":"s"},'
    '{"role":"user","content":"bad"}],"model":"other","stream":false}',
    '{"model":"m","messages":[{"role":"user","content":[{"type":"text",'
    '"text":"x"}]}]}',
]


def line(custom_id, body):
    return (f'{{"custom_id":"{custom_id}","method":"POST",'
            f'"url":"/v1/chat/completions","body":{body}}}\n')


def write(mill):
    mill.write("b.jsonl", "".join(
        line(f"id-{n}", body) for n, body in enumerate(BODIES)))


def run(mill, server, *args):
    return mill.run("run", "b.jsonl", "-u", server.url, "--db", "a.db",
                    "--retry-attempts", 1, *args)


def test_bodies_go_out_byte_for_byte_and_responses_come_back(mill, stub):
    server = stub([{"match": {"prompt": "bad"}, "do": {"status": 400}}])
    write(mill)
    done = run(mill, server, "-o", "out.jsonl", "-f", "openai-batch", "-j", 1)
    assert done.status == 1, done
    assert [request["text"] for request in server.requests()] == BODIES
    good, bad, other = [json.loads(text) for text in
                        (mill.dir / "out.jsonl").read_text().splitlines()]
    assert [record["custom_id"] for record in (good, bad, other)] == [
        "id-0", "id-1", "id-2"]
    assert good["error"] is None
    assert good["response"]["status_code"] == 200
    assert good["response"]["request_id"].startswith("req-")
    body = good["response"]["body"]
    assert body["choices"][0]["message"]["content"] == "echo: hi"
    assert body["usage"]["prompt_tokens"] > 0 and body["id"]
    assert bad["error"]["code"] == "bad_request"
    assert bad["response"]["status_code"] == 400
    assert "error" in bad["response"]["body"]
    assert mill.sql("SELECT prompt FROM llm_results ORDER BY id",
                    db="a.db")[0] == ("hi",)
    again = mill.run("export", "a.db", "-f", "openai-batch")
    assert again.raw == (mill.dir / "out.jsonl").read_bytes()


def test_what_is_open_goes_out_later_as_it_stands(mill, stub):
    server = stub()
    write(mill)
    assert run(mill, server, "-n", 1).status == 0
    done = mill.run("resume", "a.db", "-u", server.url)
    assert done.status == 0, done
    assert sorted(request["text"] for request in server.requests()) == sorted(
        BODIES)


# --- a reader of what goes out that takes its time ---


def begin_export(mill, *args):
    """Answers of 10 MB, exported into a pipe. Gives who does it, and the end
    to read from."""
    words = "x" * 2000
    mill.write("p", "".join(f"{n} {words}\n" for n in range(5000)))
    done = mill.run("run", "p", "--db", "a.db", "--backend", "echo", "-q",
                    patience=60)
    assert done.status == 0, done
    before, fd = mill.pipe("out")
    running = mill.start("export", "a.db", *args, before=before)
    os.set_blocking(fd, True)
    return running, fd


def test_export_waits_for_a_slow_reader_and_keeps_little(mill):
    running, fd = begin_export(mill, "-f", "csv")
    got = os.read(fd, 1 << 16)
    until(lambda: Process(running.pid).state == "S", "a wait")
    status = pathlib.Path(f"/proc/{running.pid}/status").read_text()
    peak, = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(peak) < 25_000
    while got.count(b"\r\n") < 5001:
        got += os.read(fd, 1 << 16)
    assert running.wait().status == 0


def test_export_ends_when_it_is_told_to(mill):
    running, fd = begin_export(mill)
    os.read(fd, 10)
    running.popen.send_signal(signal.SIGINT)
    assert running.wait().status == 130


def test_export_ends_without_a_word_when_nobody_reads(mill):
    running, fd = begin_export(mill)
    os.read(fd, 10)
    mill.masters.remove(fd)
    os.close(fd)
    done = running.wait()
    assert (done.status, done.err) == (75, "")
