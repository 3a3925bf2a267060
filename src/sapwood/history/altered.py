"""What an AlterField changes, from the field's earlier form in the migrations before it; nothing is imported or run."""

import ast
import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

from sapwood.history.migrations import CONTRACT, EXPAND, NEUTRAL, UNSAFE, Migration, Operation, read_migration

Read = Callable[[str], bytes]
Decision = tuple[tuple[str, ...], str]
MAX_STEPS = 2_000
# What Django keeps to itself: the column stays as it is (Field.non_db_attrs, and what its subclasses keep).
_NOT_IN_THE_DATABASE: Final = frozenset({
    "auto_created", "auto_now", "auto_now_add", "blank", "choices", "default", "editable", "error_messages",
    "help_text", "limit_choices_to", "on_delete", "parent_link", "related_name", "related_query_name", "storage",
    "symmetrical", "upload_to", "validators", "verbose_name",
})  # fmt: skip


def settle(migration: Migration, app: str, read: Read) -> Migration:
    """The same migration with its AlterField operations decided where the earlier form of the field is found.

    `read` gives the source of another migration of the app by its name; empty when there is none.
    """
    if not any(operation.kind == "AlterField" and CONTRACT in operation.classes for operation in migration.operations):
        return migration
    settled = list(migration.operations)
    for place, operation in enumerate(settled):
        if operation.kind == "AlterField" and CONTRACT in operation.classes:
            before = _last_form(settled[:place], operation) or _earlier(migration, app, read, operation)
            after = operation.forms.get(operation.field)
            if isinstance(before, ast.Call) and isinstance(after, ast.Call):
                classes, why = _compared(before, after)
                settled[place] = dataclasses.replace(operation, classes=classes, why=why)
    return dataclasses.replace(migration, operations=tuple(settled))


def _earlier(migration: Migration, app: str, read: Read, operation: Operation) -> ast.expr | None:
    """The form that the migrations before leave; None where they fork, rename, or cannot be read."""
    for earlier in _before(migration, app, read):
        if any(one.kind in {"RenameField", "RenameModel", "?"} for one in earlier.operations):
            return None
        if (form := _last_form(earlier.operations, operation)) is not None:
            return form
    return None


def _before(migration: Migration, app: str, read: Read) -> Iterator[Migration]:
    for _step in range(MAX_STEPS):
        names = [name for label, name in migration.dependencies if label == app]
        if len(names) != 1 or not migration.dependencies_read:
            return
        migration = read_migration(read(names[0]))
        if migration.reason:
            return
        yield migration


def _last_form(operations: list[Operation] | tuple[Operation, ...], wanted: Operation) -> ast.expr | None:
    for operation in reversed(operations):
        if operation.model.lower() == wanted.model.lower() and wanted.field in operation.forms:
            return operation.forms[wanted.field]
    return None


def _compared(before: ast.Call, after: ast.Call) -> Decision:
    if ast.dump(before.func) != ast.dump(after.func):
        return (UNSAFE,), "the type of the column changes"
    if before.args or after.args:
        names = [ast.dump(argument) for argument in before.args], [ast.dump(argument) for argument in after.args]
        if names[0] != names[1]:
            return (EXPAND, CONTRACT), "how much it changes is not decided"
    old, new = _keywords(before), _keywords(after)
    found = [_decided(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if _differs(name, old, new)]
    if not found:
        return (NEUTRAL,), "only what Django keeps to itself changes"
    classes = tuple(dict.fromkeys(one for decision, _why in found for one in decision))
    return classes, next((why for _decision, why in found if why), "")


def _differs(name: str, old: dict[str, ast.expr], new: dict[str, ast.expr]) -> bool:
    return ast.dump(old.get(name, _NOTHING)) != ast.dump(new.get(name, _NOTHING))


_NOTHING: Final = ast.Constant(value=None)


def _keywords(call: ast.Call) -> dict[str, ast.expr]:
    return {word.arg or "**": word.value for word in call.keywords if word.arg not in _NOT_IN_THE_DATABASE}


def _decided(name: str, old: ast.expr | None, new: ast.expr | None) -> Decision:
    was, becomes = _value(old), _value(new)
    if name == "null":
        return ((EXPAND,), "") if becomes is True else ((CONTRACT, UNSAFE), "rows that exist may hold NULL")
    if name == "unique":
        return ((CONTRACT, UNSAFE), "rows that exist may be equal") if becomes is True else ((EXPAND,), "")
    if name == "db_index":
        return ((EXPAND,), "") if becomes is True else ((CONTRACT,), "")
    if name == "max_length" and isinstance(was, int) and isinstance(becomes, int):
        return ((EXPAND,), "") if becomes > was else ((CONTRACT, UNSAFE), "longer values that exist do not fit")
    return (EXPAND, CONTRACT), f"what a change of {name} means is not decided"


def _value(node: ast.expr | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None
