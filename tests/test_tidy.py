"""Style as a test: what no linter checks for us."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from projections.state import FOLDS

ROOT = Path(__file__).parent.parent
PACKAGES = ("events", "projections", "nexus")

FUNCTION_LINES_MAX = 40
MODULE_LINES_MAX = 400
TEST_MODULE_LINES_MAX = 500
LONGER_MODULES = {
    "events/catalog.py": (1000, "one class a kind: the list is the point, and it grows with the kinds"),
    "nexus/controller.py": (600, "the founding document gives it 600 lines"),
}
STARTED_FROM_OUTSIDE = {
    "projections.templates": "what the gateway learns of endpoints from requests",
    "nexus.client.aio": "programs with an event loop",
    "nexus.main": "the `nexus` command",
    "nexus.platforms.simulated": "the world that simulations run in",
    "events.memory": "the log that simulations write to",
}
FOREIGN = {
    "a path of one developer's machine": re.compile(r"(?<![\w.])/(work|root|tmp/bash\w*)/"),
    "the host of a package registry": re.compile(r"pypi\." + r"org|python" + r"hosted|registry\." + r"npmjs"),
}


def tracked() -> list[Path]:
    """Every file of the project, new ones included."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for path in (ROOT / name for name in set(listed)) if path.is_file())


FILES = tracked()
PYTHON = {path.relative_to(ROOT).as_posix(): path for path in FILES if path.suffix == ".py" or path.name == "dev"}
TREES = {name: ast.parse(path.read_text("utf-8"), name) for name, path in PYTHON.items()}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_functions_fit_on_a_screen() -> None:
    """No function is longer than 40 lines."""
    long = [
        f"{name}:{it.lineno} {it.name} has {lines} lines"
        for name, tree in TREES.items()
        for it in functions(tree)
        if (lines := (it.end_lineno or it.lineno) - it.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_modules_stay_short() -> None:
    """No module is longer than 400 lines, but for the named ones; one of tests may have 500."""
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in PYTHON.items()}
    limits = {name: TEST_MODULE_LINES_MAX for name in PYTHON if name.startswith("tests/")}
    limits |= {name: lines for name, (lines, _) in LONGER_MODULES.items()}
    assert {name: it for name, it in lengths.items() if it > limits.get(name, MODULE_LINES_MAX)} == {}


def test_packages_export_nothing() -> None:
    """`__init__.py` files are empty: another distribution could overwrite `events/__init__.py`."""
    assert [name for name, path in PYTHON.items() if path.name == "__init__.py" and path.stat().st_size] == []


def module_name(path: str) -> str:
    """`events.log` for events/log.py."""
    return path.removesuffix(".py").replace("/", ".")


def used() -> set[str]:
    """Every module that the product imports or names as a file, by its full name."""
    found: set[str] = set()
    for name, tree in TREES.items():
        if name.startswith("tests/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".py"):
                found.add(module_name(f"{name.rpartition('/')[0]}/{node.value}"))
    return found


def test_no_module_is_dead() -> None:
    """Every module of the product is used by another one or started from outside."""
    alive = used() | set(STARTED_FROM_OUTSIDE)
    modules = [name for name in PYTHON if name.startswith(PACKAGES) and not name.endswith("__.py")]
    assert [name for name in modules if module_name(name) not in alive] == []


def test_the_tree_names_no_machine() -> None:
    """No file names a path that exists on one machine only, nor where packages are fetched from."""
    named = [
        f"{path.relative_to(ROOT)}:{number} names {what}"
        for path in FILES
        if path.suffix not in (".png", ".ico", ".woff2", ".zip")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for what, pattern in FOREIGN.items()
        if pattern.search(line)
    ]
    assert named == []


def cases_of(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a module."""
    return [it for it in functions(tree) if it.name.startswith("test_")]


def test_every_test_says_what_it_shows() -> None:
    """Each test has a docstring of one sentence."""
    silent = [
        f"{name}:{it.lineno} {it.name}"
        for name, tree in TREES.items()
        if name.startswith("tests/")
        for it in cases_of(tree)
        if not (ast.get_docstring(it) or "").strip()
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """Tests wait for what they need with tests/waiting.py, the only place that sleeps."""
    sleeping = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        if name.startswith("tests/") and name != "tests/waiting.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "sleep"
    ]
    assert sleeping == []


def test_every_public_name_says_what_it_is() -> None:
    """Modules, public classes and public functions of the product have a docstring."""
    silent = [
        f"{name}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', '')}"
        for name, tree in TREES.items()
        if name.startswith(PACKAGES) and not name.endswith("__init__.py")
        for node in [tree, *tree.body]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not getattr(node, "name", "").startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_no_comment_keeps_dead_code_or_plans() -> None:
    """Comments say why; plans belong in the issues."""
    plans = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{name}:{number}"
        for name, path in PYTHON.items()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if plans.search(line)
    ]
    assert found == []


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_pure_core_contract_names_every_fold() -> None:
    """A new projection is held to purity and to full coverage from its first day."""
    contracts = project()["tool"]["importlinter"]["contracts"]
    pure = next(it for it in contracts if it["name"] == "the pure core knows no world")["source_modules"]
    assert [name for name in FOLDS if f"projections.{name}" not in pure] == []


@pytest.mark.parametrize(("lock", "extra"), [("requirements.txt", "aurora"), ("requirements-dev.txt", "dev")])
def test_the_lock_files_fit_the_project(lock: str, extra: str) -> None:
    """Each declared package is pinned to a version that is allowed; `./dev lock` makes it so."""
    declared = project()["project"]
    wanted = [*declared["dependencies"], *declared["optional-dependencies"][extra]]
    pins: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text("utf-8"), re.MULTILINE):
        pins.setdefault(name, []).append(version)
    needs = [need for need in map(Requirement, wanted) if need.name != "luminar-nexus"]
    unfit = [str(it) for it in needs if not any(map(it.specifier.contains, pins.get(it.name.lower(), [])))]
    assert unfit == []
