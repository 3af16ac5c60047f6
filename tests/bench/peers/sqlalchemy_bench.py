"""SQLAlchemy's QueuePool in the contest: one line of JSON. Run by languages.py."""
import json
import sqlite3
import threading
import time

import sqlalchemy
from sqlalchemy.pool import QueuePool

CONNECTIONS, THREADS, HOLD, SECONDS = 3, 8, 500e-6, 1.0


def make_pool():
    return QueuePool(lambda: sqlite3.connect(":memory:", check_same_thread=False),
                     pool_size=CONNECTIONS, max_overflow=0, timeout=30, reset_on_return=None)


def best_ns(body, times=20000, repetitions=5):
    """The best of some repetitions."""
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter_ns()
        for _ in range(times):
            body()
        best = min(best, (time.perf_counter_ns() - start) / times)
    return best


def cycle(pool):
    pool.connect().close()


def select(pool):
    connection = pool.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT 1").fetchone()
    cursor.close()
    connection.close()


def contend(pool):
    waits, takes = [[] for _ in range(THREADS)], [0] * THREADS
    end = time.monotonic() + SECONDS

    def work(index):
        while time.monotonic() < end:
            asked = time.perf_counter_ns()
            connection = pool.connect()
            waits[index].append(time.perf_counter_ns() - asked)
            time.sleep(HOLD)
            connection.close()
            takes[index] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(wait for mine in waits for wait in mine)
    return {"per_second": sum(takes) / SECONDS, "min_over_max": min(takes) / max(takes),
            "wait_us": {"p50": ordered[len(ordered) // 2] / 1e3,
                        "p99": ordered[len(ordered) * 99 // 100] / 1e3, "max": ordered[-1] / 1e3}}


def main():
    pool = make_pool()
    print(json.dumps({"name": "SQLAlchemy QueuePool",
                      "note": f"{sqlalchemy.__version__}, CPython; no pre-ping, no reset on return",
                      "ns": best_ns(lambda: cycle(pool)), "select_ns": best_ns(lambda: select(pool)),
                      "contended": contend(pool)}))


main()
