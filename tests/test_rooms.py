"""The plan of the house, held by its syntax trees.

What is not there yet breaks no rule; a new room has to be given its place in `LEVELS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import graf_cli
from graf_cli import errors

PACKAGE = Path(graf_cli.__file__).parent

# A room imports itself and what stands below it; rooms of one level ignore each other.
LEVELS = {
    "errors": 0,
    "version": 0,
    "stopping": 0,
    "arrays": 1,
    "decoding": 1,
    "syntax": 1,
    "weights": 2,
    "scene": 3,
    "families": 4,
    "rendering": 4,
    "surfaces": 5,
    "model": 5,
    "recipe": 6,
    "opening": 7,
    "sharding": 7,
    "shots": 7,
    "output": 7,
    "request": 7,
    "measure": 7,
    "engine": 8,
    "jobs": 9,
    "inversion": 10,
    "scoring": 10,
    "viewer": 10,
    "api": 11,
    "": 12,  # the front door
    "cli": 13,
    "__main__": 14,
}

# Where a library may be imported: a room or a module.
HOMES = {
    "click": {"cli"},
    "tqdm": {"cli"},
    "imageio": {"output.encode", "output.store.resumable"},
    "imageio_ffmpeg": {"output.encode"},
    "PIL": {"output", "inversion.photograph", "scoring.sets"},
    "OpenEXR": {"output"},
    "pickle": {"weights.reading"},
    "pickletools": {"weights.pickles"},
    "safetensors": {"weights.reading", "weights.writing"},
    "requests": {"weights.download", "weights.cache"},
    "filelock": {"weights.download", "weights.cache"},
    "yaml": {"families.configuration"},
    "ray": {"engine.cluster"},
    "aiohttp": {"viewer.server", "viewer.session", "cli.view"},
}

# What `graf --help` and `graf models` need must not import what is slow.
LIGHT = (
    "", "cli.main", "cli.models", "model.manifest", "families.graf.config", "families.graf.spec",
    "weights.download", "recipe",
)  # fmt: skip
SLOW = {"torch", "numpy", "safetensors", "requests", "imageio", "PIL", "tqdm"}
NO_TORCH = (
    "arrays", "model.spec", "scene.spec", "scene.features", "families.configuration",
    "surfaces.options", "output.table",
    "families.graf.spec",
    "families.giraffe.spec", "families.giraffe.config", "families.pigan.spec",
    "families.eg3d.spec",
)  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One name that one module imports.

    Attributes
    ----------
    name : str
        Of a module, or of something in one, in full.
    at_once : bool
        Whether the import runs when the module is imported.
    """

    name: str
    at_once: bool


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax trees by dotted name without the package's; the package itself is ""."""
    trees = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        trees[name] = ast.parse(path.read_text(), filename=str(path))
    return trees


def imports(name: str) -> Iterator[Import]:
    return _imports(modules()[name], at_once=True)


def _imports(node: ast.AST, *, at_once: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names):
                yield from (Import(alias.name, at_once) for alias in names)
            case ast.ImportFrom(module, names, level):
                assert level == 0, "imports are absolute"
                yield from (Import(f"{module}.{alias.name}", at_once) for alias in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from _imports(child, at_once=False)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imports(child, at_once=False)
            case _:
                yield from _imports(child, at_once=at_once)


def own(imported: str) -> str | None:
    """The module of this package that an import means, as `modules` names it."""
    root, _, rest = imported.partition(".")
    if root != PACKAGE.name:
        return None
    while rest and rest not in modules():
        rest = rest.rpartition(".")[0]
    return rest


def room(module: str) -> str:
    return module.partition(".")[0]


def home(module: str, homes: set[str]) -> bool:
    """Whether a module is one of some modules or rooms, or stands in one of them."""
    return any(module == one or module.startswith(f"{one}.") for one in homes)


# imports point one way


@pytest.mark.parametrize("name", modules())
def test_a_room_imports_from_below_alone(name: str) -> None:
    here = room(name)
    assert here in LEVELS, f"{name} has no place in LEVELS"
    for imported in imports(name):
        target = own(imported.name)
        if target is None or room(target) == here:
            continue
        assert LEVELS[room(target)] < LEVELS[here], f"{name} imports {imported.name}"


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The nodes on a way back to themselves, and those from which one leads to it."""
    left = {name: targets & graph.keys() for name, targets in graph.items()}
    while ends := {name for name, targets in left.items() if not targets & left.keys()}:
        left = {name: targets for name, targets in left.items() if name not in ends}
    return set(left)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports inside of functions and for types alone count as well."""
    graph = {
        name: {target for imported in imports(name) if (target := own(imported.name)) is not None}
        - {name}
        for name in modules()
    }
    assert circles(graph) == set()


@pytest.mark.parametrize("name", modules())
def test_a_library_stays_at_home(name: str) -> None:
    for imported in imports(name):
        homes = HOMES.get(imported.name.partition(".")[0])
        assert homes is None or home(name, homes), f"{name} imports {imported.name}"


def loaded_with(name: str) -> set[str]:
    """The modules of this package that importing one runs."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        module = pending.pop()
        if module in seen or module not in modules():
            continue
        seen.add(module)
        parent = module.rpartition(".")[0]
        targets = (own(imported.name) for imported in imports(module) if imported.at_once)
        pending += ["", parent, *(target for target in targets if target is not None)]
    return seen


@pytest.mark.parametrize("name", LIGHT)
def test_what_answers_at_once_imports_nothing_slow(name: str) -> None:
    for module in loaded_with(name):
        for imported in imports(module):
            library = imported.name.partition(".")[0]
            assert not (imported.at_once and library in SLOW), f"{module} imports {imported.name}"


@pytest.mark.parametrize("name", NO_TORCH)
def test_what_needs_no_tensors_imports_no_torch(name: str) -> None:
    for module in loaded_with(name):
        for imported in imports(module):
            assert imported.name.partition(".")[0] != "torch", f"{module} imports torch"


# names explain themselves


def undocumented(node: ast.AST, inside: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if child.name.startswith("_"):
            continue
        if ast.get_docstring(child) is None:
            yield f"{inside}.{child.name}"
        if isinstance(child, ast.ClassDef):
            yield from undocumented(child, f"{inside}.{child.name}")


@pytest.mark.parametrize("name", modules())
def test_what_is_public_has_a_docstring(name: str) -> None:
    assert [*undocumented(modules()[name], name)] == []


# errors


@pytest.mark.parametrize("name", sorted(modules().keys() - {"errors"}))
def test_every_error_that_is_ours_is_in_the_tree(name: str) -> None:
    """Only `errors` makes kinds of `GrafError`."""
    ours = {key for key, value in vars(errors).items() if isinstance(value, type)}
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            assert not bases & ours, f"{name}.{node.name} belongs into errors"


OPTION = re.compile(r"(?<![\w-])--[a-z]")
OF_OTHERS = ("--num-gpus 0", "ray start --head")  # options of other programs, which are meant


def options(tree: ast.Module) -> Iterator[str]:
    """Words, no docstrings, that name an option of the command line."""
    nodes = [*ast.walk(tree)]
    notes = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            words = node.value
            for known in OF_OTHERS:
                words = words.replace(known, "")
            if OPTION.search(words):
                yield f"line {node.lineno}: {node.value}"


@pytest.mark.parametrize("name", sorted(name for name in modules() if room(name) != "cli"))
def test_the_library_names_arguments_and_no_options(name: str) -> None:
    """As ⟨out⟩, which whoever tells of an error spells."""
    assert [*options(modules()[name])] == []


# tensors


FACTORIES = frozenset(
    {
        "arange", "as_tensor", "empty", "eye", "full", "linspace", "ones", "rand",
        "randint", "randn", "randperm", "tensor", "zeros", "Generator",
    }
)  # fmt: skip


def slips(tree: ast.Module) -> Iterator[str]:
    """Tensors made without saying where, or what they hold."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(ast.Name("torch"), factory), _, keywords) if (
                factory in FACTORIES
            ):
                given = {keyword.arg for keyword in keywords}
                wanted = {"device"} if factory == "Generator" else {"device", "dtype"}
                if not (wanted <= given or None in given):
                    yield f"torch.{factory} in line {node.lineno}"


@pytest.mark.parametrize("name", modules())
def test_every_tensor_is_made_somewhere(name: str) -> None:
    assert [*slips(modules()[name])] == []


# these tests


def test_the_rules_bite() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == set()
    tree = ast.parse(
        "import torch\n"
        "def f():\n    from graf_cli.cli.main import run\n    return torch.zeros(3)\n"
        "class A:\n    def g(self): ...\n    def _h(self): ..."
    )
    assert [*_imports(tree, at_once=True)] == [
        Import("torch", at_once=True),
        Import("graf_cli.cli.main.run", at_once=False),
    ]
    assert [*slips(tree)] == ["torch.zeros in line 4"]
    assert [*undocumented(tree, "m")] == ["m.f", "m.A", "m.A.g"]
    words = ast.parse('def f():\n    """As --out."""\n    raise E(f"{x}: leave --out out")')
    assert [*options(words)] == ["line 3: : leave --out out"]
    assert own("graf_cli.model.spec.ModelSpec") == "model.spec"
    assert own("graf_cli.version.__version__") == "version"
    assert own("torch.nn") is None
    assert loaded_with("model.manifest") >= {"", "model", "model.spec", "errors"}


# a family's names are its own

GRAF_NAMES = (
    "appearance", "importance", "generator_test", "pts_linears", "views_linears", "alpha_linear",
    "feature_linear", "rgb_linear", "output_linear", "dim_shape", "dim_appearance",
)  # fmt: skip
# `shape` alone is a word of arrays too; as a string it is the name of a block.
BLOCK = "shape"
MAY_NAME_THEM = {
    # the command line's short forms, and what tells of them
    "cli.choices", "cli.options", "cli.grid", "cli.render", "cli.info", "cli.replay", "api",
    # the array format of NumPy has a key `shape`
    "output.encode.arrays",
    # the reader of schema 1, and the short forms of seeds and of a grid's sides
    "recipe.v1", "request", "request.options", "request.subject", "request.axes",
    # what a grid is said to be shared by
    "rendering.fast.grid",
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [name for name in modules() if not name.startswith("families.") and name]
)
def test_no_one_but_graf_knows_its_names(name: str) -> None:
    if name in MAY_NAME_THEM:
        return
    for node in ast.walk(modules()[name]):
        match node:
            case ast.Constant(str(text)):
                assert text != BLOCK, f"{name} knows a block of GRAF's"
                found = [word for word in GRAF_NAMES if word in text]
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word):
                found = [known for known in GRAF_NAMES if known in word]
            case _:
                continue
        assert not found, f"{name} knows {found[0]}"


# constructors


# What locks, deletes or spawns, by the name it is called by.
DOES_SOMETHING = frozenset(
    {
        "Popen", "run", "capture", "start", "started", "submit", "connect", "begin", "opened",
        "locked", "one_begins", "one_at_a_time", "share", "alone", "acquire", "flock", "release",
        "unlink", "rmdir", "rmtree", "remove", "sweep", "vacate", "discard", "discard_all",
        "mkdir", "make_folder", "rename", "write_text", "write_bytes", "touch", "mkdtemp",
    }
)  # fmt: skip


def busy_constructors(tree: ast.Module) -> Iterator[str]:
    """Constructors that lock, delete or spawn, themselves or by a function of their module."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        pending = [
            part for part in owner.body
            if isinstance(part, ast.FunctionDef) and part.name in ("__init__", "__post_init__")
        ]  # fmt: skip
        seen = set()
        while pending:
            function = pending.pop()
            if function in seen:
                continue
            seen.add(function)
            for called in _called(function):
                if called in DOES_SOMETHING:
                    yield f"{owner.name}: {called} in {function.name}"
                if called in functions and called.startswith("_") and called != "__init__":
                    pending.append(functions[called])


def _called(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        match node:
            case ast.Call(ast.Name(name)) | ast.Call(ast.Attribute(attr=name)):
                yield name


@pytest.mark.parametrize("name", modules())
def test_to_make_an_object_begins_nothing(name: str) -> None:
    """What takes a place, a lock or a process has a method `opened` for it."""
    assert [*busy_constructors(modules()[name])] == []


def test_the_rule_of_constructors_bites() -> None:
    tree = ast.parse(
        "class A:\n    def __init__(self):\n        _f()\n    def g(self): path.unlink()\n"
        "def _f():\n    path.unlink()\n"
    )
    assert [*busy_constructors(tree)] == ["A: unlink in _f"]


# names are the field's


# Words that need this house to be understood; as part of an identifier they want another one.
PRIVATE = frozenset(
    {
        "canvas", "crew", "course", "footing", "claim", "claims", "look", "looks", "thing",
        "things", "settled", "honest", "words",
    }
)  # fmt: skip
MEANT = {
    "shots": {"words"},  # of 64 bits, which a generator of random numbers gives
    "weights.pickles": {"look_up"},
    "weights.objects": {"look_up"},
    "families.pigan.files": {"looks_so"},
    "scene.spec": {"_WORDS"},
    "cli.options": {"_LOOK", "look_options"},
    "cli.render": {"thing"},
    "cli.export": {"thing"},
}
PARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def identifiers(tree: ast.Module) -> Iterator[str]:
    """Names that a module gives: of functions, classes, arguments, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.ClassDef(name) | ast.arg(name):
                yield name
            case ast.Name(name, ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


@pytest.mark.parametrize("name", modules())
def test_no_name_needs_this_house_to_be_understood(name: str) -> None:
    found = {
        word
        for word in identifiers(modules()[name])
        if PRIVATE & {part.lower() for part in PARTS.split(word)}
    }
    assert found <= MEANT.get(name, set())


def test_one_class_is_a_job() -> None:
    jobs = [
        f"{name}.{node.name}"
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == "Job"
    ]
    assert jobs == ["jobs.Job"]


def test_types_of_msgspec_are_learnt_in_one_place() -> None:
    """`decoding` says why: two threads that learn one type end the process."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if name == "decoding" or not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            typed = {keyword.arg for keyword in node.keywords} & {"type"}
            assert called != "msgspec.convert", f"{name} converts by itself"
            assert not (called == "msgspec.json.decode" and typed), f"{name} decodes by itself"
