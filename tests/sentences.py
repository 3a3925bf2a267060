"""Finds English sentences in the sources that no page could translate: used by tests/test_translations.py.

Shared by everybody who looks after a folder: add the folder to `FOLDERS`, and what must stay bare to `BARE`, each with
its reason. A text counts as a sentence when it has two words of small letters in a row. It may stand

* inside `gettext(…)` and its sisters, or inside `Phrase(…)` where Django must not be known (formats, channel/client)
  or where the words are kept in the database or printed by a command, which stay English;
* where only programmers and terminals read it: docstrings, regular expressions, logs, `__str__`, declarations of
  settings, commands (`cli`), and errors that no door explains (`TypeError` and its like).

A literal with a hole in it (an f-string, `"…" % x` outside of `gettext(…) % {…}`) is found in pieces, so a sentence
that is glued together is found as well. Single words are not: look at the page.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "sapwood"
LEFT_OUT = frozenset({"tests", "migrations", "locale", "cli", "cli.py"})
SENTENCE = re.compile(r"[a-z]{2,}[,;:]? [a-z]{2,}")
TRANSLATED = frozenset(
    {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy", "npgettext"}
    | {"gettext_noop", "Phrase"}
)
FOR_PROGRAMMERS = frozenset(
    {"TypeError", "ValueError", "NotImplementedError", "AssertionError", "ImproperlyConfigured", "RuntimeError"}
    | {"extend_schema", "OpenApiParameter", "OpenApiResponse", "DownloadError"}
)
DECLARED = frozenset({"boolean", "choice", "compile", "integer", "text", "words"})  # `settings.text(…)`, `re.compile`
FOR_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "log", "critical"})
UNSAID = frozenset({"__str__", "__repr__"})

FOLDERS: tuple[str, ...] = ()
# What stays bare: file below src/sapwood and the words (or the beginning of them) to the reason.
BARE: dict[tuple[str, str], str] = {}


def bare_sentences(folder: str) -> list[str]:
    """Each bare sentence below a folder of src/sapwood, as `file:line: words`."""
    found = []
    for path in sorted((SOURCE / folder).rglob("*.py")):
        inside = path.relative_to(SOURCE)
        if LEFT_OUT & set(inside.parts):
            continue
        for line, text in _sentences(ast.parse(path.read_text(encoding="utf-8"))):
            if not _allowed(inside.as_posix(), text):
                found.append(f"{inside}:{line}: {text}")
    return found


def unused(folders: tuple[str, ...] = FOLDERS) -> list[tuple[str, str]]:
    """Exceptions whose words are gone: delete them."""
    present = [
        (path.relative_to(SOURCE).as_posix(), text)
        for folder in folders
        for path in (SOURCE / folder).rglob("*.py")
        for _line, text in _sentences(ast.parse(path.read_text(encoding="utf-8")))
    ]
    return [
        (file, words) for file, words in BARE if not any(file == f and text.startswith(words) for f, text in present)
    ]


def _allowed(file: str, text: str) -> bool:
    return any(file == other and text.startswith(words) for other, words in BARE)


def _sentences(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and SENTENCE.search(node.value):
            yield node.lineno, " ".join(node.value.split())
        return
    for child in ast.iter_child_nodes(node):
        if not _spared(child):
            yield from _sentences(child)


def _spared(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)  # a docstring
    if isinstance(node, ast.FunctionDef):
        return node.name in UNSAID
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        in_log = owner in {"log", "logger", "logging"} and node.func.attr in FOR_LOGS
        return in_log or node.func.attr in DECLARED
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    return name in TRANSLATED | FOR_PROGRAMMERS
