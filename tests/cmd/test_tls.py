# SPDX-License-Identifier: ISC
"""TLS: who is trusted, who is not, and what is said about it."""

import contextlib
import os
import shutil
import socket
import subprocess

import pytest

from conftest import until
from llm_server import StubServer
from throwaway import Authority, openssl

QUICK = ("-m", "m1", "--db", "a.db")


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(ca):
    with StubServer(more=["--tls", *ca.issue("localhost")]) as server:
        server.url = local(server)
        yield server


def local(server):
    """Its URL by the name that stands in its certificate."""
    return server.url.replace("127.0.0.1", "localhost")


def send(mill, url, *args, **kwargs):
    return mill.run("run", "--prompt", "a", "--prompt", "b", "-u", url,
                    *QUICK, *args, **kwargs)


def fail(mill, url, *args, **kwargs):
    """A run that nobody was charged for. Gives what it said."""
    done = send(mill, url, "--wait-server", "0", *args, **kwargs)
    assert done.status == 69, done
    assert mill.results("a.db") == [None, None]
    assert mill.sql("SELECT DISTINCT outcome FROM llm_attempts",
                    db="a.db") == [("tls",)]
    assert mill.sql("SELECT DISTINCT state FROM llm_status",
                    db="a.db") == [("open",)]
    assert "--cacert FILE?" in done.words  # what to do
    return done.words


# --- who is trusted ---


def test_an_authority_named_by_cacert_is_trusted(mill, server, ca):
    done = send(mill, server.url, "--cacert", ca.file)
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a", "echo: b"]


def test_the_model_is_asked_for_over_tls_too(mill, server, ca):
    done = mill.run("run", "--prompt", "a", "-u", server.url, "--db", "a.db",
                    env={"SSL_CERT_FILE": str(ca.file)})
    assert done.status == 0, done


def test_a_certificate_that_vouches_for_itself_can_be_named(mill, ca):
    cert, key = ca.vouch_for_itself("localhost")
    with StubServer(more=["--tls", cert, key]) as server:
        assert send(mill, local(server), "--cacert", cert).status == 0


def test_one_of_several_in_a_file_will_do(mill, server, ca):
    others = [ca.vouch_for_itself(f"other {n}")[0] for n in range(2)]
    both = mill.write("both.pem", "text before\n" + "\n".join(
        file.read_text() for file in (others[0], ca.file, others[1])))
    assert send(mill, server.url, "--cacert", both).status == 0


def hashed(mill, file):
    """A directory as openssl-rehash(1) makes it."""
    place = mill.dir / "certs"
    place.mkdir()
    shutil.copy(file, place / "ca.pem")
    openssl("rehash", place)
    return place


def test_the_environment_names_authorities_as_for_openssl(mill, server, ca):
    place = hashed(mill, ca.file)
    for env in ({"SSL_CERT_FILE": str(ca.file)}, {"SSL_CERT_DIR": str(place)},
                {"SSL_CERT_DIR": f"/nowhere:{place}"}):
        done = send(mill, server.url, env=env)
        assert done.status == 0, (env, done)
        mill.db("a.db").unlink()


def test_cacert_wins_over_the_environment(mill, server, ca):
    other, _ = ca.vouch_for_itself("other")
    said = fail(mill, server.url, "--cacert", other, env={
        "SSL_CERT_FILE": str(ca.file),
        "SSL_CERT_DIR": str(hashed(mill, ca.file))})
    assert "nobody here trusts who signed its certificate" in said


# --- who is not ---


def test_an_authority_that_nobody_named_is_not_trusted(mill, server):
    said = fail(mill, server.url)
    assert "TLS with localhost:" in said
    assert "nobody here trusts who signed its certificate" in said
    assert "--cacert FILE" in said


@pytest.mark.parametrize("issue, why", [
    (lambda ca: ca.issue("other.example"),
     "its certificate is for another host"),
    (lambda ca: ca.issue("localhost", days=-1),
     "its certificate has expired"),
    (lambda ca: ca.vouch_for_itself("localhost"), "it vouches for itself"),
], ids=["host", "expired", "self-signed"])
def test_a_certificate_that_is_wrong_is_said_to_be_that(mill, ca, issue, why):
    with StubServer(more=["--tls", *issue(ca)]) as server:
        assert why in fail(mill, local(server), "--cacert", ca.file)
        assert server.requests() == []


def test_an_address_is_no_name(mill, server, ca):
    url = server.url.replace("localhost", "127.0.0.1")
    assert "for another host" in fail(mill, url, "--cacert", ca.file)


def test_a_server_without_tls_is_said_to_be_that(mill, stub):
    server = stub()
    said = fail(mill, server.url.replace("http:", "https:"))
    assert "it speaks no TLS on this port" in said
    assert "http://…" in said


@contextlib.contextmanager
def old_server(version, cert, key):
    """A server that speaks one version only. Gives its URL."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
         cert, "-key", key, f"-{version}", "-cipher", "DEFAULT@SECLEVEL=0",
         "-www"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)

    def listens():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens, "a server")
        yield f"https://localhost:{port}/v1"
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def test_tls_older_than_1_2_is_not_spoken(mill, ca):
    files = ca.issue("localhost")
    with old_server("tls1_1", *files) as url:
        said = fail(mill, url, "--cacert", ca.file)
        assert "it speaks only TLS older than 1.2" in said
    with old_server("tls1_2", *files) as url:  # the same way in
        done = mill.run("check", "-u", url, "-m", "m", "--cacert", ca.file,
                        "--timeout", "500ms")
        assert "timeout_total" in done.out, done


def test_a_server_is_waited_for_until_its_certificate_is_right(
        mill, server, ca):
    """A wrong one first; then the right one on the same port."""
    with StubServer(more=["--tls", *ca.issue("other.example")]) as wrong:
        url = local(wrong)
        port = url.split(":")[2].split("/")[0]
        running = mill.start("run", "--prompt", "a", "-u", url, *QUICK,
                             "--cacert", ca.file, "--retry-attempts", 1)
        running.wait_err("waiting for the server")
    with StubServer(port=port, more=["--tls", *ca.issue("localhost")]):
        done = running.wait()
    assert done.status == 0, done
    assert mill.results("a.db") == ["echo: a"]


def test_a_certificate_that_goes_wrong_in_the_middle_ends_with_75(mill, ca):
    mill.write("in.txt", "\n".join(f"p{n}" for n in range(200)))
    other = ca.issue("other.example")
    with StubServer(delay=0.05,
                    more=["--tls", *ca.issue("localhost")]) as server:
        url = local(server)
        port = url.split(":")[2].split("/")[0]
        running = mill.start("run", "in.txt", "-u", url, *QUICK, "--cacert",
                             ca.file, "--wait-server", "3s")
        until(lambda: len(server.requests()) > 8, "some answers")
    with StubServer(port=port, more=["--tls", *other]):
        done = running.wait()
    assert done.status == 75, done
    assert "its certificate is for another host" in done.words
    assert mill.results("a.db").count(None) > 100


# --- what is checked before anything is sent ---


@pytest.mark.parametrize("content, why", [
    (None, "No such file"), ("", "no certificate in"),
    ("hello\n", "no certificate in"),
    ("-----BEGIN CERTIFICATE-----\nMIIB\n", "is damaged"),
    ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
     "is damaged"),
    ("KEY", "no certificate in"), ("DIR", "Is a directory")], ids=str)
@pytest.mark.parametrize("how", ["--cacert", "$SSL_CERT_FILE"])
def test_what_is_no_list_of_authorities_is_refused(
        mill, server, ca, content, why, how):
    path, run = mill.aside / "ca.pem", {}
    if content == "DIR":
        path.mkdir()
    elif content == "KEY":
        shutil.copy(ca.key, path)
    elif content is not None:
        path.write_text(content)
    words = ["--cacert", path] if how == "--cacert" else []
    if not words:
        run["env"] = {"SSL_CERT_FILE": str(path)}
    before = len(server.requests())
    done = send(mill, server.url, *words, **run)
    assert done.status == 2, done
    assert how in done.err and why in done.err and str(path) in done.err
    assert done.err.count("\n") == 1
    assert not list(mill.dir.iterdir())
    assert len(server.requests()) == before


def test_a_directory_of_authorities_that_is_none_is_refused(mill, server):
    done = send(mill, server.url, env={"SSL_CERT_DIR": "/nowhere"})
    assert done.status == 2, done
    assert "$SSL_CERT_DIR: /nowhere is no directory" in done.err


def test_a_wrong_cacert_is_refused_for_plain_http_and_dry_runs_too(
        mill, stub):
    for words in ["-u", stub().url], ["--dry-run"]:
        done = mill.run("run", "--prompt", "a", "-m", "m", *words,
                        "--cacert", "/nowhere")
        assert done.status == 2, done


@pytest.mark.skipif(os.getuid() != 0, reason="cannot hide files: no root")
def test_a_system_without_authorities_is_said_to_be_that(mill, server):
    said = fail(mill, server.url, before=[
        "unshare", "-m", "sh", "-c",
        "mount -t tmpfs none /etc/ssl/certs && exec \"$0\" \"$@\""])
    assert "the system has no list of authorities" in said


# --- what it costs ---


def test_no_worker_reads_the_authorities_again(mill, server, ca):
    """It costs each 20 ms and 0.4 MB. Here it is a pipe that is read once."""
    mill.write("in.txt", "\n".join(f"shared {n}" for n in range(12)))
    pipe = mill.aside / "ca.pipe"
    os.mkfifo(pipe)
    running = mill.start("run", "in.txt", "-u", server.url, *QUICK, "-j", 4,
                         "--cacert", pipe)
    pipe.write_bytes(ca.file.read_bytes())  # when it has been opened
    done = running.wait()
    assert done.status == 0, done
    assert mill.results("a.db") == [f"echo: shared {n}" for n in range(12)]
