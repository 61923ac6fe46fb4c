# SPDX-License-Identifier: ISC
"""make deb: packages that hold what they should, and lintian's word."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TOP = ["bin", "lib", "tests", "tools", "GNUmakefile", "README.md", "COPYING"]

pytestmark = pytest.mark.skipif(
    shutil.which("dh") is None or shutil.which("lintian") is None,
    reason="no debhelper or no lintian here")


def call(*words, **kwargs):
    done = subprocess.run(words, capture_output=True, text=True, check=False,
                          **kwargs)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """{name of a package: its file}, made as a user makes them."""
    place = tmp_path_factory.mktemp("deb")
    for name in TOP:
        call("cp", "-a", SOURCE / name, place)
    env = {key: os.environ[key] for key in ("PATH", "HOME")
           if key in os.environ}
    call("make", "deb", cwd=place, env={
        **env, "DEBFULLNAME": "A Tester", "DEBEMAIL": "tester@debian.org",
        "DEB_BUILD_OPTIONS": "nocheck"})
    return {path.name.split("_")[0]: path
            for path in (place / "build/deb").glob("*.deb")}


def files(package):
    return {line.split()[5].removeprefix(".") for line in call(
        "dpkg-deb", "-c", package).splitlines() if line[0] != "d"}


def test_lintian_finds_no_error(packages):
    found = call("lintian", "--fail-on", "none", *packages.values())
    assert not re.search(r"^[EW]:", found, re.M), found


def test_each_has_what_it_is_for(packages):
    assert {"/usr/bin/llmill", "/usr/share/man/man1/llmill.1.gz",
            "/usr/share/bash-completion/completions/llmill",
            "/usr/share/zsh/vendor-completions/_llmill",
            "/usr/share/fish/vendor_completions.d/llmill.fish",
            "/usr/share/llmill/llmill_chat.py"} <= files(packages["llmill"])
    headers = {f"/usr/include/{path.name}"
               for path in (SOURCE / "lib").glob("llmill*.h")}
    assert headers <= files(packages["libllmill-dev"])
    assert any(name.endswith("/libllmill.so.0")
               for name in files(packages["libllmill0"]))


def test_the_packaged_program_runs(packages, tmp_path):
    call("dpkg-deb", "-x", packages["llmill"], tmp_path)
    done = call(tmp_path / "usr/bin/llmill", "run", "--prompt", "a", "--no-db",
                "--backend", "echo", "-o", "-", "-f", "txt", cwd=tmp_path)
    assert done == "a\n"
