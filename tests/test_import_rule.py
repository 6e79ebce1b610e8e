"""Rules that every module of the package keeps, read from its source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedgin

ROOT = Path(fedgin.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
IDS = [module.relative_to(ROOT).as_posix() for module in MODULES]
DYNAMIC = {"import_module", "__import__", "find_spec", "optional_import"}


def called(node: ast.Call) -> str:
    """The last name of what is called: `load` in torch.load(...)."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of modules that a source imports, in whatever form."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and called(node) in DYNAMIC:
            for argument in node.args:
                assert isinstance(argument, ast.Constant), "a module's name must be plain to see"
                yield str(argument.value)


def parse(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def test_the_finder_sees_every_form_of_import() -> None:
    source = """
import nvflare
import nvflare.apis.dxo as dxo
from nvflare.apis import dxo
def late():
    import nvflare.fuel
    importlib.import_module("nvflare.app_opt")
    __import__("nvflare")
"""
    assert len([name for name in imported(ast.parse(source)) if name.startswith("nvflare")]) == 6


def test_the_modules_are_found() -> None:
    assert len(MODULES) > 50
    assert {"flare/learner.py", "augment/gin.py"} <= set(IDS)


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_only_the_flare_package_imports_nvflare(module: Path) -> None:
    uses = any(name.split(".")[0] == "nvflare" for name in imported(parse(module)))
    assert not uses or module.is_relative_to(ROOT / "flare")


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_nothing_is_printed(module: Path) -> None:
    calls = (node for node in ast.walk(parse(module)) if isinstance(node, ast.Call))
    assert not any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls)


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_files_that_could_hide_code_are_never_unpickled(module: Path) -> None:
    for node in ast.walk(parse(module)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = node.func.value
        if not isinstance(owner, ast.Name) or node.func.attr not in ("load", "loads"):
            continue
        keywords = {
            keyword.arg: keyword.value.value
            for keyword in node.keywords
            if isinstance(keyword.value, ast.Constant)
        }
        assert owner.id not in ("pickle", "joblib", "dill")
        if owner.id == "torch":
            assert keywords.get("weights_only") is True
        if owner.id in ("np", "numpy"):
            assert keywords.get("allow_pickle") is False


def test_torch_load_stands_in_one_place_where_the_file_is_checked_first() -> None:
    loads = [
        node
        for module in MODULES
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func) == "torch.load"
    ]
    assert len(loads) == 1


def loaded_after(statement: str, names: tuple[str, ...]) -> set[str]:
    code = f"import sys\n{statement}\nsys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    return set(names) & set(done.stdout.split())


def test_importing_the_learner_loads_neither_torch_nor_monai() -> None:
    statement = "from fedgin.flare.learner import SiteLearner; SiteLearner()"
    assert loaded_after(statement, ("torch", "monai", "scipy", "nvflare")) <= {"nvflare", "scipy"}


def test_receiving_a_model_needs_neither_torch_nor_monai() -> None:
    statement = "from fedgin.flare.delivery import ModelReceiver; ModelReceiver()"
    assert loaded_after(statement, ("torch", "monai", "nvflare")) == {"nvflare"}


def test_the_engine_loads_no_nvflare() -> None:
    statement = "import fedgin.engine.pooled, fedgin.engine.site_work, fedgin.report.run_table"
    assert loaded_after(statement, ("torch", "nvflare")) == {"torch"}
