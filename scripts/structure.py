"""Holds the sources in Python and TypeScript to their shape: no import circles, and no retired words.

`crates/xtask` does the same for Rust. An import within a function counts, one under `TYPE_CHECKING` does not; in
TypeScript `import type` counts too. A name that a package only passes on is an import of the module that defines it.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workspace import ROOT

PYTHON_PACKAGE = ROOT / "bindings" / "python" / "python" / "forcegrant"
TYPESCRIPT_PROJECT = ROOT / "bindings" / "node" / "tsconfig.json"
RETIRED_WORDS = ROOT / "scripts" / "retired_words.json"


@dataclass
class Module:
    """A source file: the files that it imports, and the names that it declares with their kind."""

    imports: set[str] = field(default_factory=set)
    declared: list[tuple[str, str]] = field(default_factory=list)


Modules = dict[str, Module]


def python_modules(package: Path) -> Modules:
    """The modules of a package, by their dotted names."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        trees[".".join(parts)] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    if not trees:
        sys.exit(f"no modules in {package}")
    trees = {name.removesuffix(".__init__"): tree for name, tree in trees.items()}
    inits = {name for name in trees if any(other.startswith(f"{name}.") for other in trees)}
    passed_on = {name: names_passed_on(name, trees[name], name in inits) for name in trees}
    return {
        name: Module(
            {
                found
                for module, item in imports_of(name, tree, name in inits)
                if (found := defining(module, item, passed_on)) is not None and found != name
            },
            list(python_names(tree)),
        )
        for name, tree in trees.items()
    }


def imports_of(name: str, tree: ast.Module, is_package: bool) -> Iterator[tuple[str, str | None]]:
    """What a module imports: another module, and the item of it that is taken."""
    for node in reached_at_run_time(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), name, is_package)
            for alias in node.names:
                yield base, alias.name
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield absolute(argument.value, name, is_package), None


def reached_at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from reached_at_run_time(other)
        else:
            yield child
            yield from reached_at_run_time(child)


def absolute(written: str, name: str, is_package: bool) -> str:
    """The full name of a module that may be written with leading dots."""
    rest = written.lstrip(".")
    dots = len(written) - len(rest)
    if dots == 0:
        return rest
    parts = name.split(".")
    base = parts[: len(parts) - dots + is_package]
    return ".".join([*base, *filter(None, [rest])])


def names_passed_on(name: str, tree: ast.Module, is_package: bool) -> dict[str, tuple[str, str]]:
    """The names that a module imports at its top, and where each is from."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            base = absolute("." * node.level + (node.module or ""), name, is_package)
            found.update({alias.asname or alias.name: (base, alias.name) for alias in node.names})
    return found


def defining(module: str, item: str | None, passed_on: Mapping[str, Mapping[str, tuple[str, str]]]) -> str | None:
    """The module of the package that defines an item; None if it is of another package."""
    for _ in range(len(passed_on) + 1):
        if item is not None and f"{module}.{item}" in passed_on:
            module, item = f"{module}.{item}", None
        if module not in passed_on:
            return None
        if item is None or item not in passed_on[module]:
            return module
        module, item = passed_on[module][item]
    return None


def python_names(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every name that a module declares, with its kind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield "types", node.name
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield "functions", node.name
        elif isinstance(node, ast.arg):
            yield "other", node.arg
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            name = node.id if isinstance(node, ast.Name) else node.attr
            yield ("constants" if name.isupper() else "other"), name


def typescript_modules(project: Path) -> Modules:
    """The source files of a project, by their names."""
    command = ["node", str(ROOT / "bindings" / "node" / "scripts" / "modules.mjs"), str(project)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if not found:
        sys.exit(f"no modules in {project}")
    for path in {path for module in found.values() for path in module["imports"]} - found.keys():
        # A declaration of the addon is no module, and `package.json` neither.
        source = project.parent / path
        if source.suffix != ".json" and not source.with_suffix(f".d{source.suffix}").exists():
            sys.exit(f"{path} is imported, and not part of {project}")
    return {
        name: Module(
            {path for path in module["imports"] if path != name and path in found},
            [(kind, declared) for kind, declared in module["declared"]],
        )
        for name, module in found.items()
    }


def circles(modules: Modules) -> list[list[str]]:
    """The sets of modules that reach each other."""
    reached = {name: reachable(name, modules) for name in modules}
    found = {
        tuple(sorted(other for other in reached[name] if name in reached[other]))
        for name in modules
        if name in reached[name]
    }
    return [list(circle) for circle in sorted(found)]


def reachable(name: str, modules: Modules) -> set[str]:
    """The modules that are reached from one by an import or more."""
    found: set[str] = set()
    coming = list(modules[name].imports)
    while coming:
        module = coming.pop()
        if module not in found:
            found.add(module)
            coming += modules[module].imports
    return found


def retired(modules: Modules, words: Mapping[str, list[str]]) -> list[str]:
    """The declared names that contain a retired word."""
    found = {
        f"{module}: the name `{name}` is retired; see {RETIRED_WORDS.relative_to(ROOT)}"
        for module, content in modules.items()
        for kind, name in content.declared
        if name in words.get(kind, []) or not words_of(name).isdisjoint(words["anywhere"])
    }
    return sorted(found)


def words_of(name: str) -> set[str]:
    """The words of a name in snake case or camel case, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


def main() -> None:
    """Prints what is wrong, or how much was looked at."""
    words = json.loads(RETIRED_WORDS.read_text(encoding="utf-8"))
    problems = []
    counted = {"files": 0, "imports": 0}
    for modules in (python_modules(PYTHON_PACKAGE), typescript_modules(TYPESCRIPT_PROJECT)):
        counted["files"] += len(modules)
        counted["imports"] += sum(len(module.imports) for module in modules.values())
        for circle in circles(modules):
            lines = [
                f"  {name} -> {other}" for name in circle for other in sorted(modules[name].imports) if other in circle
            ]
            problems += [f"{len(circle)} files import each other in a circle:", *lines]
        problems += retired(modules, words)
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        sys.exit(1)
    print(f"structure of the packages: {counted['files']} files, {counted['imports']} imports, 0 circles")


if __name__ == "__main__":
    main()
