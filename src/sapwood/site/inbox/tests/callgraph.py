"""Who calls whom in the inbox, read from its source: for proving that every way out leads through the gate.

A function is a node. An edge stands for every mention of another function of the package, by its imported or local
name, called or only handed on: the graph errs on the side of too many ways, never of too few.
"""

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = "sapwood.site.inbox"
ROOT = Path(__file__).parent.parent
# Names that make something leave this process, or make it count as left.
SINKS = {"EmailMessage", "EmailMultiAlternatives", "send_mass_mail", "fetch", "stream", "httpx", "smtplib", "urlopen"}


@dataclass
class Function:
    """One function or method of the package."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: str
    mentions: set[str] = field(default_factory=set)
    sinks: set[str] = field(default_factory=set)

    @property
    def parameters(self) -> dict[str, str]:
        given = [*self.node.args.posonlyargs, *self.node.args.args, *self.node.args.kwonlyargs]
        return {one.arg: ast.unparse(one.annotation) if one.annotation else "" for one in given}

    @property
    def decorators(self) -> list[str]:
        return [ast.unparse(one) for one in self.node.decorator_list]


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] in {"tests", "migrations"}:
            continue
        name = ".".join([PACKAGE, *(part for part in parts if part != "__init__")])
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def graph() -> dict[str, Function]:
    """Every function of the package with what it mentions."""
    sources = modules()
    functions: dict[str, Function] = {}
    names: dict[str, dict[str, str]] = {}
    for module, tree in sources.items():
        names[module] = _imports(tree, set(sources))
        for node, qualified in _functions(tree):
            functions[f"{module}.{qualified}"] = Function(f"{module}.{qualified}", node, module)
            names[module].setdefault(qualified.split(".")[0], f"{module}.{qualified.split('.')[0]}")
    api = names.get(f"{PACKAGE}.api", {})
    for one in functions.values():
        _look(one, names[one.module], functions, api)
    return functions


def reaching(functions: dict[str, Function], goals: set[str], *, through: set[str] = frozenset()) -> set[str]:
    """Every function from which a goal can be reached without entering one of `through`."""
    found = set(goals)
    while True:
        more = {
            name
            for name, one in functions.items()
            if name not in found and name not in through and one.mentions & found
        }
        if not more:
            return found
        found |= more


def _functions(tree: ast.Module):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node, node.name
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield inner, f"{node.name}.{inner.name}"


def _imports(tree: ast.Module, known: set[str]) -> dict[str, str]:
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _look(one: Function, names: dict[str, str], functions: dict[str, Function], api: dict[str, str]) -> None:
    for node in ast.walk(one.node):
        if isinstance(node, ast.Name):
            if node.id in SINKS:
                one.sinks.add(node.id)
            if node.id in names:
                _mention(one, names[node.id], functions)
        elif isinstance(node, ast.Attribute):
            if node.attr in SINKS:
                one.sinks.add(node.attr)
            if isinstance(node.value, ast.Name) and node.value.id in names:
                target = names[node.value.id]
                if target == f"{PACKAGE}.api" and node.attr in api:
                    _mention(one, api[node.attr], functions)
                _mention(one, f"{target}.{node.attr}", functions)


def _mention(one: Function, target: str, functions: dict[str, Function]) -> None:
    if target in functions and target != one.name:
        one.mentions.add(target)
    if target.rpartition(".")[2][:1].isupper():  # a class: its methods
        one.mentions.update(name for name in functions if name.startswith(f"{target}.") and name != one.name)
