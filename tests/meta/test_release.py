"""The script that checks a release before it is published accepts a correct one and finds each kind of mistake."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import struct
import sys
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import archives  # noqa: E402
import artifacts  # noqa: E402
import binaries  # noqa: E402
import lint_workflows  # noqa: E402
import verify_release  # noqa: E402
import version  # noqa: E402
from artifacts import Artifact, Target  # noqa: E402

NUMBER = version.current(ROOT)
LICENCES = {name: (ROOT / name).read_bytes() for name in verify_release.LICENCES}
KEY = verify_release.TEST_KEY


def binary(target: Target, needed: bytes = b"\0GLIBC_2.17\0GLIBC_2.2.5\0") -> bytes:
    """The first bytes of a library for a platform."""
    cpu = target.target.split("-")[0]
    if "windows" in target.target:
        number = {name: number for number, name in binaries._PE_MACHINES.items()}[cpu]
        return b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0" + struct.pack("<H", number) + bytes(64)
    if "apple" in target.target:
        number = {name: number for number, name in binaries._MACHO_CPUS.items()}[cpu]
        return b"\xcf\xfa\xed\xfe" + struct.pack("<I", number) + bytes(64)
    number = {name: number for number, name in binaries._ELF_MACHINES.items()}[cpu]
    return b"\x7fELF" + bytes(14) + struct.pack("<H", number) + bytes(64) + (needed if "gnu" in target.target else b"")


def sbom() -> bytes:
    crates = [{"name": f"crate{n}", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]} for n in range(12)]
    return json.dumps({
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"version": NUMBER}},
        "components": [*crates, {"name": "forcegrant"}],
    }).encode()


def wheel(row: Artifact) -> dict[str, bytes]:
    info = f"{row.name.split('-')[0]}-{NUMBER}.dist-info"
    found = dict.fromkeys(verify_release.wheel_names(row, NUMBER), b"")
    found.update({f"{info}/licenses/{name}": text for name, text in LICENCES.items()})
    said = f"Metadata-Version: 2.4\nVersion: {NUMBER}\nLicense-Expression: MIT OR Apache-2.0\n"
    found[f"{info}/METADATA"] = said.encode()
    python = "cp310-abi3" if row.kind == "wheel" else "py3-none"
    found[f"{info}/WHEEL"] = "".join(f"Tag: {python}-{tag}\n" for tag in row.platform.wheel.split(".")).encode()
    found[f"{info}/sboms/forcegrant.cdx.json"] = sbom()
    for name in found:
        if name.endswith(("/_native.abi3.so", "/_native.pyd")) or "/scripts/" in name:
            found[name] = binary(row.platform)
    record = f"{info}/RECORD"
    found[record] = "".join(
        f"{name},{archives._digest(content)},{len(content)}\n" for name, content in found.items() if name != record
    ).encode()
    found[record] += f"{record},,\n".encode()
    return found


def npm(row: Artifact) -> dict[str, bytes]:
    name = row.name.removesuffix(f"-{NUMBER}.tgz")
    package: dict[str, object] = {"name": name, "version": NUMBER, "license": "MIT OR Apache-2.0"}
    found = {**LICENCES, "README.md": b""}
    if row.target is not None:
        found |= {f"forcegrant.{row.target.npm}.node": binary(row.target), "sbom.cdx.json": sbom()}
    elif row.kind == "npm":
        package["optionalDependencies"] = {f"forcegrant-{target.npm}": NUMBER for target in artifacts.targets()}
        package["exports"] = {".": {"require": {"types": "./bindings/node/dist/index.d.cts"}}}
        package["bin"] = {"forcegrant": "./bindings/node/dist/cli.cjs"}
        found |= {"bindings/node/dist/index.d.cts": b"", "bindings/node/dist/cli.cjs": b""}
    else:
        for target in artifacts.targets():
            if target.emulator:
                end = ".exe" if "windows" in target.target else ""
                found[f"bin/{target.emulator}/forcegrant-emulator{end}"] = binary(target) + KEY
    return {**found, "package.json": json.dumps(package).encode()}


def content(row: Artifact) -> dict[str, bytes]:
    if row.kind in ("wheel", "emulator-wheel"):
        return wheel(row)
    if row.kind.startswith("npm"):
        return npm(row)
    if row.kind == "sbom":
        return {"": sbom()}
    if row.kind == "crate":
        name = row.name.removesuffix(f"-{NUMBER}.crate")
        manifest = f'[package]\nname = "{name}"\nversion = "{NUMBER}"\n'
        return {**LICENCES, "Cargo.toml": manifest.encode(), "src/lib.rs": b""}
    sources = {
        file.relative_to(ROOT).as_posix(): b""
        for file in verify_release.PACKAGE.rglob("*")
        if verify_release.is_source(file)
    }
    more = dict.fromkeys(("Cargo.lock", "bindings/python/src/lib.rs", "crates/forcegrant/src/lib.rs"), b"")
    return {**sources, **more, **LICENCES, "PKG-INFO": f"Version: {NUMBER}\n".encode()}


def write(folder: Path, row: Artifact, found: dict[str, bytes], not_executable: str = "?") -> None:
    path = folder / row.name
    if row.name.endswith(".whl"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in found.items():
                archive.writestr(name, text)
    elif row.name.endswith(".json"):
        path.write_bytes(found[""])
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name, text in found.items():
                entry = tarfile.TarInfo(f"package/{name}")
                entry.size = len(text)
                entry.mode = 0o755 if name.startswith("bin/") and not name.endswith(not_executable) else 0o644
                tar.addfile(entry, io.BytesIO(text))


class VerifyTest(unittest.TestCase):
    rows = artifacts.expected(NUMBER)

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory(prefix="forcegrant-")
        cls.addClassCleanup(folder.cleanup)
        cls.right = Path(folder.name)
        for row in cls.rows:
            write(cls.right, row, content(row))

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="forcegrant-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shutil.copytree(self.right, self.folder, dirs_exist_ok=True)

    def row(self, kind: str, triple: str | None = None) -> Artifact:
        return next(row for row in self.rows if row.kind == kind and (not triple or row.platform.target == triple))

    def problems(self) -> list[str]:
        return verify_release.verify(self.folder, self.rows, NUMBER)

    def changed(self, row: Artifact, **files: bytes | None) -> list[str]:
        """What is found when these files of an artifact are others, or gone; it is put back."""
        right = content(row)
        wrong = {name: text for name, text in {**right, **files}.items() if text is not None}
        write(self.folder, row, wrong)
        found = verify_release.verify(self.folder, [row], NUMBER, whole=False)
        write(self.folder, row, right)
        return [problem.removeprefix(f"{row.name}: ") for problem in found]

    def test_a_whole_release_is_accepted_and_gets_its_checksums(self) -> None:
        self.assertEqual(self.problems(), [])
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(verify_release.main([str(self.folder), "--write-checksums"]), 0)
            self.assertEqual(verify_release.main([str(self.folder)]), 0)
        sums = (self.folder / artifacts.CHECKSUMS).read_text(encoding="utf-8").splitlines()
        self.assertEqual({line[66:] for line in sums}, {row.name for row in self.rows})

    def test_a_file_that_changed_after_its_checksum_is_found(self) -> None:
        self.assertEqual(verify_release.fits(self.folder), ["SHA256SUMS is missing"])
        (self.folder / artifacts.CHECKSUMS).write_text(verify_release.checksums(self.folder), encoding="utf-8")
        self.assertEqual(verify_release.fits(self.folder), [])
        with (self.folder / self.rows[0].name).open("ab") as file:
            file.write(b"x")
        self.assertEqual(verify_release.fits(self.folder), ["SHA256SUMS does not fit the files"])

    def test_a_partial_release_is_found(self) -> None:
        for row in self.rows:
            (self.folder / row.name).rename(self.folder / "aside")
            expected = [f"{row.name} is missing", f"aside does not belong to the release of {NUMBER}"]
            self.assertEqual(self.problems(), expected)
            (self.folder / "aside").rename(self.folder / row.name)

    def test_files_of_another_version_are_found(self) -> None:
        old = self.folder / "forcegrant-0.0.9.tar.gz"
        old.write_bytes(b"")
        self.assertEqual(self.problems(), [f"{old.name} does not belong to the release of {NUMBER}"])
        old.unlink()
        row = self.row("wheel")
        info = f"forcegrant-{NUMBER}.dist-info/METADATA"
        found = self.changed(row, **{info: content(row)[info].replace(NUMBER.encode(), b"0.0.9")})
        self.assertIn(f"version: 0.0.9 instead of {NUMBER}", found)
        row = self.row("npm-platform")
        found = self.changed(row, **{"package.json": content(row)["package.json"].replace(NUMBER.encode(), b"0.0.9")})
        self.assertIn(f"version: 0.0.9 instead of {NUMBER}", found)

    def test_a_binary_of_another_platform_is_found(self) -> None:
        arm = artifacts.target("aarch64-unknown-linux-gnu")
        row = self.row("npm-platform", "x86_64-unknown-linux-gnu")
        found = self.changed(row, **{"forcegrant.linux-x64-gnu.node": binary(arm)})
        self.assertEqual(found, ["machine: aarch64-linux instead of x86_64-linux"])
        for kind, platform, name in (
            ("npm-platform", "aarch64-apple-darwin", "forcegrant.darwin-arm64.node"),
            ("npm-platform", "x86_64-pc-windows-msvc", "forcegrant.win32-x64-msvc.node"),
            ("npm-emulator", None, "bin/darwin-x64/forcegrant-emulator"),
        ):
            (problem,) = self.changed(self.row(kind, platform), **{name: binary(arm)})
            self.assertRegex(problem, "^machine: aarch64-linux instead of ")

    def test_a_binary_that_needs_a_newer_c_library_than_its_tag_says_is_found(self) -> None:
        row = self.row("npm-platform", "x86_64-unknown-linux-gnu")
        new = binary(row.platform, b"\0GLIBC_2.2.5\0GLIBC_2.34\0")
        found = self.changed(row, **{"forcegrant.linux-x64-gnu.node": new})
        self.assertEqual(found, ["it promises to work with glibc 2.17 and needs (2, 34)"])
        row = self.row("npm-platform", "x86_64-unknown-linux-musl")
        found = self.changed(row, **{"forcegrant.linux-x64-musl.node": new})
        self.assertEqual(found, ["it is for musl and needs glibc (2, 34)"])

    def test_a_program_that_is_not_executable_is_found(self) -> None:
        row = self.row("npm-emulator")
        write(self.folder, row, content(row), "darwin-arm64/forcegrant-emulator")
        (problem,) = self.problems()
        self.assertEqual(problem, f"{row.name}: bin/darwin-arm64/forcegrant-emulator is not executable")

    def test_wrong_tags_are_found(self) -> None:
        row = self.row("wheel", "x86_64-unknown-linux-gnu")
        (found, record) = self.changed(row, **{f"forcegrant-{NUMBER}.dist-info/WHEEL": b"Tag: cp310-abi3-linux_x86_64\n"})
        self.assertRegex(found, r"^tags: \{'cp310-abi3-linux_x86_64'\} instead of ")
        self.assertRegex(record, "^the record does not fit .*WHEEL$")

    def test_what_does_not_belong_there_is_found(self) -> None:
        for kind in ("sdist", "npm", "npm-platform", "npm-emulator", "crate"):
            self.assertEqual(self.changed(self.row(kind), **{"notes.txt": b""}), ["notes.txt does not belong there"])
        found = self.changed(self.row("wheel"), **{"forcegrant/__pycache__/a.pyc": b""})
        self.assertIn("forcegrant/__pycache__/a.pyc does not belong there", found)
        self.assertIn("the record lacks forcegrant/__pycache__/a.pyc", found)

    def test_what_is_missing_is_found(self) -> None:
        self.assertIn("forcegrant/py.typed is missing", self.changed(self.row("wheel"), **{"forcegrant/py.typed": None}))
        found = self.changed(self.row("npm"), **{"bindings/node/dist/cli.cjs": None})
        self.assertEqual(found, ["bindings/node/dist/cli.cjs is missing"])
        for kind in ("sdist", "npm", "npm-platform", "npm-emulator", "crate"):
            found = self.changed(self.row(kind), **{"LICENSE-MIT": b"All rights reserved."})
            self.assertEqual(found, ["LICENSE-MIT is not there, or not the one of the project"])

    def test_secrets_are_found(self) -> None:
        secrets = {
            "a private key": b"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "a token of npm": b"npm_" + b"a" * 36,
            "a token of PyPI": b"pypi-AgEIcHlwaS5vcmcCJGFi",
            "a token of GitHub": b"ghs_" + b"a" * 36,
            "a token of crates.io": b"cio" + b"a" * 32,
        }
        for what, text in secrets.items():
            for kind, name in (("npm", "README.md"), ("crate", "src/lib.rs"), ("sdist", "bindings/python/src/lib.rs")):
                found = self.changed(self.row(kind), **{name: b'"' + text + b'"\n'})
                self.assertEqual(found, [f"{name} holds {what}"])
        found = self.changed(self.row("npm"), **{".npmrc": b""})
        self.assertIn(".npmrc may hold credentials", found)
        self.assertEqual(self.changed(self.row("crate"), **{"src/jwt_test_key.pem": KEY}), [])

    def test_paths_of_the_machine_that_built_it_are_found(self) -> None:
        row = self.row("npm-platform", "x86_64-unknown-linux-gnu")
        name = "forcegrant.linux-x64-gnu.node"
        for path in (b"/home/runner/build", b"/home/ann/.cargo", b"/Users/ann/x", b"C:\\Users\\ann", b"/tmp/build"):
            (problem,) = self.changed(row, **{name: binary(row.platform) + b"\0" + path + b"/src/lib.rs\0"})
            self.assertRegex(problem, f"^{name} holds a path of another machine: ")
        self.assertEqual(self.changed(row, **{name: binary(row.platform) + b"\0/cargo/registry/src/x.rs\0"}), [])

    def test_a_file_that_is_too_big_is_found(self) -> None:
        row = self.row("npm")
        path = self.folder / row.name
        path.write_bytes(path.read_bytes() + bytes(artifacts.budgets()["npm"]))
        (problem,) = self.problems()
        self.assertRegex(problem, rf"{row.name}: \d+ bytes, more than 250000")

    def test_a_package_that_depends_on_others_or_runs_something_is_found(self) -> None:
        row = self.row("npm")
        package = json.loads(content(row)["package.json"])
        for more in ({"dependencies": {"left-pad": "1"}}, {"scripts": {"postinstall": "node x"}}):
            self.assertEqual(len(self.changed(row, **{"package.json": json.dumps({**package, **more}).encode()})), 1)
        info = f"forcegrant-{NUMBER}.dist-info/METADATA"
        text = content(self.row("wheel"))[info] + b"Requires-Dist: six\n"
        self.assertIn("it depends on another package", self.changed(self.row("wheel"), **{info: text}))

    def test_an_sbom_without_checksums_is_found(self) -> None:
        self.assertEqual(self.changed(self.row("sbom"), **{"": sbom().replace(b"hashes", b"other")}), ["the SBOM is not complete"])

    def test_a_file_that_is_not_an_archive_is_found(self) -> None:
        row = self.row("sdist")
        (self.folder / row.name).write_bytes(b"x")
        (problem,) = self.problems()
        self.assertIn(f"{row.name}: cannot be read", problem)

    def test_a_wheel_gets_its_sbom_with_a_record(self) -> None:
        row = self.row("wheel")
        found = {name: text for name, text in wheel(row).items() if "/sboms/" not in name}
        record = f"forcegrant-{NUMBER}.dist-info/RECORD"
        found[record] = b"".join(line for line in found[record].splitlines(keepends=True) if b"/sboms/" not in line)
        write(self.folder, row, found)
        archives.add_to_wheel(self.folder / row.name, "sboms/forcegrant.cdx.json", sbom())
        self.assertEqual(self.problems(), [])


class TableTest(unittest.TestCase):
    def test_platforms_are_those_of_the_node_package(self) -> None:
        package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
        self.assertEqual([row.target for row in artifacts.targets()], package["napi"]["targets"])

    def test_the_matrix_is_one_line_for_the_workflow(self) -> None:
        rows = json.loads(artifacts.matrix())["include"]
        self.assertEqual([row["target"] for row in rows], [row.target for row in artifacts.targets()])

    def test_crates_are_all_that_may_be_published(self) -> None:
        published = {
            path.parent.name
            for path in ROOT.glob("crates/*/Cargo.toml")
            if "publish = false" not in path.read_text(encoding="utf-8")
        }
        self.assertEqual(set(artifacts.crates()), published)
        workflow = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
        (line,) = (line for line in workflow.splitlines() if "cargo publish" in line)
        self.assertEqual({word for word in line.split() if word.startswith("forcegrant")}, published)

    def test_licences_are_checked_for_the_platforms_that_are_released(self) -> None:
        policy = (ROOT / "deny.toml").read_text(encoding="utf-8")
        for row in artifacts.targets():
            self.assertIn(f'"{row.target}"', policy)


class WorkflowTest(unittest.TestCase):
    def test_an_action_that_is_not_pinned_is_found(self) -> None:
        commit = "a" * 40
        for line in ("- uses: actions/checkout@v4", f"uses: a/b@{commit}", "uses: a/b@main # v1"):
            self.assertEqual(len(lint_workflows.unpinned("x.yml", line)), 1, line)
        self.assertEqual(lint_workflows.unpinned("x.yml", f"      - uses: a/b@{commit} # v1.2.3"), [])

    def test_nothing_is_published_before_everything_is_checked(self) -> None:
        workflow = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
        parts = verify_release.re.split(r"(?m)^  ([a-z]+):\n", workflow.split("\njobs:\n")[1])[1:]
        jobs = dict(zip(parts[::2], parts[1::2], strict=True))
        for name in ("crates", "pypi", "npm"):
            self.assertIn("needs: approve\n", jobs[name])
        self.assertIn("needs: gather\n", jobs["approve"])
        self.assertIn("startsWith(github.ref, 'refs/tags/v')", jobs["approve"])
        self.assertIn("scripts/verify_release.py dist --write-checksums", jobs["gather"])
        for name, job in jobs.items():
            publishes = any(word in job for word in ("cargo publish", "npm publish", "gh-action-pypi-publish"))
            self.assertEqual(publishes, name in ("crates", "pypi", "npm"), name)


if __name__ == "__main__":
    unittest.main()
