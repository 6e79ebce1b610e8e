"""No file that the package reads can run code, and what others wrote is read within bounds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fedgin

PACKAGE = Path(fedgin.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(ROOT.rglob("*.py"))
IDS = [module.relative_to(ROOT).as_posix() for module in MODULES]

PICKLERS = {"pickle", "cPickle", "_pickle", "joblib", "dill", "shelve", "marshal", "cloudpickle"}
CODE = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
UNSAFE_YAML = {"load", "load_all", "unsafe_load", "full_load", "unsafe_load_all", "full_load_all"}
UNSAFE_LOADERS = {"Loader", "UnsafeLoader", "FullLoader", "CLoader"}
BOUNDED = {"json.load", "json.loads", "yaml.safe_load", "yaml.safe_load_all", "model_validate_json"}

DOCUMENTS = "fedgin/documents.py"
OWN_OUTPUT = {
    # What a run of the same study left in its own folder, NaN among it.
    "fedgin/study/outcome.py",
    "fedgin/study/federated_run.py",
    "fedgin/study/store.py",
    "fedgin/flare/simulation.py",
    # Files of a worker process of the audit's own.
    "fedgin/audit/hostile_headers.py",
}
UNPICKLING_ERROR = {"fedgin/engine/torch_file.py"}
"""Names the error that torch raises, and nothing else of pickle."""


def faults(tree: ast.AST, module: str) -> Iterator[str]:
    """Everything in a source that could run what a file holds, or read it without bounds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.split(".")[0] in PICKLERS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLERS:
            names = {alias.name for alias in node.names}
            if not (module in UNPICKLING_ERROR and names == {"UnpicklingError"}):
                yield f"from {node.module} import"
        elif isinstance(node, ast.Attribute) and node.attr in UNSAFE_LOADERS:
            yield node.attr
        elif isinstance(node, ast.Call):
            yield from call_faults(node, module)


def call_faults(node: ast.Call, module: str) -> Iterator[str]:
    name = ast.unparse(node.func)
    last = name.rsplit(".", 1)[-1]
    keywords = {
        keyword.arg: keyword.value.value
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant)
    }
    if name in CODE or name in SHELLS:
        yield name
    if name in ("torch.load", "torch.jit.load") and keywords.get("weights_only") is not True:
        yield f"{name} without weights_only"
    if name in ("np.load", "numpy.load") and keywords.get("allow_pickle") is not False:
        yield "np.load without allow_pickle=False"
    if name.startswith(("np.", "numpy.")) and keywords.get("allow_pickle") is True:
        yield f"{name} with allow_pickle"
    if name.startswith("yaml.") and last in UNSAFE_YAML:
        yield name
    if keywords.get("shell") is True:
        yield f"{name} with a shell"
    if last in ("extractall", "extract", "unpack_archive"):
        yield name
    if (name in BOUNDED or last in BOUNDED) and module not in OWN_OUTPUT | {DOCUMENTS}:
        yield f"{name}, beside fedgin.documents"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import joblib.externals",
        "from dill import loads",
        "from pickle import UnpicklingError, loads",
        "import shelve as s",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "torch.load(f, weights_only=flag)",
        "np.load(f)",
        "numpy.load(f, allow_pickle=True)",
        "np.save(f, a, allow_pickle=True)",
        "yaml.load(f)",
        "yaml.load(f, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(f)",
        "yaml.safe_load(f)",
        "x = yaml.FullLoader",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "archive.extractall(folder)",
        "shutil.unpack_archive(f)",
        "json.loads(text)",
        "Model.model_validate_json(text)",
    ],
)
def test_the_finder_sees_every_form(source: str) -> None:
    assert list(faults(ast.parse(source), "fedgin/engine/torch_file.py"))


@pytest.mark.parametrize("module", MODULES, ids=IDS)
def test_no_file_can_run_code_or_is_read_without_bounds(module: Path) -> None:
    name = module.relative_to(ROOT).as_posix()
    assert list(faults(ast.parse(module.read_text(encoding="utf-8")), name)) == []


def test_the_exceptions_are_needed() -> None:
    for name in OWN_OUTPUT | UNPICKLING_ERROR:
        assert list(faults(ast.parse((ROOT / name).read_text(encoding="utf-8")), "elsewhere"))
