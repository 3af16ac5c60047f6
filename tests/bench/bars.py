"""The bars of the project against what was measured: one row each, met or not."""


class Bar:
    """`measured` is a number; it has to be at most, or at least, `limit`. Where threads met in no
    `quiet` run, the number is shown and not judged."""

    def __init__(self, what, measured, limit, *, least=False, unit="x", note="", quiet=True):
        self.what, self.measured, self.limit = what, measured, limit
        self.least, self.unit, self.note, self.quiet = least, unit, note, quiet

    @property
    def verdict(self):
        if self.measured is None:
            return "not measured"
        if not self.quiet:
            return "disturbed"
        return "met" if self.is_within() else "NOT MET"

    def is_within(self):
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def as_dict(self):
        return {"what": self.what, "measured": self.measured, "limit": self.limit,
                "bound": "at least" if self.least else "at most", "unit": self.unit,
                "verdict": self.verdict, "note": self.note}


def by_name(rows):
    return {row["name"]: row for row in rows}


def over(one, other):
    return None if one is None or not other else one / other


def cycle_bars(data):
    rows = by_name(data["cycles"])
    roost, floor = rows["roost"], rows["floor"]
    peers = data["peers"] + data.get("languages", {}).get("rows", [])
    yield Bar("core, idle stack / floor", over(rows["core, idle stack"]["ns"], floor["ns"]), 1.35)
    yield Bar("acquire + return / floor", roost["floors"], 1.9,
              note="public interface, metrics, generation, recycle")
    untimed = rows["roost, no hold times"]
    yield Bar("instructions of acquire + return", untimed["instructions"], 64, unit="",
              note="by callgrind; without hold times")
    yield Bar("what hold times add to a lease", roost["ns"] - untimed["ns"], 8, unit="ns",
              note="about one lease of 128 is timed")
    yield Bar("mutex + condvar / ours", over(rows["mutex + condvar"]["ns"], roost["ns"]), 2,
              least=True, note="which does the same in a cycle")
    yield Bar("mutex + condvar, bare / ours", over(rows["mutex + condvar, bare"]["ns"], roost["ns"]), 2,
              least=True, note="which knows no age, generation, counts")
    if peers:
        nearest = min(peers, key=lambda row: row["ns"])
        yield Bar("the fastest packaged peer / ours", over(nearest["ns"], roost["ns"]), 4, least=True,
                  note=nearest["name"])
        bounded = [row for row in peers if "endless" not in row["name"]]
        nearest = min(bounded, key=lambda row: row["ns"])
        yield Bar("the fastest peer whose wait ends / ours", over(nearest["ns"], roost["ns"]), 4,
                  least=True, note=nearest["name"])
    for what, count in (("cycle", roost["heap_calls"]), ("time-out", data["refusals"]["timeout"]),
                        ("refusal", data["refusals"]["refusal"])):
        yield Bar(f"heap calls of a {what}", count, 0, unit="")
    yield Bar("system calls of a cycle", roost["system_calls"], 0, unit="")


def contest_of(data, threads, hold, timed=True):
    for contest in data["contests"]:
        if (contest["threads"], contest["hold"], contest["timed"]) == (threads, hold, timed):
            return by_name(contest["rows"])
    return {}


def quietness(*rows):
    """Of the runs behind a bar, for its constructor."""
    fewest = min(row["quiet_runs"] for row in rows)
    note = f"{fewest} quiet runs" if fewest else "no quiet run: the least disturbed one"
    return {"note": note, "quiet": fewest > 0}


def ratio_bar(what, rows, ours, theirs, key, limit, least=False):
    """The ratio of two contestants' figures in one contest."""
    if ours not in rows or theirs not in rows:
        return Bar(what, None, limit, least=least, note=f"no contestant {ours}")
    value = {name: rows[name]["wait_us"][key] if key in rows[name]["wait_us"] else rows[name][key]
             for name in (ours, theirs)}
    return Bar(what, over(value[ours], value[theirs]), limit, least=least,
               **quietness(rows[ours], rows[theirs]))


def contest_bars(data):
    ours, strict, barging, fifo = "roost, 3 kept", "roost, 3 kept, strict", "mutex + condvar", "FIFO mutex pool"
    rows = contest_of(data, 4, "no hold", timed=False)
    yield ratio_bar("4 threads, no hold: throughput / mutex + condvar", rows, ours, barging,
                    "per_second", 1.5, least=True)
    rows = contest_of(data, 8, "20 µs of computing")
    shape = "8 threads, 20 µs of computing"
    yield ratio_bar(f"{shape}: throughput / mutex + condvar", rows, ours, barging, "per_second", 0.9,
                    least=True)
    yield ratio_bar(f"{shape}: p99.9 wait / mutex + condvar", rows, ours, barging, "p99.9", 0.6)
    yield ratio_bar(f"{shape}: longest wait / mutex + condvar", rows, ours, barging, "max", 0.6)
    yield Bar(f"{shape}: Jain's index", rows[ours]["jain"], 0.99, least=True, unit="",
              **quietness(rows[ours]))
    yield ratio_bar(f"{shape}, strict: throughput / FIFO mutex pool", rows, strict, fifo,
                    "per_second", 1.05, least=True)
    yield ratio_bar(f"{shape}, strict: p99.9 wait / FIFO mutex pool", rows, strict, fifo, "p99.9", 1.3)
    rows = contest_of(data, 8, "500 µs of sleep")
    shape = "8 threads, 500 µs of sleep"
    yield ratio_bar(f"{shape}: p99 wait / FIFO mutex pool", rows, ours, fifo, "p99", 1.2)
    yield ratio_bar(f"{shape}: throughput / mutex + condvar", rows, ours, barging, "per_second", 0.98,
                    least=True)
    yield Bar(f"{shape}: fewest / most takes of a thread", rows[ours]["min_over_max"], 0.97,
              least=True, unit="", **quietness(rows[ours]))


def other_bars(data):
    yield Bar("2 + 1, 4 threads, no hold: connections opened per second",
              data["churn"]["opens_per_second"], 1, unit="/s", note="overflow lingers 1 s")
    statements = by_name(data["statements"])
    pool, raw = statements["SELECT 1, pool"], statements["SELECT 1, raw"]
    yield Bar("SELECT 1 through the pool - raw handle", pool["ns"] - raw["ns"], 15, unit="ns")
    yield Bar("heap calls of a cached query", pool["heap_calls"], 0, unit="")
    writers = data["writers"]
    ours, theirs = writers["pool"], writers["busy_timeout"]
    yield Bar("3 writers: busy_timeout's longest wait / ours", writers["worst_wait_ratio"], 20,
              least=True)
    yield Bar("3 writers: our transactions / busy_timeout's", over(ours["writes"], theirs["writes"]), 1,
              least=True)
    bounded = data["bounded"]
    yield Bar("SQLite bounded, 3 connections, 24 statements: arena + slab", bounded["block_bytes"] / 1024,
              230, unit="KiB", note=f"peak {bounded['arena_peak'] // 1024} KiB and "
              f"{bounded['pages_peak']} of {bounded['pages']} pages")
    yield Bar("the same: heap calls outside it, per round", bounded["heap_calls_per_round"], 0, unit="")
    yield Bar("pool object of raspberry_pi", data["sizes"]["raspberry_pi"] / 1024, 8, unit="KiB")
    pool, raw = data["footprint"]["pool"], data["footprint"]["raw"]
    yield Bar("RSS - the same program with raw handles", pool["rss_kib"] - raw["rss_kib"], 250, unit="KiB",
              note=f"code that lies in memory included; private and written: "
              f"{pool['private_dirty_kib'] - raw['private_dirty_kib']:.0f} KiB")
    yield Bar("shared libraries beyond that program's", len(pool["libraries"]) - len(raw["libraries"]), 0,
              unit="")
    yield Bar("threads beyond that program's", pool["threads"] - raw["threads"], 0, unit="")
    late = by_name(data["lateness"])["roost, 3 kept"]
    yield Bar("time-out of 50 ms: median lateness", late["median"] / 1e6, 0.3, unit="ms",
              note=f"longest of {late['count']}: {late['max'] / 1e6:.2f} ms")


def aarch64_bars(data):
    counts = data.get("aarch64") or {}
    yield Bar("aarch64 instructions of the core, idle stack, A76", counts.get("cortex-a76.core"), 36, unit="",
              note="LSE atomics")
    yield Bar("aarch64 instructions of the core, idle stack, A72", counts.get("cortex-a72.core"), 40, unit="",
              note="without LSE")


def small_select_bars(data):
    seen = data.get("small_select", {})
    rows = by_name(seen.get("alone", []))
    raw, ours = rows.get("small SELECT, libpq", {}), rows.get("small SELECT, pool without pings and hold times", {})
    what = "small SELECT on PostgreSQL"
    yield Bar(f"{what}: instructions / libpq", over(ours.get("instructions"), raw.get("instructions")), 1.35)
    yield Bar(f"{what}: system calls", ours.get("system_calls"), 3.5, unit="",
              note="3, and a look at the socket after a rest")
    yield Bar(f"{what}: statements a second / libpq", over(raw.get("ns"), ours.get("ns")), 0.95, least=True)
    shape = f"{what}, 8 threads on 3"
    found = seen.get("ratios", {})
    yield Bar(f"{shape}: throughput / mutex + condvar", found.get("per_second"), 1.4, least=True,
              note="medians of the rounds' ratios")
    yield Bar(f"{shape}: p99 / mutex + condvar", found.get("p99"), 1.1)
    yield Bar(f"{shape}: p99.9 / mutex + condvar", found.get("p99.9"), 0.9)


def many_rows_bars(data):
    rows = {(row["name"], row["delay_ms"]): row for row in data.get("many_rows", [])}
    slow = max((delay for _, delay in rows), default=0)
    ours = rows.get(("roost, RunAll", slow), {})
    yield Bar("round trips of 100 rows by RunAll", ours.get("round_trips"), 2, unit="",
              note="begin and commit included")
    for peer in ("libpqxx, pipeline", "SOCI, bulk"):
        other = rows.get((peer, slow), {})
        yield Bar(f"RunAll / {peer}, rows a second over {slow} ms",
                  over(ours.get("rows_per_second"), other.get("rows_per_second")), 1, least=True)


def node_bars(data):
    card = {(row["table"], row["who"]): row for row in data.get("card", [])}
    often = "--every 10s --seal-every 30s"
    ours, each = card.get((often, "roost-node"), {}), card.get((often, "plain, an INSERT each, FULL"), {})
    what = f"a day of roost-node {often}"
    yield Bar(f"{what}: an INSERT each / its bytes", over(each.get("bytes"), ours.get("bytes")), 20, least=True,
              note="not with 0.15 as well, while a row has 43 bytes: see pages and rows below")
    yield Bar(f"{what}: syncs / seals", over(ours.get("syncs"), ours.get("seals")), 1.1, unit="")
    yield Bar(f"{what}: pages copied / frames", over(ours.get("pages"), ours.get("frames")), 0.16, unit="",
              note="each reading is copied once")
    times = data.get("node_times", {})
    for which in ("a new file", "a file that is there"):
        yield Bar(f"first seal of roost-node / the C program, {which}",
                  over(times.get(f"first seal, {which}"), times.get(f"the C program, {which}")), 1.5)
    yield Bar("SIGPWR to sealed, ten readings", over(times.get("SIGPWR to sealed"), 1e6), 50, unit="ms",
              note="as long as a supply with a capacitor holds")


def bars_of(data):
    every = [*cycle_bars(data), *contest_bars(data), *other_bars(data), *many_rows_bars(data),
             *small_select_bars(data), *node_bars(data), *aarch64_bars(data)]
    return [bar.as_dict() for bar in every]


def number(value):
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def table(bars):
    """The bars as text."""
    lines = [f"{'':14}{'what':68}{'measured':>11}{'bar':>11}"]
    for bar in bars:
        limit = f"{'>=' if bar['bound'] == 'at least' else '<='} {number(bar['limit'])}"
        unit = f" {bar['unit']}" if bar["unit"] else ""
        measured = number(bar["measured"]) + (unit if bar["measured"] is not None else "")
        note = f"   {bar['note']}" if bar["note"] else ""
        lines.append(f"{bar['verdict']:14}{bar['what']:68}{measured:>11}{limit:>11}{note}")
    return "\n".join(lines)
