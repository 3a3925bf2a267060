"""Local plugins: which patches they make, read without running them."""

import ast
from dataclasses import dataclass
from typing import Any

from sapwood.formats.phrase import Phrase
from sapwood.site.facts.tutor import shapes
from sapwood.site.facts.tutor.files import Root


@dataclass(frozen=True)
class LocalPlugin:
    """A plugin that is one file: its version, and the names of its patches. `readable` is False when unknown."""

    name: str
    version: str | None
    patches: tuple[str, ...]
    readable: bool = True


def read_plugins(root: Root) -> dict[str, LocalPlugin]:
    """The plugin files of a plugins root, by plugin name."""
    found: dict[str, LocalPlugin] = {}
    for file_name in root.names((".py", ".yml")):
        name = shapes.shaped(file_name.rpartition(".")[0], shapes.NAME)
        if name is None or file_name.startswith("_"):
            continue
        plugin = (
            _from_yaml(root, file_name, name) if file_name.endswith(".yml") else _from_python(root, file_name, name)
        )
        found[plugin.name] = plugin
    return found


def _from_yaml(root: Root, file_name: str, name: str) -> LocalPlugin:
    data = root.mapping(file_name)
    if data is None:
        return LocalPlugin(name, None, (), readable=False)
    patches = data.get("patches")
    names = _patch_names(list(patches)) if isinstance(patches, dict) else ()
    return LocalPlugin(
        shapes.shaped(data.get("name"), shapes.NAME) or name, shapes.whole_version(data.get("version")), names
    )


def _from_python(root: Root, file_name: str, name: str) -> LocalPlugin:
    text = root.text(file_name)
    try:
        tree = ast.parse(text) if text is not None else None
        nodes = list(ast.walk(tree)) if tree else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        root.refused[file_name] = Phrase("it is not Python")
        tree, nodes = None, []
    if tree is None:
        return LocalPlugin(name, None, (), readable=False)
    patches: list[Any] = []
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            patches += _added(node.func, node.args)
    version = next((_string(node.value) for node in tree.body if _assigns_version(node)), None)  # type: ignore[attr-defined]  # an Assign
    return LocalPlugin(name, shapes.whole_version(version), _patch_names(patches))


def _added(func: ast.Attribute, args: list[ast.expr]) -> list[Any]:
    """The patch names in `….ENV_PATCHES.add_item((name, …))` and `add_items([…])`, as far as they are literal."""
    target = func.value
    if not (isinstance(target, ast.Attribute) and target.attr == "ENV_PATCHES" and args):
        return []
    pairs = args[0].elts if func.attr == "add_items" and isinstance(args[0], ast.List | ast.Tuple) else [args[0]]
    return [_string(pair.elts[0]) for pair in pairs if isinstance(pair, ast.Tuple) and pair.elts]


def _assigns_version(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "__version__" for target in node.targets
    )


def _string(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _patch_names(items: list[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for item in items[:500] if (name := shapes.shaped(item, shapes.PATCH_NAME))))
