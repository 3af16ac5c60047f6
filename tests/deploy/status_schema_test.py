#!/usr/bin/env python3
"""The schema of `roostctl status --json` says what the program prints.

Usage: status_schema_test.py ROOT ROOST_NODE ROOSTCTL
Needs Debian's python3-jsonschema.
"""

import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import jsonschema

ROOT, NODE, CTL = (pathlib.Path(argument).absolute() for argument in sys.argv[1:4])
SCHEMA = json.loads((ROOT / "src/tools/roostctl/status.schema.json").read_text())
ANSWERS = ROOT / "tests/tools/answers"
PATIENCE = 2000  # looks at a node that starts, of some 20 ms each


def strict(schema):
    """The same schema, for which a member that it does not name is wrong."""
    schema = copy.deepcopy(schema)

    def close(part, within_condition=False):
        if isinstance(part, dict):
            if "properties" in part and "additionalProperties" not in part and not within_condition:
                part["additionalProperties"] = False
            for key, value in part.items():
                close(value, within_condition or key in ("if", "then"))
        elif isinstance(part, list):
            for value in part:
                close(value, within_condition)

    close(schema)
    return schema


def errors(schema, answer):
    return [f"{'/'.join(map(str, error.path))}: {error.message}"
            for error in jsonschema.Draft7Validator(schema).iter_errors(answer)]


def ask(environment, *arguments):
    return subprocess.run([CTL, "status", "--json", *arguments], env=environment, capture_output=True, text=True,
                          check=False)


def live() -> tuple[dict, int, str]:
    """What a node answers that has sealed something; and the text that is left once it was killed."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        environment.pop("RUNTIME_DIRECTORY", None)
        with subprocess.Popen([NODE, "--db", f"{folder}/node.db", "--stdin", "--name", "node7", "--quiet",
                               "--seal-every", "1ms"], env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as node:
            try:
                node.stdin.write("temperature 20.5 C\n")
                node.stdin.flush()
                for _ in range(PATIENCE):
                    done = ask(environment, "node7")
                    if done.returncode == 0:
                        break
                else:
                    raise AssertionError(f"no healthy node: {done.stdout}{done.stderr}")
            finally:
                node.kill()
        return json.loads(done.stdout), done.returncode, ask(environment, "node7").stdout


class StatusSchemaTest(unittest.TestCase):
    answer, code, gone = live()

    def test_it_is_a_schema(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)

    def test_a_live_answer_has_what_it_names_and_nothing_else(self):
        self.assertEqual(errors(strict(SCHEMA), self.answer), [])
        self.assertEqual(self.answer["exit_code"], self.code)
        self.assertGreaterEqual(self.answer["figures"]["node"]["readings_sealed"], 1)
        self.assertEqual(self.answer["figures"]["node"]["power"], "good")
        self.assertGreater(self.answer["pools"][0]["figures"]["sqlite"]["database_bytes"], 0)
        self.assertEqual(self.answer["pools"][0]["backend"], "sqlite")

    def test_a_program_that_is_gone(self):
        gone = json.loads(self.gone)
        self.assertEqual(errors(strict(SCHEMA), gone), [])
        self.assertEqual(gone["state"], "not running")

    def test_the_answers_that_are_kept(self):
        kept = sorted(ANSWERS.glob("*.json"))
        self.assertGreaterEqual(len(kept), 4)
        for path in kept:
            with self.subTest(path.name):
                self.assertEqual(errors(strict(SCHEMA), json.loads(path.read_text())), [])

    # A later version may add members.
    def test_a_reader_passes_over_what_it_does_not_know(self):
        later = copy.deepcopy(self.answer)
        later["new"] = later["pools"][0]["new"] = later["pools"][0]["stats"]["new"] = {"x": 1}
        self.assertEqual(errors(SCHEMA, later), [])

    def test_what_is_wrong_is_refused(self):
        wrong = []
        for change in (lambda a: a.update(exit_code=1), lambda a: a.update(state="fine"), lambda a: a.pop("pools"),
                       lambda a: a["pools"][0].update(slots={}), lambda a: a["pools"][0]["slots"][0].update(state="lent"),
                       lambda a: a["pools"][0]["stats"].update(checkouts="12"), lambda a: a.update(format=2),
                       lambda a: a["pools"][0]["figures"]["sqlite"].pop("busy_s"),
                       lambda a: a["figures"]["node"].update(power="gone")):
            answer = copy.deepcopy(self.answer)
            change(answer)
            wrong.append(len(errors(SCHEMA, answer)) > 0)
        self.assertEqual(wrong, [True] * len(wrong))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
