"""SQLAlchemy with psycopg2 on PostgreSQL: one line of JSON. Run by languages.py with the server's address."""
import json
import sys
import threading
import time

import psycopg2
import sqlalchemy

CONNECTIONS, THREADS, ROWS, SECONDS = 3, 8, 1000, 1.0
TEXT = sqlalchemy.text("SELECT id, level FROM reading WHERE id = :id")


def make_engine(address):
    """Without a transaction around each statement, as the others."""
    return sqlalchemy.create_engine(address, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=30,
                                    isolation_level="AUTOCOMMIT", pool_reset_on_return=None)


def select(engine, key):
    """psycopg2 has no prepared statements: the value goes in the text."""
    with engine.connect() as connection:
        row = connection.execute(TEXT, {"id": key}).fetchone()
        assert row[0] == key and row[1] >= 0


def best_ns(engine, times=1000, repetitions=5):
    """The best of some repetitions."""
    best = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter_ns()
        for i in range(times):
            select(engine, i % ROWS + 1)
        best = min(best, (time.perf_counter_ns() - start) / times)
    return best


def contend(engine):
    spans = [[] for _ in range(THREADS)]
    end = time.monotonic() + SECONDS

    def work(mine):
        key = 0
        while time.monotonic() < end:
            key = key % ROWS + 1
            asked = time.perf_counter_ns()
            select(engine, key)
            mine.append(time.perf_counter_ns() - asked)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in spans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(span for mine in spans for span in mine)
    return {"per_second": len(ordered) / SECONDS,
            "wait_us": {name: ordered[len(ordered) * share // 1000] / 1e3
                        for name, share in (("p50", 500), ("p99", 990), ("p99.9", 999))}}


def main():
    engine = make_engine(sys.argv[1])
    print(json.dumps({"name": "SQLAlchemy, psycopg2",
                      "note": f"{sqlalchemy.__version__}, {psycopg2.__version__.split()[0]}, CPython; "
                      "no prepared statement", "ns": best_ns(engine), "contended": contend(engine)}))


main()
