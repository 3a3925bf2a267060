"""Classes of Django migrations, by parsing: nothing is imported or run.

A class says what an operation means for a release that still runs beside it (expand and contract, after Fowler):
`expand` adds, `contract` takes away, `data` moves rows, `neutral` touches no table, `unsafe` breaks the code that
still runs, `unknown` is what parsing cannot decide, always with a reason.
"""

import ast
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

EXPAND: Final = "expand"
CONTRACT: Final = "contract"
DATA: Final = "data"
NEUTRAL: Final = "neutral"
UNSAFE: Final = "unsafe"
UNKNOWN: Final = "unknown"

MAX_SOURCE_BYTES = 5_000_000
MAX_DEPTH = 20

_PLAIN: Mapping[str, tuple[str, ...]] = {
    "CreateModel": (EXPAND,),
    "CreateModelWithHistory": (EXPAND,),
    "AddIndex": (EXPAND,),
    "AddIndexConcurrently": (EXPAND,),
    "RemoveIndex": (CONTRACT,),
    "RemoveIndexConcurrently": (CONTRACT,),
    "RenameIndex": (NEUTRAL,),
    "DeleteModel": (CONTRACT, UNSAFE),
    "RemoveField": (CONTRACT, UNSAFE),
    "RenameModel": (UNSAFE,),
    "RenameField": (UNSAFE,),
    "AlterModelTable": (UNSAFE,),
    "AlterModelTableComment": (NEUTRAL,),
    "AlterModelOptions": (NEUTRAL,),
    "AlterModelManagers": (NEUTRAL,),
    "AlterOrderWithRespectTo": (EXPAND,),
    "RemoveConstraint": (EXPAND,),
    "RunPython": (DATA,),
    "CreateExtension": (EXPAND,),
}


_ON_A_TABLE: Final = frozenset({
    "AddConstraint", "AddField", "AddIndex", "AlterField", "AlterIndexTogether", "AlterModelTable",
    "AlterUniqueTogether", "DeleteModel", "RemoveConstraint", "RemoveField", "RemoveIndex", "RenameField",
    "RenameModel",
})  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One operation as it stands in the source. `where` is its line; `why` is there when a class is not certain.

    `forms` are the fields that it declares, as they stand there.
    """

    kind: str
    classes: tuple[str, ...]
    where: int
    model: str = ""
    field: str = ""
    reversible: bool | None = None
    why: str = ""
    forms: Mapping[str, ast.expr] = dataclasses.field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Migration:
    """What one migration file declares. `reason` says why it could not be read, and then there are no operations.

    `dependencies_read` is false where its dependencies are there and computed, or the file could not be read at all.
    `new` are the models, in lower case, whose tables it or an earlier one of the same upgrade makes.
    """

    operations: tuple[Operation, ...]
    dependencies: tuple[tuple[str, str], ...] = ()
    replaces: tuple[tuple[str, str], ...] = ()
    atomic: bool = True
    reason: str = ""
    dependencies_read: bool = True
    new: frozenset[str] = frozenset()

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of its operations, worst first; `unknown` when the file could not be read."""
        order = (UNSAFE, UNKNOWN, CONTRACT, DATA, EXPAND, NEUTRAL)
        found = {name for operation in self.operations for name in operation.classes}
        if self.reason:
            found = {UNKNOWN}
        return tuple(name for name in order if name in found) or (NEUTRAL,)


def read_migration(source: bytes, *, new: Collection[str] = ()) -> Migration:
    """Parse one migration file. What cannot be parsed is `unknown` with a reason, never `neutral`.

    `new` names models, in lower case, whose tables the same upgrade makes earlier: running code knows nothing of them.
    """
    if len(source) > MAX_SOURCE_BYTES:
        return _unread(f"larger than {MAX_SOURCE_BYTES:,} bytes")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _unread(f"does not parse: {type(error).__name__}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            return _migration(node, set(new))
    return _unread("declares no class Migration")


def _unread(reason: str) -> Migration:
    return Migration((), reason=reason, dependencies_read=False)


def _migration(node: ast.ClassDef, new: set[str]) -> Migration:
    values = dict(_assignments(node))
    operations = values.get("operations")
    reason = ""
    found: tuple[Operation, ...] = ()
    if operations is not None:
        if isinstance(operations, ast.List | ast.Tuple):
            found = tuple(_operations(operations, new))
        else:
            reason = "its operations are computed"
    atomic = values.get("atomic")
    return Migration(
        operations=found,
        dependencies=_pairs(values.get("dependencies")),
        replaces=_pairs(values.get("replaces")),
        atomic=not (isinstance(atomic, ast.Constant) and atomic.value is False),
        reason=reason,
        dependencies_read=all(_are_pairs(values.get(name)) for name in ("dependencies", "replaces")),
        new=frozenset(new),
    )


def _assignments(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value


def _pairs(node: ast.expr | None) -> tuple[tuple[str, str], ...]:
    if not isinstance(node, ast.List | ast.Tuple):
        return ()
    found = []
    for item in node.elts:
        parts = [part.value for part in getattr(item, "elts", ()) if isinstance(part, ast.Constant)]
        if len(parts) == 2 and all(isinstance(part, str) for part in parts):  # noqa: PLR2004 - an app and a name
            found.append((str(parts[0]), str(parts[1])))
    return tuple(found)


def _are_pairs(node: ast.expr | None) -> bool:
    """Whether every dependency is written out; a swappable one names a setting, and never its own app's last link."""
    if node is None:
        return True
    items = node.elts if isinstance(node, ast.List | ast.Tuple) else [node]
    written = [
        item for item in items if not (isinstance(item, ast.Call) and _name(item.func) == "swappable_dependency")
    ]
    return isinstance(node, ast.List | ast.Tuple) and len(_pairs(node)) == len(written)


def _operations(
    node: ast.List | ast.Tuple, new: set[str], depth: int = 0, *, state_only: bool = False
) -> Iterator[Operation]:
    for item in node.elts:
        if not isinstance(item, ast.Call) or depth > MAX_DEPTH:
            yield Operation("?", (UNKNOWN,), getattr(item, "lineno", 0), why="an operation that is computed")
            continue
        yield from _operation(item, new, depth, state_only=state_only)


def _operation(call: ast.Call, new: set[str], depth: int, *, state_only: bool) -> Iterator[Operation]:
    kind = _name(call.func)
    given = _arguments(call, kind)
    if kind == "SeparateDatabaseAndState":
        for part, only in (("database_operations", False), ("state_operations", True)):
            nested = given.get(part)
            if isinstance(nested, ast.List | ast.Tuple):
                yield from _operations(nested, new, depth + 1, state_only=state_only or only)
            elif nested is not None:
                yield Operation(kind, (UNKNOWN,), call.lineno, why=f"its {part} are computed")
        return
    model, name = _text(given.get("model_name") or given.get("name")), _text(given.get("name"))
    if "model_name" not in given:
        name = ""
    forms = _forms(kind, name, given)
    if state_only:
        why = "changes Django's state only"
        yield Operation(kind, (NEUTRAL,), call.lineno, model, name, reversible=True, why=why, forms=forms)
        return
    classes, why = _classes(kind, given)
    named = (_text(given.get("old_name")) if kind == "RenameModel" else model).lower()
    if kind == "CreateModel":
        new.add(named)
    elif named in new and kind in _ON_A_TABLE:
        classes, why = (EXPAND,), "on a table that the same upgrade makes"
        if kind == "RenameModel":
            new.add(_text(given.get("new_name")).lower())
    yield Operation(kind, classes, call.lineno, model, name, _reversible(kind, given), why, forms)


def _forms(kind: str, name: str, given: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
    """The fields that an operation declares, by their names."""
    if kind in {"AddField", "AlterField"} and "field" in given:
        return {name: given["field"]}
    columns = given.get("fields") if kind == "CreateModel" else None
    pairs = [item.elts for item in getattr(columns, "elts", ()) if isinstance(item, ast.List | ast.Tuple)]
    return {_text(pair[0]): pair[1] for pair in pairs if len(pair) == 2}  # noqa: PLR2004 - a name and a field


def _classes(kind: str, given: Mapping[str, ast.expr]) -> tuple[tuple[str, ...], str]:
    if kind in _PLAIN:
        return _PLAIN[kind], ""
    if kind == "AddField":
        return _added(given.get("field"))
    if kind == "AlterField":
        return (EXPAND, CONTRACT), "how much it changes is decided with the field's earlier form"
    if kind in {"AddConstraint", "AlterUniqueTogether", "AlterIndexTogether"}:
        return (CONTRACT, UNSAFE), "rows that exist, or that running code writes, may break it"
    if kind == "RunSQL":
        return _sql(given)
    return (UNKNOWN,), f"{kind or 'an operation'} is not one of Django's own"


def _added(field: ast.expr | None) -> tuple[tuple[str, ...], str]:
    if not isinstance(field, ast.Call):
        return (UNKNOWN,), "the field is computed"
    kind, keywords = _name(field.func), {word.arg: word.value for word in field.keywords if word.arg}
    if kind == "ManyToManyField":
        return (EXPAND,), ""
    if _true(keywords.get("null")) or "db_default" in keywords:
        return (EXPAND,), ""
    if _true(keywords.get("unique")):
        return (EXPAND, UNSAFE), "one default for all rows cannot be unique"
    return (EXPAND, UNSAFE), "NOT NULL without a default in the database: running code cannot insert"


def _sql(given: Mapping[str, ast.expr]) -> tuple[tuple[str, ...], str]:
    state = given.get("state_operations")
    if isinstance(given.get("sql"), ast.Attribute) and _name(given["sql"]) == "noop" and state is None:
        return (NEUTRAL,), ""
    return (DATA, UNKNOWN), "SQL is not interpreted"


def _reversible(kind: str, given: Mapping[str, ast.expr]) -> bool | None:
    if kind == "RunPython":
        return "reverse_code" in given
    if kind == "RunSQL":
        return "reverse_sql" in given
    if kind in _PLAIN or kind in {
        "AddField",
        "AlterField",
        "AddConstraint",
        "AlterUniqueTogether",
        "AlterIndexTogether",
    }:
        return kind not in {"DeleteModel", "RemoveField"} or None
    return None


_POSITIONS: Mapping[str, tuple[str, ...]] = {
    "AddField": ("model_name", "name", "field"),
    "AlterField": ("model_name", "name", "field"),
    "RemoveField": ("model_name", "name"),
    "RenameField": ("model_name", "old_name", "new_name"),
    "CreateModel": ("name", "fields", "options", "bases", "managers"),
    "RenameModel": ("old_name", "new_name"),
    "RunPython": ("code", "reverse_code"),
    "RunSQL": ("sql", "reverse_sql", "state_operations"),
    "SeparateDatabaseAndState": ("database_operations", "state_operations"),
    "AddConstraint": ("model_name", "constraint"),
    "RemoveConstraint": ("model_name", "name"),
    "AddIndex": ("model_name", "index"),
    "RemoveIndex": ("model_name", "name"),
}


def _arguments(call: ast.Call, kind: str) -> dict[str, ast.expr]:
    given = dict(zip(_POSITIONS.get(kind, ("name",)), call.args, strict=False))
    return given | {word.arg: word.value for word in call.keywords if word.arg}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
