# SPDX-License-Identifier: ISC
"""llmill report: what is in the page, and what a browser makes of it."""

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import time

import pytest

from conftest import until

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select
    WHY = "" if shutil.which("chromedriver") else "no chromedriver here"
except ImportError:
    WHY = "no selenium here"

HOSTILE = [
    "<script>window.hurt = 1</script>",
    "</script><script>window.hurt = 2</script>",
    "<!--<script>", "<img src=x onerror='window.hurt = 3'>",
    "\"'><svg onload=window.hurt=4>", "a \u202e bidi \u2066 text",
    "\u2028 \u2029 ]]> &lt;b&gt; \\u003c", "{{7*7}} ${7*7} `x`", "\x01\x7f é 漢"]


def data_of(path):
    """What the page has to show."""
    text = path.read_text()
    found = re.search(r'<script type="application/json" id="data">(.*?)'
                      r"</script>", text, re.S)
    return json.loads(found[1])


def run(mill, *words, count=120, db="a.db", script="ms=5,fail=20%,crash=3%"):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(count)))
    done = mill.run("run", "in.txt", "--backend", f"echo:{script}", "-j", 8,
                    "--retry-delay", 0, "--db", db, *words)
    assert done.status in (0, 1), done
    return done


def report(mill, *dbs, path="r.html", **kwargs):
    done = mill.run("report", "-o", path, *dbs, **kwargs)
    assert done.status == 0 and done.out == "" and done.err == "", done
    return mill.dir / path


def make_seed(mill, rows):
    """s.db as the seed made it: prompts and results."""
    with sqlite3.connect(mill.db("s.db")) as db:
        db.execute("CREATE TABLE llm_results (id INTEGER PRIMARY KEY,"
                   " prompt TEXT NOT NULL, result TEXT, created_at"
                   " TIMESTAMP DEFAULT CURRENT_TIMESTAMP)")
        db.executemany("INSERT INTO llm_results (prompt, result)"
                       " VALUES (?, ?)", rows)


# --- what is in it ---

def test_the_numbers_are_those_of_the_database(mill):
    run(mill, "--worker-jobs", 5)
    one, = data_of(report(mill, "a.db"))["databases"]
    status = json.loads(mill.run("status", "--json", "a.db").out)
    assert one["status"] == status
    by = dict(mill.sql("SELECT outcome, count(*) FROM llm_attempts"
                       " GROUP BY 1", db="a.db"))
    ended = {}
    for each in one["bins"]:
        for name, number in each["by"].items():
            ended[name] = ended.get(name, 0) + number
    assert ended == by
    assert sum(each["answers"] for each in one["bins"]) == by["ok"]
    busy, = mill.sql("SELECT sum(duration_ms) FROM llm_attempts",
                     db="a.db")[0]
    assert sum(each["busy"] for each in one["bins"]) * one["bin_ms"] == \
        pytest.approx(busy, abs=len(one["bins"]))
    assert sum(one["latency_counts"]) == by["ok"]
    tries = mill.sql("SELECT n, count(*) FROM (SELECT count(*) n FROM"
                     " llm_attempts GROUP BY id) GROUP BY n", db="a.db")
    assert {i + 1: n for i, n in enumerate(one["tries"]) if n} == dict(tries)
    deaths, = mill.sql("SELECT count(*) FROM llm_attempts WHERE error LIKE"
                       " 'worker died%'", db="a.db")[0]
    kinds = [event[2] for event in one["events"]]
    assert deaths > 0 and kinds.count(1) == deaths
    assert kinds.count(2) > 0 and kinds.count(0) >= 8
    assert one["workers"] == 8 == len(one["lanes"])
    assert {len(lane) for lane in one["lanes"]} == {len(one["bins"])}
    rows = {row[0]: row for row in one["rows"]}
    assert sorted(rows) == list(range(1, 121))
    for number, state, prompt, result in mill.sql(
            "SELECT s.id, s.state, r.prompt, r.result FROM llm_status s"
            " JOIN llm_results r ON r.id = s.id", db="a.db"):
        assert ["open", "answered", "failed"][rows[number][1]] == state
        assert rows[number][7:9] == [prompt, result]
    assert "--worker-jobs 5" in one["command"]
    assert one["settings"]["worker_jobs"] == 5


def test_runs_stand_one_behind_the_other(mill):
    run(mill, "--range", "1:40", script="ms=300")
    with sqlite3.connect(mill.db("a.db")) as db:  # a month ago
        db.execute("UPDATE llm_attempts SET started_ms = started_ms -"
                   " 30 * 86400000")
    run(mill, script="ms=300")
    one, = data_of(report(mill, "a.db"))["databases"]
    assert one["bin_ms"] == 250 and 18 <= len(one["bins"]) <= 50


def test_a_seeds_database_and_an_empty_one(mill):
    make_seed(mill, [("a", "A"), ("b", None)])
    one, = data_of(report(mill, "s.db"))["databases"]
    assert one["bins"] == [] and one["lanes"] == []
    assert [row[1] for row in one["rows"]] == [1, 0]


def test_hostile_texts_are_in_a_block_that_nothing_ends(mill):
    mill.write("in.jsonl", "".join(
        json.dumps({"prompt": text}) + "\n" for text in HOSTILE))
    mill.run("run", "in.jsonl", "--backend", "echo", "--db", "a.db")
    page = report(mill, "a.db")
    text = page.read_text()
    assert text.count("<script") == 2 and text.count("</script") == 2
    assert [row[7] for row in data_of(page)["databases"][0]["rows"]] == \
        HOSTILE


def test_the_policy_allows_what_is_in_it_and_nothing_else(mill):
    run(mill, count=3)
    text = report(mill, "a.db").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none';")
    for name, body in (("script", re.findall(
            r"<script>(.*?)</script>", text, re.S)[0]), ("style", re.findall(
                r"<style>(.*?)</style>", text, re.S)[0])):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest())
        assert f"{name}-src 'sha256-{digest.decode()}'" in policy
    assert not re.search(r"""(src|href)=["']?(?!#)[a-z]+:""", text)
    assert len(text) < 400_000


def test_of_many_prompts_a_sample_and_all_failures(mill):
    count = 250_000
    make_seed(mill, ((f"p{n}", "Error: Failed after 1 attempts: x"
                      if n % 1000 == 1 else "y") for n in range(count)))
    one, = data_of(report(mill, "s.db"))["databases"]
    assert "250,000 prompts every 3th" in one["rows_note"]
    failed = [row for row in one["rows"] if row[1] == 2]
    assert len(failed) == count // 1000
    assert count // 3 <= len(one["rows"]) <= count // 3 + len(failed) + 1


def test_long_texts_are_cut_in_long_lists_at_a_character(mill):
    mill.write("in.txt", "".join("é" * 40_000 + "\n" for _ in range(300)))
    assert mill.run("run", "in.txt", "--backend", "echo", "--db",
                    "a.db").status == 0
    one, = data_of(report(mill, "a.db"))["databases"]
    assert all(row[7].startswith("é" * 32_000) and
               "llmill export has all" in row[7] for row in one["rows"])


@pytest.mark.parametrize("words, status, says", [
    (["-o", "-", "a.db"], 2, "not on standard output"),
    (["-o", "a.db", "a.db"], 2, "a.db"),
    (["-o", "r.html", "gone.db"], 65, "gone.db"),
    (["-o", "gone/r.html", "a.db"], 74, "gone/r.html"),
    (["-o", "r.html", "in.txt"], 65, "in.txt"),
    (["-o", "r.html", "a.db", "--json"], 2, "--json")])
def test_what_cannot_be_is_said(mill, words, status, says):
    run(mill, count=3)
    mill.write("r.html", "old")
    done = mill.run("report", *words)
    assert done.status == status and says in done.err, done
    assert done.err.count("\n") == 1
    assert (mill.dir / "r.html").read_text() == "old"
    assert not list(mill.dir.glob("*.part"))


def test_without_names_it_is_the_newest_here(mill):
    mill.write("in.txt", "a\n")
    assert mill.run("run", "in.txt", "--backend", "echo").status == 0
    done = mill.run("report")
    name = mill.db().name
    assert done.status == 0 and done.out == f"{name[:-3]}.html\n", done
    one, = data_of(mill.dir / done.out.strip())["databases"]
    assert one["status"]["database"] == name


def test_an_interrupt_leaves_nothing(mill):
    make_seed(mill, (("p" * 500, None) for _ in range(400_000)))
    making = mill.start("report", "-o", "r.html", "s.db")
    part = mill.dir / "r.html.part"
    until(lambda: part.exists() and part.stat().st_size > 100_000,
          "it is written")
    making.signal(signal.SIGINT)
    assert making.wait().status == 130
    assert not list(mill.dir.glob("r.html*"))


# --- while a run goes on ---

def start(mill, *words):
    """A run of a hundred prompts, and its first page."""
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(100)))
    running = mill.start("run", "in.txt", "--backend", "echo:ms=150", "-j",
                         "4", "--db", "a.db", "--report", "r.html",
                         "--report-every", "1s", *words)
    page = mill.dir / "r.html"
    until(page.exists, "the first page")
    return running, page


def test_a_run_writes_it_anew_until_its_end(mill):
    running, page = start(mill)
    first = data_of(page)
    assert first["running"] is True and first["again_ms"] == 1000
    began = first["databases"][0]["status"]["answered"]
    until(lambda: data_of(page)["databases"][0]["status"]["answered"] >
          began, "the next one")
    done = running.wait()
    assert done.status == 0 and "report:   r.html\n" in done.err, done
    last = data_of(page)
    assert last["running"] is False
    assert last["databases"][0]["status"]["answered"] == 100
    assert last["databases"][0]["status"]["last_run"]["status"] == "finished"


def test_where_nobody_can_read_the_database_it_is_written_at_the_end(mill):
    mill.write("in.txt", "a\nb\n")
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "a.db",
                    "--report", "r.html", env={"LLMILL_FSTYPE": "nfs"})
    assert done.status == 0 and "r.html is written at the end" in done.err
    assert data_of(mill.dir / "r.html")["databases"][0]["status"][
        "answered"] == 2


def test_it_is_about_home_when_a_scratch_is_worked_on(mill):
    near = mill.aside / "near"
    near.mkdir()
    running, page = start(mill, "--scratch", near)
    assert data_of(page)["databases"][0]["status"]["database"] == "a.db"
    assert running.wait().status == 0
    assert data_of(page)["databases"][0]["status"]["answered"] == 100


def test_a_page_that_cannot_be_is_said_before_a_call(mill):
    mill.write("in.txt", "a\n")
    words = ["run", "in.txt", "--backend", "echo", "--db", "a.db"]
    done = mill.run(*words, "--report", "gone/r.html")
    assert done.status == 71 and "gone/r.html" in done.err, done
    assert not (mill.dir / "a.db").exists()
    done = mill.run(*words[:-2], "--no-db", "--report", "r.html")
    assert done.status == 2 and "wants a database" in done.err, done
    done = mill.run(*words, "--report", "in.txt")
    assert done.status == 2, done


def test_a_page_writer_that_dies_is_no_trouble_of_the_run(mill):
    mill.write("in.txt", "".join(f"p{n}\n" for n in range(60000)))
    done = mill.run("run", "in.txt", "--backend", "echo", "--db", "a.db",
                    "-n", "59920")
    assert done.status == 0, done
    # The rest takes 4 s: time for pages, which have much to say.
    running = mill.start("resume", "a.db", "--backend", "echo:ms=100", "-j",
                         "2", "--report", "r.html", "--report-every", "1s")
    killed = 0
    while running.popen.poll() is None:
        for writer in mill.processes("llmill: writes r.html"):
            writer.signal(signal.SIGKILL)
            killed += 1
        time.sleep(0.002)
    done = running.wait()
    assert done.status == 0, done
    assert killed > 0 and "signal 9" in done.err
    assert data_of(mill.dir / "r.html")["databases"][0]["status"][
        "answered"] == 60000


# --- in a browser ---

@pytest.fixture(scope="module")
def chromium():
    if WHY:
        pytest.skip(WHY)
    options = Options()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu",
                 "--window-size=1280,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options,
                               service=Service("/usr/bin/chromedriver"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium):
    chromium.set_window_size(1280, 1000)
    chromium.get("about:blank")
    chromium.get_log("browser")
    yield chromium
    errors = [entry for entry in chromium.get_log("browser")
              if entry["level"] == "SEVERE"]
    assert not errors


def show(browser, page, state=None):
    hash_ = "" if state is None else "#" + json.dumps(state)
    browser.get("about:blank")
    browser.get(f"file://{page}{hash_}")


def lines(browser):
    return [row.text for row in browser.find_elements(
        By.CSS_SELECTOR, "#list tr.row")]


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def painted(browser):
    """Which canvases have anything on them."""
    return browser.execute_script("""
        return [...document.querySelectorAll("canvas")].map((canvas) => {
            const all = canvas.getContext("2d").getImageData(0, 0,
                canvas.width, canvas.height).data;
            return all.some((byte) => byte !== 0);
        });""")


def test_plots_are_drawn_and_the_totals_are_there(mill, browser):
    slow = "ms=60,fail=20%,crash=3%"
    run(mill, script=slow)
    run(mill, db="b.db", script=slow)
    show(browser, report(mill, "a.db", "b.db"))
    drawn = painted(browser)
    assert len(drawn) >= 9 and all(drawn)
    text = one(browser, "#databases").text
    assert "a.db" in text and "b.db" in text and "answered" in text
    assert "echo: failed by script" in text
    show(browser, report(mill, "a.db"))
    assert len(painted(browser)) >= 7 and all(painted(browser))


def test_search_filter_sort_and_pages(mill, browser):
    run(mill, "--retry-attempts", 1, count=330, script="fail=10%")
    failed, = mill.sql("SELECT count(*) FROM llm_failures", db="a.db")[0]
    show(browser, report(mill, "a.db"))

    def choose(what, name):
        Select(one(browser, f"#{what}")).select_by_visible_text(name)

    assert len(lines(browser)) == 100
    assert "1–100 of 330" in one(browser, "#page").text
    for _ in range(3):
        one(browser, "#on").click()
    assert len(lines(browser)) == 30
    assert not one(browser, "#on").is_enabled()
    one(browser, "#text").send_keys("p32")
    assert "11 of 330" in one(browser, "#found").text
    browser.refresh()  # what was asked for stays
    assert "11 of 330" in one(browser, "#found").text
    one(browser, "#text").clear()
    one(browser, "#text").send_keys(" ", Keys.BACKSPACE)
    choose("state", "failed")
    assert f"{failed} of 330" in one(browser, "#found").text
    assert all("server_error" in line for line in lines(browser))
    choose("state", "all")
    choose("outcome", "ok")
    assert f"{330 - failed} of 330" in one(browser, "#found").text
    choose("outcome", "all")
    sort = one(browser, "#list th button")  # id
    sort.click()
    sort.click()
    assert lines(browser)[0].startswith("330")
    assert one(browser, "#list th").get_attribute(
        "aria-sort") == "descending"


def test_a_row_unfolds_by_mouse_and_by_key(mill, browser):
    run(mill, count=3, script="ms=1")
    show(browser, report(mill, "a.db"))
    row = one(browser, "#list tr.row")
    row.click()
    assert [pre.text for pre in browser.find_elements(
        By.CSS_SELECTOR, "tr.more pre")] == ["p0", "p0"]
    row.click()
    assert not browser.find_elements(By.CSS_SELECTOR, "tr.more")
    row.send_keys(Keys.ENTER)
    assert browser.find_elements(By.CSS_SELECTOR, "tr.more")
    assert row.get_attribute("aria-expanded") == "true"


def test_hostile_texts_stay_texts(mill, browser):
    big = "<b>" + "x" * 1_000_000 + "</b>"
    mill.write("in.jsonl", "".join(
        json.dumps({"prompt": text}) + "\n" for text in [*HOSTILE, big]))
    assert mill.run("run", "in.jsonl", "--backend", "echo", "--db",
                    "a.db").status == 0
    with sqlite3.connect(mill.db("a.db")) as db:
        db.execute("UPDATE llm_runs SET host = '<script>x</script>',"
                   " argv = '<img src=x onerror=window.hurt=9>'")
        db.execute("UPDATE llm_attempts SET error = '<i>bad</i>',"
                   " model = '</script>' WHERE id = 1")
    show(browser, report(mill, "a.db"))
    for row in browser.find_elements(By.CSS_SELECTOR, "#list tr.row"):
        row.click()
    shown = browser.execute_script(
        "return [...document.querySelectorAll('tr.more')].map((more) =>"
        " more.querySelector('pre').textContent)")
    assert shown == [*HOSTILE, big]
    assert browser.execute_script("return window.hurt") is None
    assert browser.execute_script(
        "return document.querySelectorAll('main img, main svg, main i,"
        " main b, main script').length") == 0
    assert "<img src=x" in one(browser, "#databases").text


def test_it_fits_a_narrow_screen_is_dark_and_prints(mill, browser):
    run(mill)
    page = report(mill, "a.db")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
    try:
        show(browser, page)
        assert browser.execute_script(
            "return document.documentElement.scrollWidth") <= 360
        one(browser, "#list tr.row td:last-child").click()
        assert browser.execute_script(  # to be read without scrolling
            "const at = document.querySelector('tr.more pre')"
            ".getBoundingClientRect(); return at.left >= 0 &&"
            " at.right <= 360")
        assert all(painted(browser))
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    background = "return getComputedStyle(document.body).backgroundColor"
    show(browser, page)
    light = browser.execute_script(background)
    one(browser, "#theme").click()
    assert browser.execute_script(background) != light
    assert all(painted(browser))
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
    assert base64.b64decode(printed).startswith(b"%PDF")


def test_it_reads_itself_anew_while_the_run_goes_on(mill, browser):
    running, page = start(mill)
    show(browser, page)
    assert "reads itself anew" in one(browser, "#about").text
    until(lambda: "100" in browser.execute_script(
        "return document.querySelector('dd.good')?.textContent || ''"),
        "the last page")
    assert running.wait().status == 0
    assert "reads itself" not in one(browser, "#about").text


def test_a_hundred_thousand_rows_are_usable(mill, browser):
    mill.write("in.txt", "".join(f"prompt {n}\n" for n in range(100_000)))
    assert mill.run("run", "in.txt", "--backend", "echo", "-j", 8, "--db",
                    "a.db").status == 0
    began = time.monotonic()
    show(browser, report(mill, "a.db"))
    assert "100,000 of 100,000" in one(browser, "#found").text
    one(browser, "#text").send_keys("99999")
    assert "2 of 100,000" in one(browser, "#found").text  # 99999 and its id
    assert time.monotonic() - began < 20


def test_a_million_rows_are_read_in_time_and_little_memory(mill):
    count = 1_000_000
    make_seed(mill, ((f"p{n}", "an answer") for n in range(count)))
    pid = os.fork()
    if pid == 0:
        os.chdir(mill.dir)
        os.execv(mill.program, ["llmill", "report", "-o", "r.html", "s.db"])
    began = time.monotonic()
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    assert time.monotonic() - began < 10
    assert usage.ru_maxrss < 200_000  # kB
