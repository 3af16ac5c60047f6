#!/usr/bin/env python3
"""Prometheus takes what `roostctl metrics` prints and what --metrics-file writes; the alert rules and the
dashboard ask for nothing else.

Usage: metrics_test.py ROOT ROOST_NODE ROOSTCTL
Needs python3-prometheus-client; with promtool (package prometheus) it checks names and rules, too, and with
prometheus-node-exporter what that makes of the files of two nodes.
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

ROOT, NODE, CTL = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
RULES = ROOT / "deploy/grafana"
PROMTOOL = shutil.which("promtool")
EXPORTER = shutil.which("prometheus-node-exporter")
PATIENCE = 2000  # looks at a program that starts, of some 20 ms each
MOST_SERIES = 400
# Labels that look like metrics of ours in an expression.
LABELS = {"db_client_connection_state", "db_client_connection_pool_name"}
OURS = r"\b(?:db_client|roost|node_textfile)_\w+(?=[\[{ )\n]|$)"


@contextlib.contextmanager
def running_node(folder, name, *arguments):
    """A node with two pools, the remote one of them away; its environment."""
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    environment.pop("RUNTIME_DIRECTORY", None)
    command = [NODE, "--db", f"{folder}/{name}.db", "--stdin", "--name", name, "--quiet", "--seal-every", "1ms",
               "--remote", "postgresql://nobody@127.0.0.1:1/none?sslmode=disable", *arguments]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as node:
        try:
            node.stdin.write("temperature 20.5 C\n")
            node.stdin.flush()
            yield node, environment
        finally:
            node.kill()


def eventually(look):
    """The first answer of `look` that is something."""
    for _ in range(PATIENCE):
        answer = look()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("it did not come")


def printed(environment, name, *arguments):
    done = subprocess.run([CTL, "metrics", name, *arguments], env=environment, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def series_of(text):
    return [line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]


def content(path):
    return path.read_text() if path.exists() else ""


@functools.cache
def export() -> str:
    """The figures of a node that has sealed something."""
    with tempfile.TemporaryDirectory() as folder, running_node(folder, "node7") as (_, environment):
        sealed = 'roost_node_readings_total{roost_node="node7",outcome="sealed"} 1\n'

        def with_a_seal():
            text = printed(environment, "node7")
            return text if sealed in text else ""

        return eventually(with_a_seal)


@functools.cache
def exporter_page() -> tuple[str, dict[str, str]]:
    """node_exporter's page over the files of two nodes, one of them by a link; and the files."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        (folder / "read").mkdir()
        # A file of its own, and one elsewhere that a link leads to.
        files = {"one": folder / "read/roost-one.prom", "two": folder / "roost-two.prom"}
        (folder / "read/roost-two.prom").symlink_to(files["two"])
        for node, path in files.items():
            (folder / node).mkdir()
            stack.enter_context(running_node(folder / node, node, "--metrics-file", path, "--metrics-every", "1h"))
        texts = {node: eventually(lambda path=path: content(path)) for node, path in files.items()}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        exporter = stack.enter_context(subprocess.Popen(
            [EXPORTER, "--collector.disable-defaults", "--collector.textfile",
             f"--collector.textfile.directory={folder}/read", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        stack.callback(exporter.kill)

        def page():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                return ""

        return eventually(page), texts


def expressions_of_rules():
    rules = (RULES / "alerts.yml").read_text()
    return re.findall(r"expr:(?: >-)?\s*((?:.*\n)(?: {10}.*\n)*)", rules)


def expressions_of_dashboard():
    board = json.loads((RULES / "roostpool.json").read_text())
    targets = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    return targets


class MetricsTest(unittest.TestCase):
    def exported(self):
        names = {sample.name for family in text_string_to_metric_families(export()) for sample in family.samples}
        return names | {"node_textfile_mtime_seconds"}

    def test_the_python_client_reads_every_line(self):
        families = {family.name: family for family in text_string_to_metric_families(export())}
        self.assertEqual(families["db_client_connection_wait_time_seconds"].type, "histogram")
        self.assertEqual(families["db_client_connection_timeouts"].type, "counter")
        self.assertEqual(families["roost_node_seal_duration_seconds"].type, "histogram")
        self.assertEqual(families["roost_sqlite_busy_seconds"].type, "counter")
        samples = [sample for family in families.values() for sample in family.samples]
        self.assertEqual(len(samples), len(series_of(export())))
        self.assertTrue(all(sample.labels["roost_node"] == "node7" for sample in samples))

    def test_two_pools_and_a_node_have_few_series(self):
        series = series_of(export())
        self.assertEqual(len(series), len(set(series)))
        self.assertLessEqual(len(series), MOST_SERIES)
        self.assertLessEqual(len(export()), 48 * 1024)

    def test_every_metric_of_the_rules_is_exported(self):
        asked = set(re.findall(OURS, "\n".join(expressions_of_rules()))) - LABELS
        self.assertGreater(len(asked), 12)
        self.assertEqual(asked - self.exported(), set())

    def test_every_metric_of_the_dashboard_is_exported(self):
        board = (RULES / "roostpool.json").read_text()
        variables = re.findall(r'"query": "(label_values.*)"', board)
        self.assertEqual(len(variables), 3)
        asked = set(re.findall(OURS, "\n".join(expressions_of_dashboard()))) - LABELS
        self.assertGreater(len(asked), 35)
        self.assertEqual(asked - self.exported(), set())

    # A data source of somebody else's Grafana, or one that is asked for at an import, shows nothing here.
    def test_the_dashboard_can_be_imported_without_an_edit(self):
        board = json.loads((RULES / "roostpool.json").read_text())
        self.assertNotIn("__inputs", board)
        self.assertLessEqual(board["schemaVersion"], 37, "Grafana 9 has no more")
        names = [variable["name"] for variable in board["templating"]["list"]]
        self.assertEqual(names, ["datasource", "instance", "node", "pool"])
        panels = board["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            for target in panel.get("targets", []):
                self.assertEqual(target["datasource"]["uid"], "${datasource}", panel["title"])
                self.assertEqual(set(re.findall(r"\$(\w+)", target["expr"])) - {*names, "__rate_interval"}, set())
        cells = [(x, y) for panel in panels for place in [panel["gridPos"]]
                 for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
        self.assertEqual(len(cells), len(set(cells)), "panels lie over one another")

    @unittest.skipUnless(PROMTOOL, "needs promtool")
    def test_promtool_takes_each_expression_of_the_dashboard_as_a_rule(self):
        rules = [{"record": f"panel:{number}", "expr": re.sub(r"\$__rate_interval", "5m", re.sub(r"\$(instance|node|pool)", ".*", expr))}
                 for number, expr in enumerate(expressions_of_dashboard())]
        self.assertGreater(len(rules), 35)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # JSON is YAML
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            done = subprocess.run([PROMTOOL, "check", "rules", file.name], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)

    @unittest.skipUnless(PROMTOOL, "needs promtool")
    def test_promtool_has_one_remark(self):
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=export(), capture_output=True, text=True, check=False)
        remarks = (done.stdout + done.stderr).splitlines()
        # OpenTelemetry's name for it.
        self.assertEqual([r.split()[0] for r in remarks if r], ["db_client_connection_count"], remarks)

    @unittest.skipUnless(PROMTOOL, "needs promtool")
    def test_every_rule_fires_and_has_a_near_miss_that_does_not(self):
        done = subprocess.run([PROMTOOL, "test", "rules", "alerts_test.yml"], cwd=RULES, capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        alerts = re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text())
        tests = (RULES / "alerts_test.yml").read_text()
        for alert in alerts:
            self.assertIn(f"name: {alert} fires", tests)
            self.assertIn(f"name: {alert} stays silent", tests)


class FileTest(unittest.TestCase):
    def test_roostctl_writes_the_file_that_it_would_print(self):
        with tempfile.TemporaryDirectory() as folder, running_node(folder, "node7") as (_, environment):
            eventually(lambda: printed(environment, "node7"))
            path = pathlib.Path(folder) / "x.prom"
            self.assertEqual(printed(environment, "node7", "--file", str(path)), "")
            names = re.compile(r"^# .*$", re.MULTILINE)
            self.assertEqual(names.findall(path.read_text()), names.findall(printed(environment, "node7")))
            self.assertEqual(path.stat().st_mode & 0o777, 0o644)
            done = subprocess.run([CTL, "metrics", "node7", "--file", f"{folder}/gone/x.prom"], env=environment,
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)

    def test_a_node_writes_it_again_and_takes_it_away(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "node.prom"
            with running_node(folder, "node7", "--metrics-file", path, "--metrics-every", "1s") as (node, _):
                first = eventually(lambda: path.stat().st_ino if path.exists() else 0)
                eventually(lambda: path.stat().st_ino != first)
                self.assertEqual(path.stat().st_mode & 0o777, 0o644)
                self.assertEqual([name for name in os.listdir(folder) if name.startswith("node.prom.") and name != "node.prom.lock"], [])
                node.stdin.close()
                node.wait()
                self.assertFalse(path.exists(), "a node that has ended has figures")

    # As on a disk that is full, or in a folder that comes later: one line, and it goes on.
    def test_a_folder_that_is_not_there_costs_a_node_one_line(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            path = folder / "late/node.prom"
            with running_node(folder, "node7", "--metrics-file", path, "--metrics-every", "1s") as (node, environment):
                sealed = 'outcome="sealed"} 1\n'
                eventually(lambda: sealed in printed(environment, "node7"))
                path.parent.mkdir()
                eventually(path.exists)
                node.stdin.close()
                said = [line for line in node.stderr.read().splitlines() if "metrics file" in line]
            self.assertEqual(len(said), 1, said)
            self.assertIn(str(path), said[0])

    def test_a_name_that_the_collector_passes_over_is_refused(self):
        done = subprocess.run([NODE, "--metrics-file", "/run/node.txt", "--for", "1ms", "--db", ":memory:"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("does not end in .prom", done.stderr)


@unittest.skipUnless(EXPORTER, "needs prometheus-node-exporter")
class NodeExporterTest(unittest.TestCase):
    def test_it_has_every_series_of_two_nodes_and_no_error(self):
        page, texts = exporter_page()
        self.assertIn("node_textfile_scrape_error 0\n", page)
        ours = sorted(line for line in series_of(page) if 'roost_node="' in line)
        # It sorts the labels by their names.
        self.assertEqual(len(ours), sum(len(series_of(text)) for text in texts.values()))
        for node, text in texts.items():
            self.assertEqual(sum(f'roost_node="{node}"' in line for line in ours), len(series_of(text)))
            self.assertLessEqual(len(series_of(text)), MOST_SERIES)
            self.assertIn(f"roost-{node}.prom", page)  # with its time


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
