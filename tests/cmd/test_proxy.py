# SPDX-License-Identifier: ISC
"""Proxies: which one is asked, what it sees, and what is said of one that does
not let us through."""

import base64

import pytest

from llm_server import StubServer
from proxy import Proxy
from throwaway import Authority

QUICK = ("-m", "m1", "--db", "a.db")
HOST = "model.example"
KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"
PASSWORD = "p%40ss-0123456789"  # as in a URL; the @ of it is quoted
LOGIN = "me:p@ss-0123456789"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(ca):
    """A server with TLS that is model.example to all who ask a proxy."""
    with StubServer(more=["--tls", *ca.issue(HOST)]) as server:
        server.port = port_of(server)
        yield server


def port_of(server):
    return int(server.url.split(":")[2].split("/")[0])


@pytest.fixture
def run(mill, ca):
    """run(*words, env={}) through https to model.example."""
    def run(*words, url=f"https://{HOST}/v1", **kwargs):
        return mill.run("run", "--prompt", "a", "-u", url, *QUICK, "--cacert",
                        ca.file, "--wait-server", "0", *words, **kwargs)
    return run


def with_login(proxy):
    return proxy.url.replace("//", f"//me:{PASSWORD}@")


# --- which one ---


@pytest.mark.parametrize("name", [
    "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_https_goes_through_a_tunnel_that_sees_no_key(
        mill, run, server, name):
    with Proxy(server.port) as proxy:
        done = run(env={name: proxy.url, "OPENAI_API_KEY": KEY})
        assert done.status == 0, done
        (method, target, headers), = proxy.requests
    assert (method, target) == ("CONNECT", f"{HOST}:443")
    assert KEY not in str(headers) and "authorization" not in headers
    assert server.requests()[-1]["headers"]["authorization"] == "Bearer " + KEY


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY"])
def test_plain_http_is_asked_for_by_its_whole_url(mill, run, stub, name):
    server = stub()
    with Proxy(port_of(server)) as proxy:
        done = run(url=f"http://{HOST}/v1", env={name: proxy.url})
        assert done.status == 0, done
        (method, target, _), = proxy.requests
    assert (method, target) == (
        "POST", f"http://{HOST}/v1/chat/completions")


def test_http_proxy_in_capitals_is_ignored(mill, run, stub):
    """A web server's child would take it from a request's header."""
    server = stub()
    with Proxy(port_of(server)) as wrong, Proxy(port_of(server)) as right:
        done = run(url=f"http://{HOST}/v1", env={
            "HTTP_PROXY": wrong.url, "all_proxy": right.url})
        assert done.status == 0, done
        assert (len(wrong.requests), len(right.requests)) == (0, 1)


def test_a_proxy_of_its_own_comes_before_that_of_all(mill, run, server):
    with Proxy(server.port) as own, Proxy(server.port) as other:
        env = {"https_proxy": own.url, "HTTPS_PROXY": other.url,
               "all_proxy": other.url, "http_proxy": other.url}
        assert run(env=env).status == 0
        assert (len(own.requests), len(other.requests)) == (1, 0)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", [HOST, ".example", "x,model.example", "*"])
def test_no_proxy_is_heeded(mill, run, server, name, value):
    with Proxy(server.port) as proxy:
        done = run(env={"https_proxy": proxy.url, name: value})
        assert proxy.requests == []
    assert done.status == 69, done  # there is no such host
    assert f"cannot connect to {HOST}:443" in done.words
    assert "the proxy" not in done.words


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"])
def test_this_machine_is_never_asked_through_a_proxy(mill, stub, host):
    server = stub()
    with Proxy(port_of(server)) as proxy:
        done = mill.run(
            "run", "--prompt", "a", "-u", f"http://{host}:{port_of(server)}",
            *QUICK, env={name: proxy.url for name in (
                "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY")})
        assert done.status == 0, done
        assert proxy.requests == []


def test_the_model_is_asked_for_through_it_too(mill, server, ca):
    with Proxy(server.port) as proxy:
        done = mill.run("run", "--prompt", "a", "-u", f"https://{HOST}",
                        "--no-db", "--cacert", ca.file,
                        env={"https_proxy": proxy.url})
        assert done.status == 0, done
        assert [target for _, target, _ in proxy.requests] == [
            f"{HOST}:443"] * 2


# --- its login ---


def test_a_login_in_its_url_is_shown_to_the_proxy_alone(mill, run, server):
    with Proxy(server.port, login=LOGIN) as proxy:
        done = run("-vv", "--log", "run.log", env={
            "https_proxy": with_login(proxy)})
        assert done.status == 0, done
        headers = proxy.requests[-1][2]
    assert headers["proxy-authorization"].startswith("Basic ")
    assert "proxy-authorization" not in server.requests()[-1]["headers"]
    said = done.err + (mill.dir / "run.log").read_text()
    assert "ss-0123456789" not in said


def test_a_proxy_header_of_the_users_goes_to_the_proxy_alone(
        mill, run, server):
    line = "Basic " + base64.b64encode(LOGIN.encode()).decode()
    mill.write("h", f"Proxy-Authorization: {line}\nX-Mine: 1\n", 0o600)
    with Proxy(server.port, login=LOGIN) as proxy:
        done = run("-H", "@h", env={"https_proxy": proxy.url})
        assert done.status == 0, done
        assert "x-mine" not in proxy.requests[-1][2]
    headers = server.requests()[-1]["headers"]
    assert headers["x-mine"] == "1" and "proxy-authorization" not in headers


# --- one that does not let us through ---


def assert_open(mill, done):
    assert done.status == 69, done
    assert mill.results("a.db") == [None]
    assert mill.sql("SELECT outcome FROM llm_attempts", db="a.db") == [
        ("no_server",)]
    assert "ss-0123456789" not in done.err
    return done.words


@pytest.mark.parametrize("status, told", [
    (403, "lets nobody through to model.example:443 (HTTP 403); should it "
          "stand in $no_proxy?"),
    (502, "does not get through to model.example:443 (HTTP 502)"),
    (407, "wants a user name and a password (HTTP 407)"),
    (None, "the proxy"),
])
def test_a_proxy_that_refuses_a_tunnel_is_named(
        mill, run, server, status, told):
    with Proxy(server.port, status=status) as proxy:
        said = assert_open(mill, run(env={"https_proxy": with_login(proxy)}))
        assert f"127.0.0.1:{proxy.port} ($https_proxy)" in said
    assert told in said


def test_a_proxy_that_wants_a_password_for_plain_http_is_named(
        mill, run, stub):
    with Proxy(port_of(stub()), login="other:one") as proxy:
        said = assert_open(mill, run(url=f"http://{HOST}/v1", env={
            "http_proxy": with_login(proxy)}))
        assert (f"the proxy 127.0.0.1:{proxy.port} ($http_proxy) wants a user"
                " name and a password") in said


@pytest.mark.parametrize("url", [f"http://{HOST}/v1", f"https://{HOST}/v1"])
@pytest.mark.parametrize("scheme", ["http:", "https:", "socks5h:"])
def test_a_proxy_that_is_not_there_is_named(mill, run, url, scheme):
    with Proxy() as proxy:
        pass
    value = with_login(proxy).replace("http:", scheme)
    said = assert_open(mill, run(url=url, env={"all_proxy": value}))
    assert (f"cannot connect to the proxy 127.0.0.1:{proxy.port} ($all_proxy):"
            " Connection refused") in said


@pytest.mark.parametrize("value, told", [
    (f"http://me:{PASSWORD}@gate.invalid:99",
     "the proxy gate.invalid:99 ($https_proxy)"),
    (f"ftp://me:{PASSWORD}@gate:99",
     "the proxy gate:99 ($https_proxy) is of no known kind"),
    (f"http://me:{PASSWORD}@ga te:99",
     "the proxy in $https_proxy is of no known kind"),
    (f"http://me:{PASSWORD}@gate:port",
     "the proxy in $https_proxy is of no known kind"),
    (f"socks5h://me:{PASSWORD}@gate.invalid:99",
     "the proxy gate.invalid:99 ($https_proxy)"),
])
def test_what_is_no_proxy_is_said_without_its_password(
        mill, run, value, told):
    said = assert_open(mill, run("-vv", env={"https_proxy": value}))
    assert told in said


def test_tls_with_a_proxy_is_checked_too(mill, run, server, ca):
    """One with a certificate of another name."""
    with StubServer(more=["--tls", *ca.issue("other.example")]) as wrong:
        done = run(env={
            "https_proxy": f"https://localhost:{port_of(wrong)}"})
    assert done.status == 69, done
    assert mill.sql("SELECT outcome FROM llm_attempts", db="a.db") == [
        ("tls",)]
    assert "its certificate is for another host" in done.words
    assert wrong.requests() == []
