#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A command for --per-worker that does what the prompt says.

    talker.py [--ready] [--ready-after FILE] [--notes FILE]

A prompt is a word and perhaps an argument; any other prompt is answered with
"PID: prompt". --ready says so at first, --ready-after when FILE is there.
--notes appends a line per request, as JSON: pid and request.

    echo-request    the request itself, as the answer
    error TEXT      an error; "final TEXT" one without retry
    later S         an error with retry_after
    raw TEXT        TEXT and a line end instead of an answer
    noise           a print before the answer; "after" one behind it
    half            half a line, then silence
    wrong-id        the answer to another prompt
    hang            nothing, deaf to SIGTERM
    die N           exit status N; "kill N" death by a signal
    die-after       an answer, then the end
    first DEED      that, but only once per --notes file
    long N          an answer of N bytes
    stderr N        N bytes of noise on stderr, then an answer
    close           closes its standard output
    child           a child of its own session that holds the pipes, then dies
"""

import argparse
import json
import os
import signal
import sys
import time


def say(behind="", **line):
    print(json.dumps(line) + behind, flush=True)


def leave_child():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    os.wait()
    os._exit(9)


def bad(word, rest, number):
    """Gives whether the word was a deed without a usual answer."""
    if word == "error":
        say(id=number, error=rest)
    elif word == "final":
        say(id=number, error=rest, retry=False)
    elif word == "later":
        say(id=number, error="slow down", retry_after=float(rest))
    elif word == "raw":
        print(rest, flush=True)
    elif word == "half":
        print('{"id":', end="", flush=True)
        time.sleep(1000)
    elif word == "wrong-id":
        say(id=number + 1, result="not yours")
    elif word == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    elif word == "die":
        print("cannot go on", file=sys.stderr, flush=True)
        os._exit(int(rest))
    elif word == "kill":
        os.kill(os.getpid(), int(rest))
    elif word == "close":
        os.close(1)
        time.sleep(1000)
    elif word == "child":
        leave_child()
    else:
        return False
    return True


def do(request, notes):
    number = request["id"]
    prompt = request.get("prompt", "")
    word, _, rest = prompt.partition(" ")
    if word == "first":
        with open(notes, encoding="utf-8") as file:
            if file.read().count(json.dumps(prompt)) > 1:
                prompt = "again"
        if prompt != "again":
            word, _, rest = rest.partition(" ")
    if word == "echo-request":
        say(id=number, result=json.dumps(request))
    elif prompt == "again" or not bad(word, rest, number):
        if word == "noise":
            print("loading …", flush=True)
        if word == "stderr":
            sys.stderr.write("x" * int(rest))
        text = "y" * int(rest) if word == "long" else f"{os.getpid()}: {prompt}"
        # In one piece: it is there before the next request can be.
        say(id=number, result=text,
            behind="\none thing more" if word == "after" else "")
        if word == "die-after":
            sys.exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready", action="store_true")
    parser.add_argument("--ready-after", metavar="FILE")
    parser.add_argument("--notes", metavar="FILE")
    args = parser.parse_args()
    if args.ready_after:
        while not os.path.exists(args.ready_after):
            time.sleep(0.01)
    if args.ready or args.ready_after:
        say(ready=True)
    for line in sys.stdin:
        request = json.loads(line)
        if args.notes:
            with open(args.notes, "a", encoding="utf-8") as file:
                file.write(json.dumps({"pid": os.getpid(), **request}) + "\n")
        do(request, args.notes)


if __name__ == "__main__":
    main()
