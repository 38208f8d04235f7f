"""Types, stubs and documentation agree with the package."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from inspect import cleandoc
from pathlib import Path

import forcegrant
from forcegrant import (
    AsyncClient,
    AsyncConnections,
    Client,
    Connection,
    Connections,
    SetupStep,
    _native,
    options,
)

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bindings/python/python/forcegrant"
FIXTURE = Path(__file__).with_name("typing_fixture.py")


def mypy(*args: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *args], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_stub_is_that_of_the_native_module() -> None:
    code, output = mypy(
        "mypy.stubtest", "--mypy-config-file", "pyproject.toml", "forcegrant._native"
    )
    assert code == 0, output


def test_type_checker_finds_what_is_wrong_and_nothing_else() -> None:
    expected = {
        (number, match[1])
        for number, line in enumerate(FIXTURE.read_text().splitlines(), 1)
        if (match := re.search(r"# E: ([a-z-]+)$", line))
    }
    _, output = mypy("mypy", "--no-pretty", "--hide-error-context", str(FIXTURE))
    found = {
        (int(match[1]), match[2])
        for line in output.splitlines()
        if (match := re.search(r"fixture\.py:(\d+): error: .*\[([a-z-]+)\]$", line))
    }
    assert found == expected, output


def test_stub_and_native_module_have_the_same_documentation() -> None:
    stub = ast.parse((PACKAGE / "_native.pyi").read_text())
    documented = 0
    for item in stub.body:
        if not isinstance(item, ast.ClassDef | ast.FunctionDef):
            continue
        pairs = [(item, getattr(_native, item.name))]
        if isinstance(item, ast.ClassDef):
            members = [member for member in item.body if isinstance(member, ast.FunctionDef)]
            pairs += [(member, getattr(pairs[0][1], member.name)) for member in members]
        for node, there in pairs:
            said = ast.get_docstring(node)
            if said is None and node.name.startswith("_"):
                continue
            documented += said is not None
            assert words(said) == words(there.__doc__), node.name
    assert documented > 50


def words(text: str | None) -> list[str]:
    return cleandoc(text or "").split()


def test_everything_public_is_documented() -> None:
    for name in forcegrant.__all__:
        if name in {"__version__", "SETUP_STEPS"}:
            continue
        thing = getattr(forcegrant, name)
        assert thing.__doc__, name
        assert thing.__module__ == "forcegrant", name
    for cls in (Client, AsyncClient, Connection, Connections, AsyncConnections, SetupStep):
        for name in dir(cls):
            if not name.startswith("_"):
                assert getattr(cls, name).__doc__, f"{cls.__name__}.{name}"


def test_both_clients_have_the_same_methods() -> None:
    def public(cls: type) -> set[str]:
        return {name for name in dir(cls) if not name.startswith("_")}

    # simple_salesforce knows only threads.
    assert public(Client) - {"async_client", "close", "simple_salesforce"} == public(
        AsyncClient
    ) - {
        "from_client",
        "aclose",
    }


def test_connections_of_both_kinds_have_the_same_methods() -> None:
    assert set(dir(Connections)) == set(dir(AsyncConnections))


def test_every_option_is_documented_with_its_default() -> None:
    body = next(
        item
        for item in ast.parse((PACKAGE / "options.py").read_text()).body
        if isinstance(item, ast.ClassDef)
    ).body[1:]
    for field, doc in zip(body[::2], body[1::2], strict=True):
        assert isinstance(field, ast.AnnAssign)
        assert isinstance(field.target, ast.Name)
        assert isinstance(doc, ast.Expr)
        assert isinstance(doc.value, ast.Constant)
        assert re.search(r"\[[^\[\]]+\]$", str(doc.value.value)), field.target.id
    assert len(body) // 2 == len(options.ClientOptions.__annotations__)


def test_version_is_one() -> None:
    assert forcegrant.__version__ == _native.__version__
    manifest = (ROOT / "Cargo.toml").read_text()
    assert f'version = "{forcegrant.__version__}"' in manifest
    project = (ROOT / "pyproject.toml").read_text()
    assert f'"forcegrant-emulator=={forcegrant.__version__}"' in project
