"""Writes the reference of the Python package, from its stubs and sources: `python_reference.py [FOLDER]`.

One Markdown file for each public module: what its `__all__` names, with the signature and the documentation of each,
and of each member of a class, inherited ones too. A public name without documentation is an error.
"""

from __future__ import annotations

import ast
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import version
from workspace import ROOT

PACKAGE = ROOT / "bindings/python/python/forcegrant"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Reference:
    """The definitions of the package."""

    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    others: dict[str, ast.stmt] = field(default_factory=dict)
    # The documentation of assignments: the string after each.
    notes: dict[int, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    documented: int = 0

    def document(self, node: ast.stmt, name: str) -> str:
        """The documentation of a definition."""
        text = self.notes.get(id(node))
        if isinstance(node, ast.ClassDef | Function):
            text = ast.get_docstring(node)
        if not text:
            self.missing.append(name)
            return ""
        self.documented += 1
        return f"{text}\n"


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    out = Path(arguments[0]) if arguments else ROOT / "target/docs/python"
    out.mkdir(parents=True, exist_ok=True)
    reference = Reference()
    modules = public_modules()
    for path in [*sorted(PACKAGE.rglob("*.py")), *sorted(PACKAGE.rglob("*.pyi"))]:
        read(path, reference)
    for module, path in modules.items():
        (out / f"{module}.md").write_text("\n".join(page(module, path, reference)), encoding="utf-8")
    for name in reference.missing:
        print(f"not documented: {name}", file=sys.stderr)
    print(f"Python reference: {reference.documented} documented names in {len(modules)} modules")
    return 1 if reference.missing or not reference.documented else 0


def public_modules() -> dict[str, Path]:
    """The modules whose names have no underscore, with their files."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if not any(part.startswith("_") for part in parts):
            found[".".join(parts)] = path
    return found


def read(path: Path, reference: Reference) -> None:
    """Every definition of a file; those of the stub come last and replace others."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))):
        for node, after in itertools.pairwise(body):
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and is_assignment(node):
                reference.notes[id(node)] = str(after.value.value)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            reference.classes[node.name] = node
        elif isinstance(node, Function):
            reference.others[node.name] = node
        elif is_assignment(node):
            reference.others[target(node)] = node


def page(module: str, path: Path, reference: Reference) -> Iterator[str]:
    """The page of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield f"# {module} {version.current(ROOT)}\n\n{ast.get_docstring(tree)}\n"
    for name in sorted(exported(tree), key=str.lower):
        if name.startswith("__"):
            continue
        found = reference.classes.get(name) or reference.others.get(name)
        if found is None:
            reference.missing.append(f"{module}.{name} (no definition was found)")
            continue
        yield f"## {name}\n\n{signature(found)}{reference.document(found, f'{module}.{name}')}"
        if isinstance(found, ast.ClassDef):
            for member, node in members(found, reference).items():
                yield f"### {name}.{member}\n\n{signature(node)}{reference.document(node, f'{module}.{name}.{member}')}"


def exported(tree: ast.Module) -> list[str]:
    """The names in `__all__`; a module without it exports the names without an underscore."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and target(node) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    public = [name_of(node) for node in tree.body if isinstance(node, ast.ClassDef) or is_assignment(node)]
    return [name for name in public if not name.startswith(("_", "TYPE_"))]


def members(found: ast.ClassDef, reference: Reference) -> dict[str, ast.stmt]:
    """The public members of a class and of its bases in this package, the nearest first."""
    named: dict[str, ast.stmt] = {}
    for node in found.body:
        name = name_of(node)
        if name and not name.startswith("_"):
            named.setdefault(name, node)
    for base in found.bases:
        above = reference.classes.get(ast.unparse(base))
        if above is not None:
            for name, node in members(above, reference).items():
                # A value that a subclass overrides has the documentation of the base.
                if name in named and id(node) in reference.notes:
                    reference.notes.setdefault(id(named[name]), reference.notes[id(node)])
                named.setdefault(name, node)
    return named


def signature(node: ast.stmt) -> str:
    """A definition without its body."""
    if isinstance(node, ast.ClassDef):
        made = {part.name: part for part in node.body if isinstance(part, Function)}
        maker = made.get("__new__") or made.get("__init__")
        bases = ", ".join(ast.unparse(base) for base in node.bases if not ast.unparse(base).startswith("_"))
        lines = [f"class {node.name}({bases})" if bases else f"class {node.name}"]
        if maker is not None:
            lines.append(f"{node.name}({ast.unparse(maker.args)})")
        text = "\n".join(lines)
    elif isinstance(node, Function):
        text = ast.unparse(node).partition(":\n")[0] if ":\n" in ast.unparse(node) else ast.unparse(node)
    else:
        text = ast.unparse(node)
    return f"```python\n{text}\n```\n\n"


def is_assignment(node: ast.stmt) -> bool:
    """`name = value`, `name: type` or both."""
    return isinstance(node, ast.AnnAssign | ast.Assign) and bool(target(node))


def name_of(node: ast.stmt) -> str:
    """The name that a statement defines, or nothing."""
    if isinstance(node, ast.ClassDef | Function):
        return node.name
    return target(node)


def target(node: ast.stmt) -> str:
    """The one name that an assignment is to, or nothing."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
