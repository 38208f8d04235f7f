"""The suites of `make test`, in the order in which they run: the quick ones first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import counts
import prepare
from counts import Reader, number_of, one_check
from workspace import NODE_MODULES, OLDEST, ROOT, VENV_PYTHON, built, environment

PYTHON = str(VENV_PYTHON)
DENY_WARNINGS = ["--", "--deny", "warnings"]
# With them the tests of these features run too. A command with them names no package: cargo would choose other features
# for the dependencies, and build them once more.
FEATURES = ["--features", "forcegrant/tracing,forcegrant/store-redis"]


@dataclass(frozen=True)
class Suite:
    """One line of the table: commands that belong together."""

    name: str
    commands: list[list[str]]
    # Reads the number of tests from the output; None for a build, which runs none.
    read: Reader | None = one_check
    env: dict[str, str] = field(default_factory=dict)
    # A program that the suite needs; without it, the suite is skipped.
    needs: str | None = None
    # Runs beside the suites that follow, after those that were started so before it.
    beside_others: bool = False
    # Begins when these, which run beside others, have ended.
    waits_for: tuple[str, ...] = ()


def all_suites(reports: Path) -> list[Suite]:
    """Every suite. The five scenario runners leave in `reports` what they ran."""
    builds = tuple(suite.name for suite in packages())
    # Most of the time tests of a language wait for an emulator, so one core has time for those of both.
    of_node = [replace(suite, beside_others=True) for suite in node(reports)]
    of_python = [replace(suite, waits_for=builds) for suite in python(reports)]
    beside = (*builds, *(suite.name for suite in of_node))
    of_both = [replace(suite, waits_for=beside) for suite in together(reports)]
    return [*checks(), *packages(), *rust(reports), *of_node, *of_python, *of_both]


def checks() -> list[Suite]:
    """Suites that need no build."""
    tool = str(NODE_MODULES / ".bin" / "biome")
    return [
        Suite(
            "lock files",
            [[PYTHON, "scripts/lock_files.py"]],
            number_of(r"lock files: (\d+)", "files"),
        ),
        Suite("version", [[PYTHON, "scripts/version.py"]], number_of(r"version .*: (\d+) places", "places")),
        Suite(
            "workflows",
            [[PYTHON, "scripts/lint_workflows.py"]],
            number_of(r"workflows: \d+ files, (\d+) checks", "checks"),
        ),
        Suite(
            "Rust versions",
            [[PYTHON, "scripts/msrv.py"]],
            number_of(r"Rust versions: (\d+) dependencies", "dependencies"),
        ),
        # Not `advisories`: that needs a database from elsewhere; the workflow of CI has it.
        Suite(
            "licences and sources",
            [["cargo", "deny", "--locked", "check", "licenses", "bans", "sources"]],
        ),
        Suite("rustfmt", [["cargo", "fmt", "--all", "--check"]]),
        Suite("spelling", [["typos"]]),
        Suite("ruff", [["ruff", "check", "."], ["ruff", "format", "--check", "."]]),
        Suite(
            "biome",
            [[tool, "check", "--error-on-warnings"]],
            number_of(r"Checked (\d+) files", "files"),
        ),
        Suite(
            "tools of the project",
            [
                [PYTHON, "-m", "unittest", "discover", "--start-directory", "tests/meta"],
                [PYTHON, "tests/meta/check_scenarios.py"],
            ],
            counts.unittest,
        ),
    ]


def packages() -> list[Suite]:
    """Both packages as they are published: users do not install debug builds."""
    return [
        Suite("build for Python", [prepare.python_build(True)], None, beside_others=True),
        Suite("build for Node", [prepare.node_build(True)], None, beside_others=True),
    ]


def rust(reports: Path) -> list[Suite]:
    """The crates, the two runners of the scenarios in Rust among them."""
    parts = ["--lib", "--bins", "--tests"]
    clippy = ["cargo", "clippy", "--locked"]
    test = ["cargo", "test", "--locked", *FEATURES]
    return [
        Suite(
            "clippy",
            [
                [*clippy, *FEATURES, "--all-targets", *DENY_WARNINGS],
                # Targets that run by name only.
                [*clippy, *FEATURES, "--test", "store_redis", "--test", "tinyproxy", *DENY_WARNINGS],
                # The library alone, with few features: its dependencies are those of the bindings.
                [*clippy, "--package", "forcegrant", "--lib", "--no-default-features", *DENY_WARNINGS],
                # No test targets: these have no tests that run outside of their languages.
                [*clippy, "--package", "forcegrant-python", "--package", "forcegrant-node", *DENY_WARNINGS],
            ],
        ),
        Suite("build of the crates", [["cargo", "build", "--locked", *FEATURES, *parts, "--examples"]], None),
        Suite(
            "structure",
            [[str(built("debug", "xtask", environment())), "structure"], [PYTHON, "scripts/structure.py"]],
            number_of(r"structure of the (?:crates|packages): (\d+) files", "files"),
        ),
        Suite(
            "Rust tests",
            [[*test, *parts]],
            counts.cargo,
            {"FORCEGRANT_SCENARIO_REPORT_DIR": str(reports)},
        ),
        Suite(
            "Redis store",
            # Most of them wait, most of the time.
            [["cargo", "test", "--locked", *FEATURES, "--test", "store_redis", "--", "--test-threads=6"]],
            counts.cargo,
            needs="redis-server",
        ),
        Suite(
            "a real proxy",
            [[*test, "--test", "tinyproxy"]],
            counts.cargo,
            needs="tinyproxy",
        ),
        Suite(
            "herd of processes",
            [[PYTHON, "scripts/herd.py", "--short"]],
            number_of(r"herd: (\d+) passed, 0 failed", "cases"),
        ),
        Suite(
            "model of the single flight",
            [[PYTHON, "scripts/model.py"]],
            counts.cargo,
        ),
        Suite("Rust doc tests", [[*test, "--doc"]], counts.cargo),
        Suite(
            "rustdoc",
            [["cargo", "doc", "--locked", "--no-deps", *FEATURES]],
            env={"RUSTDOCFLAGS": "--deny warnings"},
        ),
        Suite(
            "public interface",
            [[PYTHON, "scripts/public_api.py"]],
            number_of(r"public interface: (\d+) crates", "crates"),
        ),
        Suite(
            "features",
            [[PYTHON, "scripts/features.py"]],
            number_of(r"features: (\d+) combinations", "combinations"),
        ),
        Suite(
            "quickstart",
            [["cargo", "run", "--quiet", "--locked", *FEATURES, "--example", "quickstart"]],
        ),
    ]


def python(reports: Path) -> list[Suite]:
    """The Python package."""
    mypy_files = number_of(r"no issues found in (\d+) source file", "files")
    return [
        Suite(
            "mypy",
            [["mypy"], *(["mypy", each] for each in ("scripts", "demo", "tests/browser", "tests/databases"))],
            mypy_files,
        ),
        Suite(
            "stubtest",
            [["stubtest", "--mypy-config-file", "pyproject.toml", "forcegrant._native"]],
            number_of(r"no issues found in (\d+) module", "modules"),
        ),
        Suite(
            "pytest",
            [["pytest", "-q"]],
            counts.pytest,
            {"FORCEGRANT_SCENARIO_REPORT_DIR": str(reports)},
        ),
        Suite(
            "pytest, oldest libraries",
            [[PYTHON, "scripts/prepare.py", "tests/python/oldest-requirements.txt"], with_oldest()],
            counts.pytest,
            # The package as it was built above; it is not installed there.
            {"PYTHONPATH": str(ROOT / "bindings" / "python" / "python")},
        ),
        Suite("PostgreSQL", [["pytest", "-q", "tests/databases"]], counts.pytest, needs="pg_ctlcluster"),
        Suite("Python packages", [["pytest", "-q", "tests/packaging"]], counts.pytest),
    ]


def with_oldest() -> list[str]:
    """The tests of the adapters, with the oldest libraries."""
    tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "python").glob("test_calls*.py"))
    # That one waits for seconds, and no library has a part in it.
    quick = ["-k", "not retry_after_is_waited_for"]
    return [str(OLDEST / "bin" / "python"), "-m", "pytest", "-q", "-p", "forcegrant._pytest_plugin", *quick, *tests]


def node(reports: Path) -> list[Suite]:
    """The Node package."""
    return [
        Suite("tsc", [["npm", "run", "--silent", "typecheck"]]),
        Suite(
            "Node tests",
            [["npm", "test", "--silent"]],
            counts.node,
            {"FORCEGRANT_SCENARIO_REPORT_DIR": str(reports)},
        ),
        Suite(
            "Node runtimes",
            [
                [PYTHON, "scripts/prepare.py", "tests/node-runtimes"],
                ["npm", "run", "--silent", "test:runtimes"],
            ],
            counts.node,
        ),
        Suite("Node packages", [["npm", "run", "--silent", "test:packaging"]], counts.node),
    ]


def together(reports: Path) -> list[Suite]:
    """Suites for all languages."""
    return [
        Suite(
            "scenarios, 5 runners",
            [[PYTHON, "tests/meta/check_scenarios.py", "--reports", str(reports)]],
            number_of(r"scenarios: (\d+) valid, run by each of 5 runners", "scenarios"),
        ),
        Suite("one store for all languages", [["pytest", "-q", "tests/together"]], counts.pytest),
        Suite(
            "Connect page",
            [["pytest", "-q", "tests/browser"]],
            counts.pytest,
            needs="chromedriver",
        ),
        Suite(
            "reference",
            [[PYTHON, "scripts/python_reference.py"], ["node", "bindings/node/scripts/docs.mjs"]],
            number_of(r"reference: (\d+) documented names", "names"),
        ),
        # After the suites `public interface` and `reference`, which say what each language has.
        Suite(
            "one interface",
            [[PYTHON, "scripts/api_table.py"]],
            number_of(r"one interface: \d+ types, (\d+) members", "members"),
        ),
        Suite(
            "types of examples",
            [[PYTHON, "tests/docs/types_of_examples.py"]],
            number_of(r"types: (\d+) examples", "examples"),
        ),
        Suite(
            "documentation",
            [[PYTHON, "tests/docs/check.py"]],
            number_of(r"docs: (\d+) passed", "checks"),
        ),
    ]
