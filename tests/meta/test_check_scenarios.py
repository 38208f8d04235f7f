"""The checker itself: each kind of mistake is found. Run with `python3 -m unittest discover -s tests/meta`."""

from __future__ import annotations

import copy
import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

import check_scenarios
from schema import SchemaError, Validator

SCHEMA = check_scenarios.read(check_scenarios.SCENARIOS / "schema.json")
CASE: dict[str, Any] = {
    "id": "some-case",
    "about": "a token, and the same again",
    "clock": "test",
    "steps": [
        {"do": "token", "save": "t1"},
        {"do": "advance", "seconds": 1},
        {"do": "token", "expect": {"token": {"same_as": "t1"}}},
    ],
}


def file_of(*scenarios: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": "./schema.json", "about": "test", "scenarios": list(scenarios)}


class Files(unittest.TestCase):
    def setUp(self) -> None:
        self.validator = Validator(SCHEMA)

    def test_committed_files_are_right(self) -> None:
        shared, core, wrong = check_scenarios.check_files(check_scenarios.SCENARIOS)
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(shared), check_scenarios.AT_LEAST)
        self.assertGreater(len(core), 0)

    def test_an_id_is_used_once_over_both_folders(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "core").mkdir()
            (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
            for path in (folder / "shared.json", folder / "core" / "table.json"):
                path.write_text(json.dumps(file_of(CASE)), encoding="utf-8")
            shared, core, wrong = check_scenarios.check_files(folder)
        self.assertEqual((shared, core), (["some-case"], ["some-case"]))
        self.assertIn("id some-case is used 2 times", wrong)

    def test_a_right_case_passes(self) -> None:
        self.assertEqual(self.validator.errors(file_of(CASE)), [])
        self.assertEqual(check_scenarios.check_names(CASE), [])

    def test_mistakes_that_the_schema_finds(self) -> None:
        def changed(**parts: Any) -> dict[str, Any]:
            return {**copy.deepcopy(CASE), **parts}

        wrong = {
            "unknown key of a scenario": changed(stepz=[]),
            "unknown key of a step": changed(steps=[{"do": "token", "sav": "t1"}]),
            "unknown step": changed(steps=[{"do": "tokn"}]),
            "unknown expectation": changed(steps=[{"do": "token", "expect": {"token": {"sameas": "t1"}}}]),
            "token and error": changed(steps=[{"do": "token", "expect": {"token": {}, "error": {"code": "timeout"}}}]),
            "unknown code": changed(steps=[{"do": "token", "expect": {"error": {"code": "time_out"}}}]),
            "unknown option": changed(client={"timeout": 3}),
            "unknown fault": changed(emulator={"faults": [{"endpoint": "token", "kind": "503"}]}),
            "boolean for a number": changed(client={"max_attempts": True}),
            "steps and build_error": changed(build_error={"code": "invalid_option"}),
            "neither": {"id": "some-case", "about": "x"},
            "id of one word": changed(id="case"),
        }
        for name, scenario in wrong.items():
            with self.subTest(name):
                self.assertNotEqual(self.validator.errors(file_of(scenario)), [])

    def test_the_message_names_place_and_key(self) -> None:
        scenario = copy.deepcopy(CASE)
        scenario["steps"][0]["sav"] = "t2"
        self.assertEqual(self.validator.errors(file_of(scenario)), ["$.scenarios[0].steps[0]: unknown key sav"])

    def test_names_before_they_are_given(self) -> None:
        def found(*steps: dict[str, Any], **parts: Any) -> list[str]:
            return check_scenarios.check_names({"id": "x-y", "about": "x", "steps": list(steps), **parts})

        self.assertEqual(len(found({"do": "token", "expect": {"token": {"same_as": "t1"}}})), 1)
        self.assertEqual(len(found({"do": "control", "request": {"op": "kill_session", "token": "$t1"}})), 1)
        self.assertEqual(len(found({"do": "token", "with": "other"})), 1)
        self.assertEqual(len(found({"do": "advance", "seconds": 1})), 1)
        self.assertEqual(len(found({"do": "requests", "endpoint": "token"})), 1)

    def test_pools_and_their_callers(self) -> None:
        def found(*steps: dict[str, Any]) -> list[str]:
            return check_scenarios.check_names({"steps": steps})

        pool, token = {"do": "new_pool"}, {"do": "token", "key": "acme"}
        self.assertEqual(found(pool, token, {"do": "settle", "with": "pool"}), [])
        self.assertEqual(found(pool, {"do": "events", "with": "pool", "expect": []}), [])
        self.assertEqual(found(token, pool), ["step 1: there is no pool pool"])
        self.assertEqual(found(pool, {"do": "token", "with": "pool"}), ["step 2: there is no client pool"])
        self.assertEqual(found(pool, {**token, "with": "main"}), ["step 2: there is no pool main"])
        self.assertEqual(found({"do": "new_pool", "as": "main"}), ["main is a client and a pool"])
        taken = {"do": "take_client", "key": "acme"}
        self.assertEqual(found(pool, taken), ["step 2: give either `as` or `expect`"])
        self.assertEqual(found(pool, {**taken, "as": "held"}, {"do": "token", "with": "held"}), [])
        start, finish = {"do": "start", "as": "first"}, {"do": "finish", "of": "first"}
        self.assertEqual(found(start, finish), [])
        self.assertEqual(found(start), ["first is never finished"])
        self.assertEqual(found(finish), ["step 1: first was not started"])
        new = {"do": "set_credentials", "login_url": "acme.my.salesforce.com"}
        self.assertEqual(len(found(new)), 1)

    def test_keywords_outside_the_subset_are_refused(self) -> None:
        with self.assertRaises(SchemaError):
            Validator({"format": "uri"}).errors("x")


class Reports(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)
        for runner in check_scenarios.RUNNERS:
            self.report(runner, ["a-a", "b-b", *(["core-c"] if runner == check_scenarios.CORE_RUNNER else [])])

    def report(self, runner: str, ran: list[str]) -> None:
        text = json.dumps({"runner": runner, "ran": ran})
        (self.path / f"{runner}.json").write_text(text, encoding="utf-8")

    def found(self) -> list[str]:
        return check_scenarios.check_reports(self.path, ["a-a", "b-b"], ["core-c"])

    def test_all_the_same(self) -> None:
        self.assertEqual(self.found(), [])

    def test_a_runner_without_report(self) -> None:
        (self.path / "node.json").unlink()
        self.assertEqual(self.found(), ["node: no report"])

    def test_a_skipped_scenario(self) -> None:
        self.report("python-sync", ["a-a"])
        self.assertEqual(self.found(), ["python-sync: did not run b-b"])

    def test_a_scenario_too_many_and_one_twice(self) -> None:
        self.report("node", ["a-a", "b-b", "b-b", "c-c"])
        self.assertEqual(self.found(), ["node: ran c-c, which is in no file", "node: ran b-b 2 times"])

    def test_the_tables_of_the_core_belong_to_one_runner(self) -> None:
        self.report("rust-async", ["a-a", "b-b"])
        self.report("node", ["a-a", "b-b", "core-c"])
        self.assertEqual(self.found(), ["rust-async: did not run core-c", "node: ran core-c, which is in no file"])

    def test_a_stray_report(self) -> None:
        self.report("deno", [])
        self.assertEqual(self.found(), ["deno.json: no such runner"])


if __name__ == "__main__":
    unittest.main()
