# SPDX-License-Identifier: ISC
"""An HTTP/2 server over TLS for tests, in threads of its own; it answers chat
requests with "echo: " and the prompt, and misbehaves as it is told.

    with H2Server(cert, key, ["ok", "refuse"]) as server:
        server.url, server.requests

What becomes of the n-th request; after the list all are "ok":
    ok            an answer
    sse           an answer as a stream of events
    open_end      the same, and the stream is not ended behind it
    bye           an answer, then GOAWAY and the end of the connection
    refuse        RST_STREAM with REFUSED_STREAM: it was not worked on
    late_refuse   the same 0.6 s later
    reset         RST_STREAM with INTERNAL_ERROR
    goaway        GOAWAY that says the request was not seen, then the end
    close         the end of the connection without a word
    late          the same 0.6 s later
    late_tcp      the connection is reset, 0.6 s later
    half          half an answer, then RST_STREAM
    hang          nothing

server.requests has (connection, prompt, headers) of each.
"""

import json
import socket
import ssl
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events
from h2.errors import ErrorCodes


class H2Server:
    def __init__(self, cert, key, script=(), alpn=("h2", "http/1.1")):
        self.script = list(script)
        self.requests = []
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.context.set_alpn_protocols(list(alpn))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{port}/v1"
        self.links = []

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()

    def accept(self):
        number = 0
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            number += 1
            threading.Thread(target=self.serve, args=(link, number),
                             daemon=True).start()

    def serve(self, link, number):
        try:
            with self.context.wrap_socket(link, server_side=True) as secure:
                Link(self, secure, number).serve()
        except OSError:
            pass

    def choose(self, number, prompt, headers):
        with self.lock:
            self.requests.append((number, prompt, headers))
            at = len(self.requests) - 1
            return self.script[at] if at < len(self.script) else "ok"


class Link:
    """One connection."""

    def __init__(self, server, link, number):
        self.server = server
        self.link = link
        self.number = number
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False))
        self.streams = {}
        self.waiting = {}  # stream: bytes that its window had no room for
        self.over = False

    def flush(self):
        self.link.sendall(self.h2.data_to_send())

    def serve(self):
        self.h2.initiate_connection()
        self.flush()
        while not self.over:
            data = self.link.recv(65536)
            if not data:
                return
            for event in self.h2.receive_data(data):
                self.hear(event)
            for stream in list(self.waiting):
                self.send(stream, b"")
            if not self.over:
                self.flush()

    def hear(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id][1].extend(event.data)
            self.h2.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            headers, body = self.streams.pop(event.stream_id)
            headers = {name.decode(): value.decode()
                       for name, value in headers.items()}
            body = json.loads(body)
            self.streaming = body.get("stream", False)
            prompt = body["messages"][-1]["content"]
            what = self.server.choose(self.number, prompt, headers)
            getattr(self, what)(event.stream_id, prompt)

    def events(self, stream, text, whole=True):
        """A data frame for each event."""
        self.h2.send_headers(stream, [
            (":status", "200"), ("content-type", "text/event-stream")])
        for delta in "echo: ", text:
            self.h2.send_data(stream, b"data: " + json.dumps({"choices": [{
                "delta": {"content": delta}}]}).encode() + b"\n\n")
            self.flush()
        self.h2.send_data(
            stream, b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}'
            b"\n\ndata: [DONE]\n\n", end_stream=whole)
        self.flush()

    def answer(self, stream, text, whole=True):
        body = json.dumps({"choices": [{
            "message": {"content": "echo: " + text},
            "finish_reason": "stop"}]}).encode()
        self.h2.send_headers(stream, [
            (":status", "200"), ("content-type", "application/json")])
        if whole:
            self.send(stream, body)
        else:
            self.h2.send_data(stream, body[:len(body) // 2])
        self.flush()

    def send(self, stream, more):
        """As much as its window takes, the rest later."""
        body = self.waiting.pop(stream, b"") + more
        while body and (room := min(
                self.h2.local_flow_control_window(stream),
                self.h2.max_outbound_frame_size)) > 0:
            self.h2.send_data(stream, body[:room])
            body = body[room:]
        if body:
            self.waiting[stream] = body
        else:
            self.h2.end_stream(stream)

    def end(self):
        self.over = True
        self.link.shutdown(socket.SHUT_RDWR)

    def ok(self, stream, prompt):
        self.answer(stream, prompt)

    def sse(self, stream, prompt):
        assert self.streaming
        self.events(stream, prompt)

    def open_end(self, stream, prompt):
        self.events(stream, prompt, whole=False)

    def bye(self, stream, prompt):
        self.answer(stream, prompt)
        self.h2.close_connection()
        self.flush()
        self.end()

    def refuse(self, stream, prompt):
        self.h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)

    def late_refuse(self, stream, prompt):
        time.sleep(0.6)
        self.refuse(stream, prompt)

    def reset(self, stream, prompt):
        self.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    def goaway(self, stream, prompt):
        self.h2.close_connection(last_stream_id=max(stream - 2, 0))
        self.flush()
        self.end()

    def close(self, stream, prompt):
        self.end()

    def late(self, stream, prompt):
        time.sleep(0.6)
        self.end()

    def late_tcp(self, stream, prompt):
        time.sleep(0.6)
        self.over = True
        self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.link.close()

    def half(self, stream, prompt):
        self.answer(stream, prompt, whole=False)
        self.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)

    def hang(self, stream, prompt):
        pass
