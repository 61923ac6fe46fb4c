# SPDX-License-Identifier: ISC
"""The design that llmill succeeds, written for the bench: threads, and one
SQLite connection behind a lock, a commit for each answer.

    peer_seed.py URL THREADS REQUESTS BODY DB
"""

import concurrent.futures
import http.client
import json
import sqlite3
import sys
import threading
import urllib.parse

URL = urllib.parse.urlsplit(sys.argv[1])
THREADS, REQUESTS, BODY = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]

database = sqlite3.connect(sys.argv[5], check_same_thread=False)
database.execute("PRAGMA journal_mode=WAL")
database.execute("CREATE TABLE llm_results (id INTEGER PRIMARY KEY,"
                 " prompt TEXT NOT NULL, result TEXT, created_at TIMESTAMP"
                 " DEFAULT CURRENT_TIMESTAMP)")
database.executemany("INSERT INTO llm_results (id, prompt) VALUES (?, ?)",
                     ((n, BODY) for n in range(1, REQUESTS + 1)))
database.commit()
lock = threading.Lock()
local = threading.local()


def ask(number):
    if not hasattr(local, "connection"):
        local.connection = http.client.HTTPConnection(URL.netloc)
    local.connection.request("POST", URL.path, BODY,
                             {"Content-Type": "application/json"})
    answer = json.loads(local.connection.getresponse().read())
    with lock:
        database.execute(
            "UPDATE llm_results SET result = ? WHERE id = ?",
            (answer["choices"][0]["message"]["content"], number))
        database.commit()


with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
    for done in pool.map(ask, range(1, REQUESTS + 1)):
        pass
