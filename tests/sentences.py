"""Finds English sentences in the sources that no page could translate: used by tests/test_translations.py.

Shared by everybody who looks after a folder: add the folder to `FOLDERS`, and what must stay bare to `BARE`, each with
its reason. A text counts as a sentence when it has two words of small letters in a row. It may stand

* inside `gettext(…)` and its sisters, or inside `Phrase(…)` where Django must not be known (formats, channel/client)
  or where the words are kept in the database or printed by a command, which stay English;
* where only programmers and terminals read it: docstrings, regular expressions, logs, `__str__`, declarations of
  settings, commands (`cli`), and errors that no door explains (`TypeError` and its like).

An error of `UNSEEN` may have English words; any other error of `ERRORS_IN` may not, not even a single one.

A literal with a hole in it (an f-string, `"…" % x` outside of `gettext(…) % {…}`) is found in pieces, so a sentence
that is glued together is found as well. Single words are not: look at the page.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "sapwood"
LEFT_OUT = frozenset({"tests", "migrations", "locale", "cli", "cli.py"})
SENTENCE = re.compile(r"[a-z]{2,}[,;:]? [a-z]{2,}")
PIECE = re.compile(r"(?<![\w.=-])[A-Za-z][a-z]+[,;:]? | [a-z]{3,}(?![\w=-])")  # beside a hole, one word is enough
TRANSLATED = frozenset(
    {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy", "npgettext"}
    | {"gettext_noop", "Phrase"}
)
FOR_PROGRAMMERS = frozenset(
    {"TypeError", "ValueError", "NotImplementedError", "AssertionError", "ImproperlyConfigured", "RuntimeError"}
    | {"extend_schema", "OpenApiParameter", "OpenApiResponse", "DownloadError"}
    | {"provider_error", "OAuth2Error"}  # what went wrong at an identity provider: for the log, pages say it in general
)
DECLARED = frozenset({"boolean", "choice", "compile", "integer", "text", "words"})  # `settings.text(…)`, `re.compile`
FOR_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "log", "critical"})
UNSAID = frozenset({"__str__", "__repr__"})

FOLDERS: tuple[str, ...] = ("accounts", "channel", "commons", "formats", "site/facts", "site/inbox")
# What stays bare: file below src/sapwood and the words (or the beginning of them; none means the whole file) to the
# reason.
_COMMANDS = "met by commands and the worker's log only"
_HEADER = "a header of HTTP or of a file"
_KEPT = "kept in the database in English; pages mark it as English"
_WIRE = "an answer of the HTTP API alone"
BARE: dict[tuple[str, str], str] = {
    ("accounts/adapters.py", "Sapwood"): "the name of this program",
    ("accounts/openedx/sign_in.py", "Open edX"): "a name",
    ("accounts/rest.py", "An API token, made under"): "the description of the HTTP API",
    ("accounts/rest.py", "Bearer realm="): _HEADER,
    ("accounts/rest.py", "This token is unknown, expired or revoked."): _WIRE,
    ("accounts/views/answers.py", "application/json"): _HEADER,
    ("accounts/views/answers.py", "attachment;"): _HEADER,
    ("accounts/views/audit.py", "application/x-ndjson"): _HEADER,
    ("accounts/views/audit.py", "attachment;"): _HEADER,
    ("channel/actions/publishing.py", ""): _COMMANDS,
    ("channel/actions/receiving.py", "bundle"): "the name of a source, beside addresses",
    ("channel/actions/receiving.py", "key"): "the name of a key that has no owner's",
    ("channel/actions/subscribing.py", ""): _COMMANDS,
    ("channel/tasks.py", "bytes"): _KEPT,
    ("channel/tasks.py", "files,"): _KEPT,
    ("channel/client/bundle.py", ""): _COMMANDS,
    ("channel/client/fetch.py", "is missing"): _COMMANDS,
    ("channel/keys.py", ""): _COMMANDS,
    ("channel/publisher/bundling.py", ""): _COMMANDS,
    ("channel/publisher/publishing.py", ""): _COMMANDS,
    ("channel/publisher/setup.py", ""): _COMMANDS,
    ("channel/publisher/signing.py", ""): _COMMANDS,
    ("channel/publisher/status.py", ""): _COMMANDS,
    ("channel/views.py", "by hand"): "the key of a job",
    ("commons/announcements/actions/budgeting.py", ""): _COMMANDS,
    ("commons/announcements/actions/importing.py", "rule: trust"): "a name in the audit log",
    ("commons/announcements/po.py", "text/plain;"): _HEADER,
    ("commons/announcements/rest.py", ""): _WIRE,
    ("commons/announcements/views/authoring.py", "attachment;"): _HEADER,
    ("commons/announcements/views/public.py", "application/"): _HEADER,
    ("commons/releases/data.py", ""): _COMMANDS,
    ("commons/releases/queries.py", ""): _COMMANDS,
    ("commons/releases/rest.py", ""): _WIRE,
    ("commons/releases/views/public.py", "application/json"): _HEADER,
    ("commons/releases/views/public.py", "public, max-age"): _HEADER,
    ("site/facts/rest.py", ""): _WIRE,
    ("site/facts/screen.py", "<bdi"): "markup",
    ("site/facts/tutor/installed.py", "import json"): "a program",
    ("site/facts/words.py", ""): "words of commands, which speak English",
    ("site/inbox/actions/bounces.py", "by hand"): _KEPT,
    ("site/inbox/actions/delivering.py", "The mail server cannot be reached:"): _KEPT,
    ("site/inbox/actions/importing.py", "Revision"): _KEPT,
    ("site/inbox/actions/importing.py", "Sapwood failed to read it"): _KEPT,
    ("site/inbox/actions/importing.py", "This cannot be read here:"): _KEPT,
    ("site/inbox/actions/importing.py", "came twice with different content"): _KEPT,
    ("site/inbox/actions/importing.py", "cannot be read here:"): _KEPT,
    ("site/inbox/actions/trust.py", "The channel"): _KEPT,
    ("site/inbox/actions/trust.py", "was closed"): _KEPT,
    ("site/inbox/content.py", "this site"): "part of what an approval pins, the same for every reviewer",
    ("site/inbox/documents.py", "Release"): "the English title of what was signed without one",
    ("site/inbox/links.py", "account actor"): "names of parameters",
    ("site/inbox/rest.py", "This is too far away."): _WIRE,
    ("site/inbox/tasks.py", ""): "notes of jobs, which no page shows",
    ("site/inbox/views/announcements.py", ":root"): "a style sheet",
    ("site/inbox/views/announcements.py", "text/css"): _HEADER,
    ("site/inbox/views/feeds.py", "application/atom+xml"): _HEADER,
    ("site/inbox/views/feeds.py", "private, max-age"): _HEADER,
    ("site/inbox/views/people.py", "attachment;"): _HEADER,
    ("site/inbox/views/people.py", "text/csv"): _HEADER,
}
# Where no error may speak English only, and the errors that may (they and their children), each with the reason; a file
# that stays bare as a whole may as well.
ERRORS_IN = (*FOLDERS, "core")
UNSEEN: dict[str, str] = {
    "AuditError": "a defect: a row written outside a transaction",
    "FeedError": "met by the worker and by commands; pages show what was kept of it, marked as English",
    "ForgedError": "a defect: somebody went round the gate",
    "ImmutableError": "a defect: no door changes an approval",
    "JobLostError": "ends a job that another worker has taken over; nobody is told",
    "MailRefusedError": "met by the worker; pages show what was kept of it, marked as English",
    "MailUnclearError": "met by the worker; pages show what was kept of it, marked as English",
    "NetworkError": "met by the worker and by commands; pages show what was kept of it, marked as English",
    "SettingError": "stops a process before it serves a page",
    "UnknownJobError": "a defect, or a job of another version: only the worker meets it",
    "UnknownPermissionError": "a defect: a view names a permission that no module registered",
    "WebhookFailedError": "met by the worker; pages show what was kept of it, marked as English",
}


def bare_sentences(folder: str) -> list[str]:
    """Each bare sentence below a folder of src/sapwood, as `file:line: words`."""
    found = []
    for path in sorted((SOURCE / folder).rglob("*.py")):
        inside = path.relative_to(SOURCE)
        if LEFT_OUT & set(inside.parts):
            continue
        for line, text in _said(path):
            if not _allowed(inside.as_posix(), text):
                found.append(f"{inside}:{line}: {text}")
    return found


def unused(folders: tuple[str, ...] = FOLDERS) -> list[tuple[str, str]]:
    """Exceptions whose words are gone: delete them."""
    present = [
        (path.relative_to(SOURCE).as_posix(), text)
        for folder in folders
        for path in (SOURCE / folder).rglob("*.py")
        for _line, text in _said(path)
    ]
    return [
        (file, words) for file, words in BARE if not any(file == f and text.startswith(words) for f, text in present)
    ]


def bare_errors(folder: str) -> list[str]:
    """Each error below a folder that is made with English words only, as `file:line: class`; however short they are."""
    children = _children()
    unseen = {name for root in UNSEEN for name in (root, *_below(root, children))}
    said = set(_below("SapwoodError", children)) - unseen
    found = []
    for path in sorted((SOURCE / folder).rglob("*.py")):
        inside = path.relative_to(SOURCE)
        if LEFT_OUT & set(inside.parts) or (inside.as_posix(), "") in BARE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        given = _assigned(tree)
        made = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) in said)
        wrong = (node for node in made if any(_bare(words, given) for words in _words(node)))
        found += [f"{inside}:{node.lineno}: {_name(node.func)}" for node in wrong]
    return found


def unknown_errors() -> list[str]:
    """Entries of `UNSEEN` that are no errors any more: delete them."""
    return sorted(set(UNSEEN) - set(_below("SapwoodError", _children())))


@cache
def _children() -> dict[str, set[str]]:
    """Each class of the sources, by name, with those that name it as their parent."""
    found: dict[str, set[str]] = {}
    for path in (one for one in SOURCE.rglob("*.py") if not LEFT_OUT & set(one.relative_to(SOURCE).parts)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                found.setdefault(_name(base), set()).add(node.name)
    return found


def _below(name: str, children: dict[str, set[str]]) -> Iterator[str]:
    for child in sorted(children.get(name, ())):
        yield child
        yield from _below(child, children)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _words(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1], *(one.value for one in call.keywords if one.arg in {"message", "hint"})]


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            found.setdefault(_name(target), []).append(node.value)
    return found


def _bare(node: ast.AST, given: dict[str, list[ast.expr]]) -> bool:
    """Whether an expression holds words outside of gettext; what a name was given counts as if it stood here."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and any(map(str.isalpha, node.value))
    if isinstance(node, ast.Name):
        return any(_bare(value, {}) for value in given.get(node.id, ()))
    if isinstance(node, ast.Call) and _name(node.func) in TRANSLATED:
        return not (node.args and isinstance(node.args[0], ast.Constant))
    parts: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        parts = [node.func.value] if isinstance(node.func, ast.Attribute) else []  # "…".join(…)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        parts = [node.left]
    elif isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    elif isinstance(node, ast.Subscript):
        parts = [node.value]
    return any(_bare(part, given) for part in parts)


def _allowed(file: str, text: str) -> bool:
    return any(file == other and text.startswith(words) for other, words in BARE)


@cache
def _said(path: Path) -> list[tuple[int, str]]:
    return list(_sentences(ast.parse(path.read_text(encoding="utf-8"))))


def _sentences(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and SENTENCE.search(node.value):
            yield node.lineno, " ".join(node.value.split())
        return
    if isinstance(node, ast.JoinedStr):
        pieces = [part.value for part in node.values if isinstance(part, ast.Constant)]
        yield from ((node.lineno, " ".join(piece.split())) for piece in pieces if PIECE.search(piece))
        for hole in (part for part in node.values if not isinstance(part, ast.Constant)):
            yield from _sentences(hole)
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
    return name in TRANSLATED | FOR_PROGRAMMERS | UNSEEN.keys()
