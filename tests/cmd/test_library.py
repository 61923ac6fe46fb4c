# SPDX-License-Identifier: ISC
"""The library as it is installed: what a stranger builds with it."""

import re
import subprocess

import pytest

from conftest import ROOT


@pytest.fixture(scope="module")
def usr(tmp_path_factory):
    """Where it is installed."""
    place = tmp_path_factory.mktemp("usr")
    subprocess.run(["make", "-s", "-C", str(ROOT), "install",
                    f"PREFIX={place}"], check=True, timeout=300,
                   stdout=subprocess.DEVNULL)
    return place


def run(*words, **kwargs):
    done = subprocess.run([str(word) for word in words], timeout=60,
                          capture_output=True, text=True, check=False,
                          **kwargs)
    assert done.returncode == 0, done
    return done.stdout


def flags(usr, *words):
    return run("pkg-config", *words, "llmill", env={
        "PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH":
        f"{usr}/lib/pkgconfig"}).split()


def example():
    """That of llmill(3)."""
    text = (ROOT / "lib/llmill.3").read_text()
    return re.search(r"^\.Bd -literal\n(.*?)^\.Ed", text, re.S | re.M)[
        1].replace("\\e", "\\")


def test_the_shared_library_is_built_with_by_its_manual(usr, tmp_path):
    (tmp_path / "a.c").write_text(example())
    run("cc", "-o", tmp_path / "a", tmp_path / "a.c",
        *flags(usr, "--cflags", "--libs"))
    said = run(tmp_path / "a", env={"LD_LIBRARY_PATH": f"{usr}/lib"},
               cwd=tmp_path)
    assert said == "one\ntwo\n"


def test_the_static_library_is_as_well(usr, tmp_path):
    (tmp_path / "a.c").write_text(example())
    needed = run("pkg-config", "--print-requires-private", "llmill", env={
        "PATH": "/usr/bin:/bin", "PKG_CONFIG_PATH":
        f"{usr}/lib/pkgconfig"}).split()
    run("cc", "-o", tmp_path / "a", tmp_path / "a.c",
        *flags(usr, "--cflags"), usr / "lib/libllmill.a",
        *run("pkg-config", "--libs", *needed).split(), "-lm")
    assert run(tmp_path / "a", cwd=tmp_path) == "one\ntwo\n"


def test_only_names_of_llmill_are_visible(usr):
    names = [line.split()[-1] for line in run(
        "nm", "-D", "--defined-only", usr / "lib/libllmill.so").splitlines()]
    assert "llmill_process_prompts" in names and "llmill_run" in names
    assert all(re.fullmatch(r"llmill_\w+", name) for name in names), names


@pytest.mark.parametrize("header", sorted(
    path.name for path in (ROOT / "lib").glob("llmill*.h")))
def test_a_header_stands_alone_in_c_and_in_cplusplus(usr, tmp_path, header):
    for name, compiler, standard in (("a.c", "cc", "c99"),
                                     ("a.cc", "clang++", "c++11")):
        (tmp_path / name).write_text(f"#include <{header}>\n"
                                     f"#include <{header}>\nint x;\n")
        run(compiler, "-std=" + standard, "-Wall", "-Wextra", "-Werror",
            "-pedantic", "-c", "-o", tmp_path / "a.o", tmp_path / name,
            *flags(usr, "--cflags"))


def test_a_program_in_cplusplus_links(usr, tmp_path):
    (tmp_path / "a.cc").write_text(example().replace(
        "return strdup", "(void)arg, (void)error; return strdup").replace(
            "struct llmill_conf conf = LLMILL_CONF_DEFAULT;",
            "struct llmill_conf conf = {}; conf.num_workers = 1;"
            "conf.timeout = 5;"))
    run("clang++", "-std=c++11", "-nostdlib++", "-o", tmp_path / "a",
        tmp_path / "a.cc", *flags(usr, "--cflags", "--libs"))
    said = run(tmp_path / "a", env={"LD_LIBRARY_PATH": f"{usr}/lib"},
               cwd=tmp_path)
    assert said == "one\ntwo\n"


def test_its_small_header_is_small():
    assert len((ROOT / "lib/llmill.h").read_text().splitlines()) <= 120


def test_uninstall_leaves_nothing(usr):
    run("make", "-s", "-C", ROOT, "uninstall", f"PREFIX={usr}")
    assert not [path for path in usr.rglob("*") if not path.is_dir()]
