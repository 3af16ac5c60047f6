#!/usr/bin/env python3
"""Prometheus takes what `roostctl metrics` prints, and the alert rules ask for nothing else.

Usage: metrics_test.py ROOT ROOST_NODE ROOSTCTL
Needs python3-prometheus-client; with promtool (package prometheus) it checks names and rules, too.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from prometheus_client.parser import text_string_to_metric_families

ROOT, NODE, CTL = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
RULES = ROOT / "deploy/grafana"
PROMTOOL = shutil.which("promtool")
PATIENCE = 2000  # looks at a node that starts, of some 20 ms each


def export() -> str:
    """The figures of a node that has sealed something."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        environment.pop("RUNTIME_DIRECTORY", None)
        node = subprocess.Popen([NODE, "--db", f"{folder}/node.db", "--stdin", "--name", "node7", "--quiet"],
                                env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        try:
            for _ in range(PATIENCE):
                done = subprocess.run([CTL, "metrics", "node7"], env=environment, capture_output=True, text=True,
                                      check=False)
                if done.returncode == 0:
                    return done.stdout
            raise AssertionError(f"no figures: {done.stderr}")
        finally:
            node.kill()
            node.communicate()


class MetricsTest(unittest.TestCase):
    text = export()

    def test_the_python_client_reads_every_line(self):
        families = {family.name: family for family in text_string_to_metric_families(self.text)}
        self.assertEqual(families["db_client_connection_wait_time_seconds"].type, "histogram")
        self.assertEqual(families["db_client_connection_timeouts"].type, "counter")
        samples = [sample for family in families.values() for sample in family.samples]
        lines = [line for line in self.text.splitlines() if not line.startswith("#")]
        self.assertEqual(len(samples), len(lines))
        self.assertTrue(all(sample.labels["roost_node"] == "node7" for sample in samples))

    def test_every_metric_of_the_rules_is_exported(self):
        names = {sample.name for family in text_string_to_metric_families(self.text) for sample in family.samples}
        rules = (RULES / "alerts.yml").read_text()
        asked = set(re.findall(r"\b(?:db_client|roost_(?:pool|node))_\w+(?=[\[{ )\n]|$)",
                               "\n".join(re.findall(r"expr:(?: >-)?\s*((?:.*\n)(?: {10}.*\n)*)", rules))))
        asked -= {"db_client_connection_state"}  # a label
        self.assertGreater(len(asked), 7)
        self.assertEqual(asked - names, set())

    @unittest.skipUnless(PROMTOOL, "needs promtool")
    def test_promtool_has_one_remark(self):
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=self.text, capture_output=True, text=True, check=False)
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


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
