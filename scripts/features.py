"""Compiles the core with each feature alone, with none, and with all together: `features.py`.

The list comes from the manifest, so that every new feature is compiled too.
"""

from __future__ import annotations

import subprocess
import sys

from public_api import features_of
from workspace import ROOT, environment


def main() -> int:
    """Returns the exit code."""
    features = [name for name in features_of("forcegrant") if name != "default"]
    combinations = [[], *([name] for name in features), features]
    for combination in combinations:
        print(f"features: {' '.join(combination) or 'none'}", flush=True)
        command = [
            "cargo",
            "clippy",
            "--quiet",
            "--locked",
            "--package",
            "forcegrant",
            "--lib",
            "--no-default-features",
        ]
        # Warnings are errors: code that only one combination uses is dead code in the others.
        command += ["--features", ",".join(combination), "--", "--deny", "warnings"]
        if subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode != 0:
            return 1
    print(f"features: {len(combinations)} combinations compile")
    return 0


if __name__ == "__main__":
    sys.exit(main())
