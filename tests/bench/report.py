"""The report: one HTML file that needs nothing else, readable in light and in dark."""
import html

import bars
import charts

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --faint: #5f6670; --line: #dcdfe4;
  --ours: #0b62c4; --plain: #9aa3af; --peer: #c9873a; --floor: #5f6670; --good: #17703a; --bad: #b3261e;
  --dot1: #9cc3f0; --dot2: #4c93e0; --dot3: #0b62c4; --dot4: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e6e8ea; --faint: #a0a7b0;
  --line: #343a42; --ours: #63a8ff; --plain: #6d7682; --peer: #d49a52; --floor: #a0a7b0; --good: #6fcf8f;
  --bad: #ff8a80; --dot1: #2f5d94; --dot2: #4c93e0; --dot3: #a9d0ff; --dot4: #ff8a80; } }
body { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
p.lead, td.note { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
td.verdict { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.met { color: var(--good); white-space: nowrap; }
.missed { color: var(--bad); font-weight: 700; white-space: nowrap; }
tr.ours td:first-child { color: var(--ours); font-weight: 600; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { max-width: 100%; height: auto; } p.legend { margin: 0; font-size: 13px; } p.legend span { margin-right: 1rem; }
svg text { fill: var(--ink); font: 12.5px system-ui, sans-serif; }
svg text.tick { fill: var(--faint); font-size: 11.5px; }
svg text.ours-label { fill: var(--ours); font-weight: 600; }
.grid { stroke: var(--line); } .range { stroke: var(--plain); stroke-width: 2; }
rect.ours { fill: var(--ours); } rect.plain { fill: var(--plain); } rect.peer { fill: var(--peer); }
rect.floor { fill: var(--floor); } .dot1 { fill: var(--dot1); } .dot2 { fill: var(--dot2); }
.dot3 { fill: var(--dot3); } .dot4 { fill: var(--dot4); }
"""

PLAIN = ("mutex + condvar", "FIFO mutex pool")
VERDICTS = {"met": "met", "NOT MET": "missed", "disturbed": "verdict note", "not measured": "verdict note"}
NOT_POOLS = ("floor", "2 atomics", "mutex pair", "PI mutex pair", "CLOCK_MONOTONIC", "CLOCK_MONOTONIC_COARSE")


def style_of(name):
    if name.startswith(("roost", "core")):
        return "ours"
    if name.startswith(PLAIN):
        return "plain"
    return "floor" if name in NOT_POOLS else "peer"


def colours():
    """What the bars' colours mean."""
    kinds = (("ours", "ours"), ("plain", "pools that people write themselves"), ("peer", "packaged peers"),
             ("floor", "no pools: atomics, locks, clocks"))
    return '<p class="legend">' + "".join(
        '<span><svg width="12" height="12">'
        f'<rect width="12" height="12" rx="2" class="{style}"/></svg> {name}</span>'
        for style, name in kinds) + "</p>"


def cell(value, kind=""):
    return f'<td class="{kind}">{html.escape(value)}</td>' if kind else f"<td>{html.escape(value)}</td>"


def table(head, rows):
    """`rows`: (row's class, cells as HTML); a head that ends in # is of numbers."""
    heads = "".join(f'<th class="number">{name[:-1]}</th>' if name.endswith("#") else f"<th>{name}</th>"
                    for name in head)
    body = "".join(f'<tr class="{style}">{"".join(cells)}</tr>\n' for style, cells in rows)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def figure(value, digits=3):
    if value is None:
        return "–"
    return bars.number(value) if digits == 3 else f"{value:.{digits}f}"


# ---- the parts of the page ----------------------------------------------------------------------


def bar_table(data):
    rows = []
    for bar in data["bars"]:
        sign = "≥" if bar["bound"] == "at least" else "≤"
        unit = f" {bar['unit']}" if bar["unit"] else ""
        measured = figure(bar["measured"]) + (unit if bar["measured"] is not None else "")
        rows.append(("", [cell(bar["what"]), cell(measured, "number"),
                          cell(f"{sign} {bars.number(bar['limit'])}{unit}", "number"),
                          cell(bar["verdict"], VERDICTS[bar["verdict"]]), cell(bar["note"], "note")]))
    return table(["what", "measured#", "bar#", "", ""], rows)


def languages_of(data):
    return data.get("languages", {}).get("rows", [])


def board_table(data):
    counts = data.get("aarch64")
    if not counts:
        return ""
    rows = [("", [cell(label), *(cell(str(counts[f"{cpu}.{kind}"]), "number")
                                 for cpu in ("cortex-a76", "cortex-a72"))])
            for kind, label in (("floor", "floor"), ("core", "core, idle stack, 2 + 1 slots"))]
    return table(["instructions of a cycle on a Pi, loop included", "5 (A76, LSE)#", "4 (A72)#"], rows)


def cycle_part(data):
    every = data["cycles"] + data["peers"] + languages_of(data)
    rows = [(row["name"], row["ns"], style_of(row["name"])) for row in sorted(every, key=lambda r: r["ns"])]
    chart = charts.bar_chart("One connection taken and given back, by one thread", "ns for each cycle", rows,
                             log=True)
    lines = []
    for row in every:
        lines.append((style_of(row["name"]),
                      [cell(row["name"]), cell(figure(row["ns"], 1), "number"),
                       cell(figure(row.get("floors"), 2), "number"),
                       *(cell(figure(row.get(key)), "number")
                         for key in ("instructions", "heap_calls", "system_calls")),
                       cell(row["note"], "note")]))
    head = ["", "ns#", "floors#", "instructions#", "heap calls#", "system calls#",
            "settings, and what it cannot do"]
    return f"<h2>One thread</h2>\n{colours()}{chart}{table(head, lines)}{board_table(data)}"


def contest_part(contest):
    rows, threads, hold = contest["rows"], contest["threads"], contest["hold"]
    what = f"{threads} threads, 3 connections, {hold}"
    parts = [charts.bar_chart(f"Throughput: {what}{'' if contest['timed'] else ', no clocks read'}",
                              "cycles per second",
                              [(row["name"], row["per_second"], style_of(row["name"])) for row in rows])]
    if contest["timed"]:
        parts.append(charts.dot_chart(f"How long a caller waits: {what}", "µs",
                                      [(row["name"], row["wait_us"], style_of(row["name"])) for row in rows]))
    lines = [(style_of(row["name"]),
              [cell(row["name"]), cell(figure(row["per_second"]), "number"),
               *(cell(figure(row["wait_us"][key]), "number") for key in ("p50", "p99", "p99.9", "max")),
               cell(figure(row["min_over_max"]), "number"), cell(figure(row["jain"], 4), "number"),
               cell(f"{row['quiet_runs']} + {row['discarded_runs']}", "number")]) for row in rows]
    head = ["", "cycles/s#", "p50 µs#", "p99 µs#", "p99.9 µs#", "longest µs#", "fewest / most#", "Jain#",
            "quiet runs + discarded#"]
    return "".join(parts) + f"<details><summary>the numbers</summary>{table(head, lines)}</details>"


def language_contest(data):
    rows = [(row["name"], row["contended"]["wait_us"], style_of(row["name"])) for row in languages_of(data)]
    if not rows:
        return ""
    return charts.dot_chart("Other languages: 8 threads, 3 connections, 500 µs of sleep", "µs", rows)


def wait_part(data):
    hand_over = [(row["name"], row["median"] / 1e3, style_of(row["name"])) for row in data["hand_over"]]
    late = [(row["name"], max(row["median"], 0) / 1e3, style_of(row["name"])) for row in data["lateness"]]
    return (charts.bar_chart("From a return to the waiter's next instruction, median", "µs", hand_over)
            + charts.bar_chart("How late a wait of 50 ms on an exhausted pool ends, median", "µs", late))


def statement_part(data):
    rows = [(row["name"], row["ns"], "ours" if "pool" in row["name"] else "floor")
            for row in data["statements"]]
    peers = [(f"SELECT 1, {row['name']}", row["select_ns"], "peer")
             for row in data["peers"] + languages_of(data) if row.get("select_ns")]
    return charts.bar_chart("One statement: acquired, run, returned; raw is a kept statement without a pool",
                            "ns", rows + peers, log=True)


def writer_part(data):
    writers = data["writers"]
    rows = [("the pool's line", writers["pool"]["wait_ms"], "ours"),
            ("sqlite3_busy_timeout", writers["busy_timeout"]["wait_ms"], "plain")]
    return charts.dot_chart("Three writers of 5-row transactions: how long one waits for the lock", "ms", rows)


def batch_part(data):
    batches = data["batches"]
    rows = [(f"batches of {batch['rows']}", batch, "ours") for batch in batches["rows"]]
    system = batches["file_system"]
    return (charts.bar_chart(f"Rows that survive a power cut ({system} of this machine, which is no SD card)",
                             "rows per second", [(label, b["rows_per_second"], s) for label, b, s in rows], log=True)
            + charts.bar_chart("What such a row costs in writing, checkpoints included", "bytes written per row",
                               [(label, b["bytes_per_row"], s) for label, b, s in rows]))


def many_rows_part(data):
    def style(row):
        return "plain" if row["name"].endswith("each row") else style_of(row["name"])
    rows = data.get("many_rows", [])
    return "".join(
        charts.bar_chart(f"A hundred rows in a transaction, each round trip taking {delay} ms", "rows per second",
                         [(f"{row['name']}: {row['round_trips']} round trips", row["rows_per_second"], style(row))
                          for row in rows if row["delay_ms"] == delay], log=True)
        for delay in sorted({row["delay_ms"] for row in rows}))


def small_select_part(data):
    seen = data.get("small_select")
    if not seen:
        return ""
    others = seen.get("languages", {}).get("rows", [])
    alone = seen["alone"] + others
    rows = [(row["name"], row["ns"] / 1e3, "floor" if row["name"] == "small SELECT, libpq"
             else style_of(row["name"].replace("small SELECT, pool", "roost"))) for row in alone]
    lines = [("", [cell(row["name"]), cell(figure(row["ns"] / 1e3, 1), "number"),
                   *(cell(figure(row.get(key)), "number")
                     for key in ("instructions", "heap_calls", "system_calls")),
                   cell(row["note"], "note")]) for row in alone]
    together = seen["together"] + [{"name": row["name"], **row["contended"]} for row in others]
    spans = [("", [cell(row["name"]), cell(figure(row["per_second"]), "number"),
                   *(cell(figure(row["wait_us"][key]), "number") for key in ("p50", "p99", "p99.9"))])
             for row in together]
    head = ["8 threads, 3 connections", "statements/s#", "p50 µs#", "p99 µs#", "p99.9 µs#"]
    return (charts.bar_chart("A row by its key: acquired, run, read, returned", "µs", rows)
            + table(["one thread", "µs#", "instructions#", "heap calls#", "system calls#", ""], lines)
            + table(head, spans))


def memory_part(data):
    sizes = [(name, size / 1024, "ours") for name, size in data["sizes"].items()]
    lines = []
    for kind, label in (("raw", "three raw handles"), ("pool", "the pool")):
        row = data["footprint"][kind]
        lines.append(("ours" if kind == "pool" else "",
                      [cell(label), *(cell(figure(row[key]), "number")
                                      for key in ("rss_kib", "private_dirty_kib", "threads", "program_kib")),
                       cell(str(len(row["libraries"])), "number"),
                       cell(figure(sum(row["libraries"].values())), "number"),
                       cell(figure(row["first_row_us"] / 1e3, 2), "number")]))
    head = ["the same small node with", "RSS KiB#", "private dirty KiB#", "threads#", "program KiB#",
            "libraries#", "their files KiB#", "first row after ms#"]
    return (charts.bar_chart("The pool object, connections and statements included", "KiB", sizes, log=True)
            + table(head, lines))


def card_part(data):
    rows = data.get("card", [])
    parts = []
    for name in dict.fromkeys(row["table"] for row in rows):
        some = [row for row in rows if row["table"] == name]
        parts.append(charts.bar_chart(
            f"What a day of readings writes to the card: {name}", "bytes for each reading",
            [(row["who"], row["bytes"] / row["readings"], style_of(row["who"].replace("roost-node", "roost")))
             for row in some], log=True))
        lines = [("ours" if row["who"] == "roost-node" else "",
                  [cell(row["who"]), cell(figure(row["bytes"] / (1 << 20), 1), "number"),
                   *(cell(figure(row[key]), "number") for key in ("frames", "pages", "syncs", "seals")),
                   cell(figure(row["pages"] / row["frames"], 2), "number")]) for row in some]
        parts.append(table([name, "MiB#", "frames of the log#", "pages of the file#", "syncs#", "transactions#",
                            "pages / frames#"], lines))
    return "".join(parts)


def power_part(data):
    times = data.get("node_times", {})
    lines = [("", [cell(what), cell(figure(took / 1e6, 2), "number")]) for what, took in times.items()]
    return table(["roost-node, medians", "ms#"], lines) if lines else ""


def remarks(data):
    """What a reader has to know before he believes a figure."""
    machine = data["machine"]
    yield (f"{data['taken']}, {data['seconds']} s on {machine['processors']} x {machine['processor']}, "
           f"{machine['architecture']}, load {machine['load']:.1f} before the run.")
    if data["quick"]:
        yield "This was a quick run: its times mean nothing."
    if machine["load"] > 0.3 * machine["processors"]:
        yield "The machine was busy: counts hold, ratios may not. Run it again in a quiet hour."
    discarded = sum(row["discarded_runs"] for contest in data["contests"] for row in contest["rows"])
    kept = sum(row["quiet_runs"] for contest in data["contests"] for row in contest["rows"])
    yield (f"Runs with many threads: {kept} quiet ones used, {discarded} discarded because others used "
           "the processors.")
    missing = {**data["missing"], **data.get("languages", {}).get("missing", {}),
               **data.get("small_select", {}).get("languages", {}).get("missing", {})}
    for name, why in missing.items():
        yield f"Not measured: {name} ({why})."


def page(data):
    met = sum(1 for bar in data["bars"] if bar["verdict"] == "met")
    judged = met + sum(1 for bar in data["bars"] if bar["verdict"] == "NOT MET")
    lead = "".join(f'<p class="lead">{html.escape(line)}</p>\n' for line in remarks(data))
    contests = "".join(contest_part(contest) for contest in data["contests"])
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>roostpool: benchmarks</title><style>{STYLE}</style></head><body>
<h1>roostpool beside other pools</h1>
{lead}<h2>The bars: {met} met of {judged} that were judged</h2>
{bar_table(data)}
{cycle_part(data)}
<h2>Many threads on three connections</h2>
<p class="lead">A pool that refuses instead of waiting is asked again after 1 ms, as its users do; CppDB opens more
connections instead. Medians of quiet runs.</p>
{contests}{language_contest(data)}{wait_part(data)}
<h2>SQLite</h2>
{statement_part(data)}{writer_part(data)}{batch_part(data)}
<h2>PostgreSQL on this machine</h2>
{small_select_part(data)}
<h2>PostgreSQL over a slow link</h2>
{many_rows_part(data)}
<h2>Memory and start</h2>
{memory_part(data)}
<h2>The node: its card and its power</h2>
<p class="lead">Bytes are counted by a VFS, on a clock that is turned by hand. From SIGPWR on nothing is written but the
seal.</p>
{card_part(data)}{power_part(data)}
</body></html>
"""
