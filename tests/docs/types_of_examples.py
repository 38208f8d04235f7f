"""Type-checks every Python example of the documentation, and the demo, as their readers' editors do: pyright, strict.

An example leaves out the types of its own functions, so that it stays short; what follows from that alone is no error here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYRIGHT = ROOT / "node_modules/pyright/index.js"
NODE = os.environ.get("NODE", "node")

# Of functions without types of their own, and of libraries that have none.
LEFT_OUT = (
    "reportMissingParameterType",
    "reportUnknownArgumentType",
    "reportUnknownMemberType",
    "reportUnknownParameterType",
    "reportUnknownVariableType",
    "reportMissingTypeStubs",
    # Expressions that stand for what the reader does with them.
    "reportUnusedExpression",
)

# Examples that call what others call: their stand-ins have not all that those would pass.
STAND_INS = {"docs/recipes/python-grpc.md": "reportArgumentType"}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="forcegrant-") as folder:
        count = write(Path(folder))
        settings = {
            "include": ["."],
            "typeCheckingMode": "strict",
            "pythonVersion": "3.10",
            # The package from its sources; everything else from where it is installed.
            "extraPaths": [str(ROOT / "bindings/python/python")],
            **dict.fromkeys(LEFT_OUT, "none"),
        }
        Path(folder, "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
        python = os.environ.get("PYTHON", sys.executable)
        command = [NODE, str(PYRIGHT), "--project", folder, "--pythonpath", python, "--warnings"]
        code = subprocess.run(command, check=False).returncode
    print(f"types: {count} examples checked")
    return code


def write(folder: Path) -> int:
    """Each block as a file named after where it stands."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    count = 0
    for name in listed.stdout.split():
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.finditer(r"^```(?:py|python)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 1
            file = re.sub(r"\W", "_", name.removesuffix(".md")) + f"_line_{line}.py"
            head = f"# pyright: {STAND_INS[name]}=false\n" if name in STAND_INS else ""
            (folder / file).write_text(head + block[1], encoding="utf-8")
            count += 1
    for path in sorted((ROOT / "demo").glob("*.py")):
        (folder / path.name).write_bytes(path.read_bytes())
        count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
