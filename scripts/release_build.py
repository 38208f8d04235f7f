"""Builds the files of a release into one folder.

    release_build.py --out FOLDER target TRIPLE   the wheels of one platform; its binaries for npm below FOLDER/parts
    release_build.py --out FOLDER common          the files for all platforms; the npm packages, from FOLDER/parts

The second needs `npm run build:ts` before. On Linux, zig is the linker (requirements-release.txt), so that the binaries
need no newer C library than their tags promise. No file holds a path of the machine that builds it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import archives
import artifacts
import sbom
import version
from artifacts import Target
from binaries import machine_of
from workspace import ROOT, run

EMULATOR = ROOT / "bindings/python-emulator"
NPM_EMULATOR = ROOT / "bindings/node-emulator"
PROGRAM = "forcegrant-emulator"
# The highest level: the wheel has a budget of 2.5 MB.
WHEEL = ["--release", "--locked", "--compression-level", "9"]


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("target").add_argument("triple")
    commands.add_parser("common")
    args = parser.parse_args(arguments)
    out = args.out.resolve()
    (out / "parts").mkdir(parents=True, exist_ok=True)
    env = environment()
    if args.command == "target":
        one_target(artifacts.target(args.triple), out, env)
    else:
        common(out, env)
    return 0


def environment() -> dict[str, str]:
    """Compiled files name their sources by paths that are the same on every machine; times are those of the commit."""
    env = dict(os.environ)
    home = Path(env.get("CARGO_HOME") or Path.home() / ".cargo")
    remap = [f"--remap-path-prefix={home}=/cargo", f"--remap-path-prefix={ROOT}=/forcegrant"]
    flags = [*env.get("RUSTFLAGS", "").split(), *remap]
    # Not RUSTFLAGS: a path with a space would be two flags there, and tools add flags of their own to this.
    env["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(flags)
    env.pop("RUSTFLAGS", None)
    if os.name != "nt":
        # The C code of ring, likewise. Microsoft's compiler writes no such paths into objects without debug data.
        env["CFLAGS"] = f"{env.get('CFLAGS', '')} -ffile-prefix-map={home}=/cargo".strip()
    if "SOURCE_DATE_EPOCH" not in env:
        said = subprocess.run(
            ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        env["SOURCE_DATE_EPOCH"] = said.stdout.strip()
    env.setdefault("CARGO_TARGET_DIR", str(ROOT / "target" / "release-build"))
    return env


def one_target(row: Target, out: Path, env: dict[str, str]) -> None:
    """Two wheels, the addon for Node, and the program of the emulator where one serves all of a system."""
    linux = ["--zig", "--compatibility", row.compatibility] if row.compatibility else []
    build = [sys.executable, "-m", "maturin", "build", *WHEEL, "--target", row.target, *linux]
    for folder, crate in ((ROOT, "forcegrant-python"), (EMULATOR, "forcegrant-emulator")):
        before = set(out.glob("*.whl"))
        run([*build, "--out", str(out)], env, folder)
        (wheel,) = set(out.glob("*.whl")) - before
        archives.add_to_wheel(wheel, "sboms/forcegrant.cdx.json", sbom.write([crate], [row.target]).encode())
    addon(row, out / "parts", env)
    list_of_crates = sbom.write(["forcegrant-node"], [row.target])
    (out / "parts" / f"forcegrant.{row.npm}.cdx.json").write_text(list_of_crates, encoding="utf-8")
    if row.emulator:
        name = PROGRAM + (".exe" if "windows" in row.target else "")
        into = out / "parts" / "bin" / row.emulator
        into.mkdir(parents=True, exist_ok=True)
        shutil.copy2(Path(env["CARGO_TARGET_DIR"], row.target, "release", name), into / name)


def addon(row: Target, folder: Path, env: dict[str, str]) -> None:
    """The library for Node. Not by napi: cross-compiling, it takes the newest C library that zig knows."""
    flags = dict(env)
    if row.target.endswith("musl"):
        # Node loads it with the C library that it uses itself.
        flags["CARGO_ENCODED_RUSTFLAGS"] += "\x1f-Ctarget-feature=-crt-static"
    build, target = "build", row.target
    if row.compatibility:
        # As `aarch64-unknown-linux-gnu.2.17`; with musl there is nothing to choose.
        oldest = row.compatibility.removeprefix("manylinux_").replace("_", ".")
        build, target = "zigbuild", f"{target}.{oldest}" if target.endswith("gnu") else target
    run(["cargo", build, "--release", "--locked", "--package", "forcegrant-node", "--target", target], flags)
    library = {"darwin": "libforcegrant_node.dylib", "windows": "forcegrant_node.dll", "linux": "libforcegrant_node.so"}
    built = Path(env["CARGO_TARGET_DIR"], row.target, "release", library[machine_of(row.target).split("-")[1]])
    shutil.copy2(built, folder / f"forcegrant.{row.npm}.node")


def common(out: Path, env: dict[str, str]) -> None:
    """The source distribution, the crates, the npm packages, and the list of all crates."""
    number = version.current(ROOT)
    run([sys.executable, "-m", "maturin", "sdist", "--out", str(out)], env)
    packed = ["cargo", "package", "--locked", "--no-verify", "--allow-dirty"]
    run([*packed, *(part for crate in artifacts.crates() for part in ("--package", crate))], env)
    for crate in artifacts.crates():
        shutil.copy2(Path(env["CARGO_TARGET_DIR"], "package", f"{crate}-{number}.crate"), out)
    staged = out / "parts" / "staged"
    stage = ["npm", "run", "--silent", "stage", "--", "--all", "--binaries", str(out / "parts"), "--out", str(staged)]
    run(stage, env)
    shutil.copytree(out / "parts" / "bin", NPM_EMULATOR / "bin", dirs_exist_ok=True)
    for program in (NPM_EMULATOR / "bin").glob("*/*"):
        # The mode is lost when a job of the workflow passes files to another.
        program.chmod(0o755)
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        shutil.copy2(ROOT / licence, NPM_EMULATOR)
    for folder in (*sorted(staged.iterdir()), NPM_EMULATOR):
        # Not its own script, which would add only the program of this platform.
        run(["npm", "pack", "--ignore-scripts", "--pack-destination", str(out), str(folder)], env)
    everything = sbom.write(["forcegrant-python", "forcegrant-node", "forcegrant-emulator", "forcegrant-cli"])
    (out / f"forcegrant-{number}.cdx.json").write_text(everything, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
