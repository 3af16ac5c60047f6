"""Runs the programs of this folder and gathers what they say. bench.py is the program to start.

Times are the best of many short repetitions where one thread works alone, and medians of runs during
which nobody else used the processors where threads meet. The contestants take turns, so that a slow
minute of the machine hits all of them alike.
"""
import json
import os
import pathlib
import platform
import statistics
import subprocess
import tempfile

import counts
import node_start

# Our pool, then what it is compared with, in the program "pools".
MAIN = ["roost, 3 kept", "roost, 3 kept, strict", "mutex + condvar", "FIFO mutex pool"]
PEERS = {"libzdb": "libzdb-dev", "soci": "libsoci-dev, libsoci-sqlite3-4.0, libboost-dev",
         "poco": "libpoco-dev", "cppdb": "libcppdb-dev"}
HOLDS = ["no hold", "20 µs of computing", "20 µs of sleep", "500 µs of sleep"]
# Threads, hold, with clocks around each take. What is not timed is for throughput alone.
SHAPES = [(threads, hold, 1) for threads in (4, 8) for hold in range(4)] + [(4, 0, 0), (8, 0, 0)]
# The share of the processors that others may have used in a run that counts. A shape that sleeps
# leaves the processors to others by itself, who then do not disturb it much.
MOST_FOREIGN = [0.06, 0.06, 0.25, 0.25]


def run_json(command, timeout=120, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=timeout, check=True, **more)
    return json.loads(done.stdout)


def say(text):
    print(text, flush=True)


class Plan:
    """How long each part takes."""

    def __init__(self, quick):
        self.quick = quick
        self.counts = not quick                   # by valgrind and strace, which take a minute
        self.repetitions = 3 if quick else 9
        self.passes = 1 if quick else 3
        self.rounds = 1 if quick else 7           # accepted runs of each shape
        self.most_rounds = 1 if quick else 12     # with those thrown away
        self.peer_rounds = 1 if quick else 3
        self.run_ms = 20 if quick else 300
        self.hand_overs = 20 if quick else 300
        self.late = 2 if quick else 21
        self.churn_ms = 1000 if quick else 4000
        self.gate_seconds = 1 if quick else 10
        self.batch_ms = 200 if quick else 1500
        self.starts = 3 if quick else 15


# ---- one thread alone ---------------------------------------------------------------------------


def best_times(program, plan):
    """ns of each benchmark of `program`: the best of its repetitions in all passes."""
    best = {}
    for _ in range(plan.passes):
        report = run_json([program, "--benchmark_format=json", "--benchmark_min_time=0.02",
                           f"--benchmark_repetitions={plan.repetitions}",
                           "--benchmark_enable_random_interleaving=true"])
        for row in report["benchmarks"]:
            if row["run_type"] == "iteration":
                best[row["name"]] = min(row["cpu_time"], best.get(row["name"], float("inf")))
    return best


def cycles(program, plan):
    """All contestants of `program`: ns, the ratio to the floor of the same process, counts."""
    best = best_times(program, plan)
    rows = []
    for entry in run_json([program, "--list"]):
        name = entry["name"]
        row = {"name": name, "note": entry["note"], "ns": best[f"{name}/cycle"],
               "select_ns": best.get(f"{name}/select"),
               "heap_calls": counts.heap_calls(program, name),
               "instructions": counts.instructions(program, name) if plan.counts else None,
               "system_calls": counts.system_calls(program, name) if plan.counts else None}
        if "floor/cycle" in best:
            row["floors"] = row["ns"] / best["floor/cycle"]
        rows.append(row)
    return rows


# ---- threads meet -------------------------------------------------------------------------------


def median_run(runs):
    """The medians of all figures of several runs."""
    def medians(values):
        if isinstance(values[0], dict):
            return {key: medians([value[key] for value in values]) for key in values[0]}
        return statistics.median(values)
    return medians(runs)


class Contest:
    """One shape: contestants take turns until each has enough quiet runs."""

    def __init__(self, shape, contestants, plan):
        self.threads, self.hold, self.timed = shape
        self.ms = plan.run_ms
        self.runs = {contestant: [] for contestant in contestants}

    def round(self, wanted):
        for (program, name), runs in self.runs.items():
            if len(self.quiet(runs)) < wanted:
                command = [program, "--contend", name, self.threads, self.hold, self.ms, self.timed]
                runs.append(run_json(command))

    def quiet(self, runs):
        return [run for run in runs if run["foreign"] <= MOST_FOREIGN[self.hold]]

    def is_complete(self, wanted):
        return all(len(self.quiet(runs)) >= wanted for runs in self.runs.values())

    def result(self):
        rows = []
        for (_, name), runs in self.runs.items():
            quiet = self.quiet(runs)
            # Where no run was quiet the least disturbed one stands in, and the report says so.
            used = quiet or [min(runs, key=lambda run: run["foreign"])]
            rows.append({"name": name, **median_run(used), "quiet_runs": len(quiet),
                         "discarded_runs": len(runs) - len(quiet)})
        return {"threads": self.threads, "hold": HOLDS[self.hold], "timed": bool(self.timed),
                "rows": rows}


def contests(main, peers, plan):
    results = []
    for number, shape in enumerate(SHAPES, 1):
        say(f"   contest {number} of {len(SHAPES)}: {shape[0]} threads, {HOLDS[shape[1]]}"
            f"{'' if shape[2] else ', no clocks'}")
        contest = Contest(shape, main, plan)
        for _ in range(plan.most_rounds):
            contest.round(plan.rounds)
            if contest.is_complete(plan.rounds):
                break
        result = contest.result()
        if shape[2]:
            others = Contest(shape, peers, plan)
            for _ in range(plan.peer_rounds):
                others.round(plan.peer_rounds)
            result["rows"] += others.result()["rows"]
        results.append(result)
    return results


# ---- the rest -----------------------------------------------------------------------------------


def summary(values):
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "p90": ordered[len(ordered) * 9 // 10],
            "max": ordered[-1], "count": len(ordered)}


def spans(contestants, mode, times, able):
    """Medians of spans in ns, in turns of a tenth each."""
    seen = {contestant: [] for contestant in contestants if able(contestant)}
    for _ in range(min(times, 10)):
        for (program, name), values in seen.items():
            values += run_json([program, mode, name, max(1, times // 10)])
    return [{"name": name, **summary(values)} for (_, name), values in seen.items()]


def library_kib(program):
    """The shared libraries of a program, and the bytes of their files in KiB."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    paths = [line.split("=>")[1].split()[0] for line in listed.splitlines() if "=>" in line]
    return {pathlib.Path(path).name: os.path.getsize(path) // 1024 for path in paths}


def footprint(build, folder, plan):
    rows = {}
    for kind in ("raw", "pool"):
        program = build / f"node_over_{kind}"
        with open(program, "rb") as file:
            os.fsync(file.fileno())  # pages of a file that was just linked count as dirty
        database = pathlib.Path(folder) / f"{kind}.db"
        run_json([program, database])  # makes the database
        runs = [run_json([program, database]) for _ in range(plan.starts)]
        figures = median_run([{name: run[name] for name in run if name != "libraries"} for run in runs])
        rows[kind] = {**figures, "libraries": library_kib(program),
                      "program_kib": os.path.getsize(program) // 1024}
    return rows


def file_system(folder):
    done = subprocess.run(["df", "--output=fstype", str(folder)], capture_output=True, text=True,
                          check=True)
    return done.stdout.split()[-1]


def bounded(sqlite, folder):
    """SQLite in its fixed block: what the block holds, and heap calls a round outside it."""
    result = run_json([sqlite, "--bounded", folder, 50])
    preload = pathlib.Path(sqlite).parent / "libbench_allocations.so"
    with tempfile.NamedTemporaryFile() as out:
        environment = dict(os.environ, LD_PRELOAD=str(preload), ROOST_ALLOCATIONS=out.name)

        def count(rounds):
            run_json([sqlite, "--bounded", folder, rounds], env=environment)
            return int(pathlib.Path(out.name).read_text())

        result["heap_calls_per_round"] = (count(150) - count(50)) / 100
    return result


def many_rows(build, plan, data):
    """Rows a second and round trips of a batch, by link and contestant."""
    program = build / "many_rows"
    if not program.exists():
        data["missing"]["many rows"] = "postgresql-15, libpq-dev"
        return
    data["many_rows"] = run_json([program, "--json", *(["--quick"] if plan.quick else [])], timeout=300)
    names = {row["name"].split(",")[0] for row in data["many_rows"]}
    for name, packages in (("libpqxx", "libpqxx-dev"), ("SOCI", "libsoci-postgresql4.0")):
        if name not in names:
            data["missing"][f"many rows by {name}"] = packages


# ---- the node: its card, its start, its end -----------------------------------------------------

def node_card(build, data):
    """What a day of roost-node writes to the card, and plain SQLite: counted, so a busy machine does no harm."""
    program = build / "node_day"
    if not program.exists():
        data["missing"]["what a day of the node writes"] = "libgtest-dev"
        return
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([str(program)], check=True, capture_output=True, text=True,
                       env=dict(os.environ, ROOST_NODE_DAY=out.name), timeout=300)
        data["card"] = [json.loads(line) for line in pathlib.Path(out.name).read_text().splitlines()]


def node_times(build, folder, plan, data):
    """Medians in ns: to READY, to the first seal, from SIGPWR to sealed."""
    root = build.parent.parent
    if (root / "src/tools/roost-node/roost-node").exists():
        data["node_times"] = node_start.measure(node_start.Programs(root, pathlib.Path(folder)), plan.starts)


# ---- a small SELECT on PostgreSQL ---------------------------------------------------------------

SMALL_SELECT = "small SELECT, libpq"
SMALL_SELECT_PLAIN, SMALL_SELECT_POOL = "small SELECT, mutex + condvar over libpq", "small SELECT, pool of 3"


def best_real_ns(program, name, plan):
    """The server's part of a statement included: the best of short repetitions."""
    report = run_json([program, "--benchmark_format=json", f"--benchmark_filter=^{name}/cycle$",
                       "--benchmark_min_time=0.02", f"--benchmark_repetitions={plan.repetitions}"])
    return min(row["real_time"] for row in report["benchmarks"] if row["run_type"] == "iteration")


def ratios(ours, theirs):
    """Medians over rounds of what ours is to theirs in the same round."""
    return {"per_second": statistics.median(a["per_second"] / b["per_second"] for a, b in zip(ours, theirs)),
            **{key: statistics.median(a["wait_us"][key] / b["wait_us"][key] for a, b in zip(ours, theirs))
               for key in ("p50", "p99", "p99.9")}}


def small_select(build, plan):
    """Alone: ns of each contestant, and counts. Together: 8 threads on 3 connections, in turns."""
    program = build / "bench_postgres"
    alone = []
    entries = run_json([program, "--list"])
    singles = [(program, entry) for entry in entries if not entry["contend"]]
    if (build / "bench_pqxx").exists():
        singles += [(build / "bench_pqxx", entry) for entry in run_json([build / "bench_pqxx", "--list"])]
    best = {}
    for _ in range(plan.passes * 3):
        for one, entry in singles:
            name = entry["name"]
            best[name] = min(best_real_ns(one, name, plan), best.get(name, float("inf")))
    for one, entry in singles:
        name = entry["name"]
        alone.append({"name": name, "note": entry["note"], "ns": best[name],
                      "heap_calls": counts.heap_calls(one, name) if plan.counts else None,
                      "instructions": counts.instructions(one, name) if plan.counts else None,
                      "system_calls": counts.system_calls(one, name) if plan.counts else None})
    runs = {SMALL_SELECT_PLAIN: [], SMALL_SELECT_POOL: []}
    for number in range(plan.rounds):
        for name in list(runs) if number % 2 else list(runs)[::-1]:
            runs[name].append(run_json([program, "--contend", name, 8, 0, plan.run_ms, 1]))
    return {"alone": alone, "ratios": ratios(runs[SMALL_SELECT_POOL], runs[SMALL_SELECT_PLAIN]),
            "together": [{"name": name, **median_run(values)} for name, values in runs.items()]}


def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            model = line.split(":", 1)[1].strip()
            break
    return {"processor": model, "processors": os.cpu_count(), "architecture": platform.machine(),
            "kernel": platform.release(), "load": os.getloadavg()[0]}


def version_of(package):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True,
                          text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def everything(build, folder, plan, steps):
    """All that the programs can tell, as one dictionary. `steps` is told what comes next."""
    pools, sqlite = build / "bench_pools", build / "bench_sqlite"
    data = {"machine": machine(), "missing": {}}
    peers = []
    for name, packages in PEERS.items():
        if (build / f"bench_{name}").exists():
            peers.append(build / f"bench_{name}")
        else:
            data["missing"][name] = packages

    steps.next("cycles of one thread: ns, instructions, heap calls, system calls")
    data["cycles"] = cycles(pools, plan)
    steps.next("cycles of the peers")
    data["peers"] = [row for program in peers for row in cycles(program, plan)
                     if row["name"] != "floor"]
    steps.next("heap calls of refusals")
    data["refusals"] = {what: counts.heap_calls(pools, "roost", what, *lengths)
                        for what, lengths in (("timeout", (10, 60)), ("refusal", (1000, 11000)))}
    steps.next("statements through the pool and by the raw handle")
    data["statements"] = cycles(sqlite, plan)

    main = [(pools, name) for name in MAIN]
    entries = {(program, entry["name"]): entry
               for program in [pools] + peers for entry in run_json([program, "--list"])}
    others = [key for key, entry in entries.items() if key[0] != pools and entry["contend"]]
    steps.next("many threads on three connections")
    data["contests"] = contests(main, others, plan)
    steps.next("hand-over to a waiter")
    bounded_peers = [key for key in others if key[0].name != "bench_cppdb"]
    data["hand_over"] = spans(main + bounded_peers, "--handover", plan.hand_overs, lambda key: True)
    steps.next("time-outs of 50 ms")
    data["lateness"] = spans(main + others, "--late", plan.late, lambda key: entries[key]["late"])
    steps.next("overflow that lingers")
    data["churn"] = run_json([pools, "--churn", "roost, housekeeper", plan.churn_ms])
    steps.next("three writers, on the pool's line and on busy_timeout")
    data["writers"] = run_json([build / "writer_gate", "--json", "--seconds", plan.gate_seconds],
                               env=dict(os.environ, TMPDIR=str(pathlib.Path(folder).resolve())))
    steps.next("power-safe rows in batches")
    data["batches"] = {"file_system": file_system(folder),
                       "rows": run_json([sqlite, "--batches", folder, plan.batch_ms])}
    steps.next("many rows over links of 0, 50 and 80 ms")
    many_rows(build, plan, data)
    steps.next("memory and start")
    data["sizes"] = run_json([sqlite, "--sizes"])
    data["bounded"] = bounded(sqlite, folder)
    data["footprint"] = footprint(build, folder, plan)
    steps.next("a day of the node: what it writes to the card")
    node_card(build, data)
    steps.next("the start of the node, and power that fails")
    node_times(build, folder, plan, data)
    return data
