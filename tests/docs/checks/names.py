"""Whatever the documentation names exists: options, codes, steps, variables, files, identifiers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from checks import Check, documents, files, read, without_code

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILDER = ("crates/forcegrant/src/builder.rs", "crates/forcegrant/src/builder/calls.rs")
CODES = "crates/forcegrant-proto/src/error/code.rs"
KINDS = "crates/forcegrant-proto/src/error/kind.rs"
ENVIRONMENT = "crates/forcegrant/src/environment/names.rs"
PYTHON_OPTIONS = "bindings/python/python/forcegrant/options.py"
POOL_BUILDER = "crates/forcegrant/src/pool/builder.rs"
POOL_GUIDE = "docs/guides/many-orgs.md"
NODE_POOL_OPTIONS = "bindings/node/src-ts/pool-options.cts"
NODE_OPTIONS = ("bindings/node/src-ts/login-options.cts", "bindings/node/src-ts/options.cts")

# Words in code type that are somebody else's, or a pattern; each with where it comes from.
FOREIGN = {
    "install_default": "rustls",
    "add_reader": "asyncio",
    "KeyboardInterrupt": "Python",
    "am_send": "CPython",
    "ImportError": "Python",
    "OSError": "Python",
    "post_fork": "gunicorn",
    "API_CURRENTLY_DISABLED": "Salesforce",
    "API_DISABLED_FOR_ORG": "Salesforce",
    "REQUEST_LIMIT_EXCEEDED": "Salesforce",
    "call_soon_threadsafe": "asyncio",
    "future_into_py": "pyo3-async-runtimes",
    "clock_gettime": "POSIX",
    "emptyDir": "Kubernetes",
}


def checks() -> Iterator[Check]:
    yield Check("options of the README", options)
    yield Check("options of pools", pool_options)
    yield Check("environment variables of the README", variables)
    yield Check("error codes and steps in tables", codes)
    for name in documents():
        yield Check(f"names in {name}", functools.partial(identifiers, name))
        yield Check(f"files named in {name}", functools.partial(paths, name))


def options() -> None:
    """The README's table has every option of the builder, and each binding has it too."""
    # Hidden methods are there for the bindings.
    source = re.sub(r"#\[doc\(hidden\)\]\s+pub fn", "hidden fn", "".join(map(read, BUILDER)))
    builder = {name for name in re.findall(r"pub fn (\w+)(?:<[^>]*>)?\(\s*(?:mut )?self", source) if not name.startswith("build")}
    table = section(read("README.md"), "## Options")
    first_cells = re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == builder, f"only in the README: {listed - builder}; missing: {builder - listed}"

    optional = {
        name for row in table.splitlines() if "not in every language" in row for name in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }
    python = set(re.findall(r"^    (\w+): .*$", class_of(PYTHON_OPTIONS, "ClientOptions"), re.MULTILINE))
    declared = "".join(map(read, NODE_OPTIONS))
    node = set(re.findall(r"^  (\w+)\?: ", declared, re.MULTILINE))
    # The ways to give credentials exclude one another, so they stand in alternatives, deeper.
    alternatives = set(re.findall(r"^ {6,}(\w+)\??: ", declared, re.MULTILINE))
    node |= alternatives & {camel_case(name) for name in builder}
    # What a client of one language alone calls APIs by.
    node.remove("fetch")
    for language, has, named in (("Python", python, str), ("Node", node, camel_case)):
        missing = {named(name) for name in builder - optional} - has
        unknown = has - {named(name) for name in builder}
        assert not missing, f"{language} lacks {missing}"
        assert not unknown, f"{language} has {unknown}, which the README does not name"


def pool_options() -> None:
    """The guide's table has every option of a pool's builder, and both bindings have them too."""
    # Options that a language has in another form, or that are there for bindings.
    other = {"options", "on_event"}
    builder = {
        name for name in re.findall(r"pub fn (\w+)(?:<[^>]*>)?\(\s*(?:mut )?self", read(POOL_BUILDER)) if not name.startswith("build")
    }
    builder -= other
    table = section(read(POOL_GUIDE), "## Options")
    listed = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
    assert listed == builder, f"only in the guide: {listed - builder}; missing: {builder - listed}"
    python = set(re.findall(r"^    (\w+): ", class_of(PYTHON_OPTIONS, "PoolOptions"), re.MULTILINE))
    assert python == builder, f"Python: {python ^ builder}"
    node = set(re.findall(r"^  (\w+)\?: ", read(NODE_POOL_OPTIONS), re.MULTILINE))
    assert node == {camel_case(name) for name in builder}, f"Node: {node}"


def class_of(path: str, name: str) -> str:
    """The text of one class of a Python file."""
    return re.split(r"^class ", read(path).split(f"\nclass {name}(", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def variables() -> None:
    """The README's table has every variable that is read, in the order in which they count."""
    source = read(ENVIRONMENT)
    read_names = re.findall(r'"((?:SALESFORCE|SF)_\w+)"', source.split("#[cfg(test)]")[0])
    table = section(read("README.md"), "## Environment variables")
    listed = re.findall(r"`((?:SALESFORCE|SF)_\w+)`", table)
    assert listed == read_names, f"README: {listed}\ncode: {read_names}"


def codes() -> None:
    """In every table with a column `code` or `kind`, the first cells are codes or kinds of the core."""
    known = {
        "code": set(re.findall(r'^    \w+ = "(\w+)", ErrorKind::', read(CODES), re.MULTILINE)),
        "kind": set(re.findall(r'^            Self::\w+ => "([a-z_]+)"', read(KINDS), re.MULTILINE)),
    }
    assert len(known["code"]) > 30, "the error table was not found in the core"
    assert len(known["kind"]) == 9, "the error kinds were not found in the core"
    wrong: list[str] = []
    seen: set[str] = set()
    for name in documents():
        text = without_code(read(name))
        for head, rows in re.findall(r"^(\|.*)\n\| ?---.*\n((?:\|.*\n)+)", text, re.MULTILINE):
            column = head.strip("| ").split(" | ")[0]
            if column not in known:
                continue
            for row in rows.splitlines():
                words = re.findall(r"`([^`]+)`", row.strip("| ").split(" | ")[0])
                assert words, f"{name}: a row without a {column}: {row}"
                seen.update(words)
                wrong += [f"{name}: `{word}` is no {column}" for word in words if word not in known[column]]
    assert not wrong, "\n".join(wrong)
    for column, expected in known.items():
        assert expected <= seen, f"no document names the {column} {expected - seen}"


def identifiers(name: str) -> None:
    """What looks like the name of a function, field, option or variable occurs in the source."""
    known = words_of_the_source()
    unknown = []
    for span in code_spans(name):
        for word in re.findall(r"(?<![\w./:-])[A-Za-z]\w*(?![\w/:-]|\.\w)", span):
            compound = "_" in word.strip("_") or re.search(r"[a-z][A-Z]", word)
            called = f"{word}(" in span
            if (compound or called) and word not in known and word not in FOREIGN:
                unknown.append(word)
    assert not unknown, f"not in the source: {', '.join(sorted(set(unknown)))}"


def paths(name: str) -> None:
    """What looks like a file or folder of the repository is one."""
    folders = {"/".join(path.split("/")[:depth]) for path in files() for depth in range(1, 9)}
    missing = []
    for span in code_spans(name):
        if not re.fullmatch(r"[\w.*{},-]+(/[\w.*{},-]+)*/?", span) or "*" in span or "{" in span:
            continue
        in_folder = "/" in span and span.split("/")[0] in folders
        file = re.search(r"\w\.(rs|py|pyi|cts|mts|mjs|cjs|json|toml|md)$", span)
        if not in_folder and not file:
            continue
        wanted = span.rstrip("/")
        if wanted in folders or any(path == wanted or path.endswith(f"/{wanted}") for path in files()):
            continue
        missing.append(span)
    assert not missing, f"not in the repository: {', '.join(sorted(set(missing)))}"


def code_spans(name: str) -> list[str]:
    text = without_code(read(name))
    if name == "CHANGELOG.md":
        # What a past release had may be gone by now; the newest is checked.
        text = "\n## ".join(text.split("\n## ")[:2])
    return re.findall(r"`([^`\n]+)`", text)


@functools.cache
def words_of_the_source() -> frozenset[str]:
    kinds = (".rs", ".py", ".pyi", ".cts", ".mts", ".mjs", ".cjs", ".js", ".json", ".toml", "Makefile")
    words: set[str] = set()
    for path in files():
        if path.endswith(kinds) and not path.startswith("tests/docs/"):
            words.update(re.findall(r"\w+", read(path)))
    return frozenset(words)


def section(text: str, heading: str) -> str:
    start = text.index(f"{heading}\n")
    end = text.find("\n## ", start + 1)
    return text[start:] if end < 0 else text[start:end]


def camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
