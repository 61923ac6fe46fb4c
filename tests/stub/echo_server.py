# SPDX-License-Identifier: ISC
"""A server that says back all it was sent, in every place a response has.

    with EchoServer() as server: server.url

The prompt chooses the place: a method of Places. `hold` waits for
server.release. What is said back is the request's head and body, and in places
that are one line each header's value alone, one of them a response.
"""

import gzip
import http.server
import json
import threading

CONTENT = "application/json"


class Places:
    """Each gives status, headers and body."""

    def __init__(self, head, body, values):
        self.all = head + "\n" + body
        self.line = " ".join(values)
        self.values = values

    @staticmethod
    def _message(**message):
        return json.dumps({"choices": [{
            "message": {"content": "fine", **message},
            "finish_reason": "stop"}]})

    def plain(self):
        return 200, {}, self._message()

    # --- in the answer itself ---

    def content(self):
        return 200, {}, self._message(content=self.all)

    def tool_calls(self):
        return 200, {}, self._message(content=None, tool_calls=[{
            "id": "1", "type": "function", "function": {
                "name": "f", "arguments": json.dumps(self.values)}}])

    # --- beside an answer ---

    def reasoning(self):
        return 200, {}, self._message(reasoning_content=self.all)

    def model(self):
        return 200, {}, json.dumps({
            **json.loads(self._message()), "model": self.line})

    def finish_reason(self):
        return 200, {}, json.dumps({"choices": [{
            "message": {"content": "fine"}, "finish_reason": self.line}]})

    def request_id(self):
        return 200, {"x-request-id": self.line}, self._message()

    def raw_body(self):
        return 200, {}, json.dumps({
            **json.loads(self._message()), "debug": self.all})

    # --- instead of one ---

    def refusal(self):
        return 200, {}, self._message(content=None, refusal=self.all)

    def filtered(self):
        return 200, {}, json.dumps({"choices": [{
            "message": {"content": self.all},
            "finish_reason": "content_filter"}]})

    def error_in_200(self):
        return 200, {}, json.dumps({"error": {"message": self.all}})

    def error_400(self):
        return 400, {}, json.dumps({"error": {
            "message": self.all, "type": self.line, "code": self.line}})

    def error_422(self):
        return 422, {}, json.dumps({"detail": [{"msg": self.all}]})

    def error_500(self):
        return 500, {"request-id": self.line}, json.dumps(
            {"error": self.all})

    def error_page(self):
        return 502, {}, f"<html>{'x' * 150}{self.line}</html>"

    def zipped(self):
        return 500, {"Content-Encoding": "gzip"}, gzip.compress(
            self.all.encode())

    def garbage(self):
        return 200, {}, "<html>" + self.all

    def no_choices(self):
        return 200, {}, json.dumps({"echo": self.all})

    def too_long(self):
        return 200, {}, self.line + "x" * (3 << 20)

    def long_content(self):
        return 200, {}, self._message(content=self.line + "x" * (1200 << 10))

    def headers(self):
        return 500, {"X-Request-Id": self.line, "Retry-After": self.line,
                     "X-Should-Retry": self.line, "Server": self.line}, "{}"

    def content_type(self):
        return 200, {"Content-Type": self.line}, self.line

    def encoding(self):
        return 200, {"Content-Encoding": self.line}, "{}"

    def redirect(self):
        return 302, {"Location": "http://127.0.0.1/" + self.values[0]}, ""

    def stream(self):
        return 200, {"Content-Type": "text/event-stream"}, (
            'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
            + "error: " + json.dumps({"message": self.all}) + "\n\n")

    def bad_stream(self):
        return 200, {"Content-Type": "text/event-stream"}, (
            "data: " + self.line + "\n\n: " + self.line + "\n\n")


RAW = {
    "status_line": "HTTP/1.1 500 {0}\r\nContent-Length: 0\r\n\r\n",
    "bad_status": "HTTP/1.1 {0}\r\n\r\n",
    "no_http": "{0}\r\n\r\n",
    "bad_header": "HTTP/1.1 200 OK\r\n{0}\r\nContent-Length: 0\r\n\r\n",
    "bad_length": "HTTP/1.1 200 OK\r\nContent-Length: {0}\r\n\r\n",
    "bad_chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{0}\r\n",
    "cut": "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{0}",
}

IN_ANSWERS = {"content", "tool_calls"}
PLACES = sorted(set(RAW) | {
    name for name, place in vars(Places).items()
    if callable(place) and not name.startswith("_")} - IN_ANSWERS)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer("")

    def do_POST(self):
        self.answer(self.rfile.read(
            int(self.headers["Content-Length"])).decode())

    def answer(self, body):
        server = self.server.owner
        values = [value for name, value in self.headers.items()
                  if name.lower() in server.secret]
        server.seen.append(" ".join(values))
        place = server.place
        if body:
            place = json.loads(body)["messages"][-1]["content"]
        if place == "hold":
            server.held.set()
            server.release.wait(20)
            place = "plain"
        # The key alone as well, without "Bearer " or "session=" before it.
        values += [part for value in values for part in value.split(" ")]
        values += [part for value in values for part in value.split("=")]
        if place in RAW:
            self.close_connection = True
            self.wfile.write(RAW[place].format(values[-1]).encode())
            return
        status, headers, body = getattr(
            Places(str(self.headers), body, values or [""]), place)()
        body = body.encode() if isinstance(body, str) else body
        self.send_response_only(status)
        for name, value in {"Content-Type": CONTENT, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class EchoServer:
    secret = ("authorization", "api-key", "x-api-key", "cookie",
              "proxy-authorization", "x-goog-api-key")

    def __init__(self, place="plain"):
        self.place = place  # what a GET is answered with
        self.seen = []  # the secrets that came
        self.held = threading.Event()
        self.release = threading.Event()
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler)
        self.server.owner = self
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # clients that leave
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
