"""Reads the YAML front matter of a Markdown file without trusting it.

Only a plain subset of YAML is read: mappings, lists and scalars. Anchors, aliases and tags are refused (a few aliases
can stand for gigabytes), as are keys given twice and numbers with a fraction (`3.10` would become 3.1). Instants and
words such as `no` stay text.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import yaml

from sapwood.commons.announcements.data import Problem
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import NO_WORDS, Figure, Phrase

MAX_FILE_BYTES: Final = 400_000
MAX_FRONT_MATTER_CHARS: Final = 64_000
MAX_DEPTH: Final = 20
_FENCE: Final = "---"
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,15})", re.ASCII)
_FRACTION: Final = re.compile(r"[-+]?[0-9]*\.[0-9]+([eE][-+]?[0-9]+)?|[-+]?[0-9]+\.", re.ASCII)
_WORDS: Final[dict[str, JSON]] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass
class FrontMatter:
    """What stands between the fences, the line of each value, and the Markdown below."""

    file: str
    values: dict[str, JSON] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    body: str = ""
    body_line: int = 1
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: str) -> int:
        """The line of a value, or of the nearest value around it."""
        while path and path not in self.lines:
            path = re.sub(r"(\.[^.\[\]]*|\[[0-9]+\])$|^[^.\[\]]*$", "", path)
        return self.lines.get(path, 1)

    def problem(self, path: str, message: Phrase, hint: Phrase = NO_WORDS) -> None:
        """Note what is wrong with one value."""
        self.problems.append(Problem(message, hint, self.file, self.line_of(path), path))


class _ProblemAt(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, message: Phrase, hint: Phrase, line: int) -> None:
        super().__init__(message)
        self.message, self.hint, self.line = message, hint, line


def read_front_matter(raw: bytes, file: str) -> FrontMatter:
    """The front matter and body of a file; whatever is wrong stands in `problems`, never an exception."""
    found = FrontMatter(file)
    try:
        head, found.body, found.body_line = _split(_decode(raw))
        _check_events(head)
        found.values = _values(head, found)
    except _ProblemAt as error:
        found.problems.append(Problem(error.message, error.hint, file, error.line))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 2
        found.problems.append(
            Problem(
                Phrase("The front matter cannot be read: %(reason)s.", reason=error.problem or error.context),
                file=file,
                line=line,
            )
        )
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        text = " ".join(str(error).split())[:200]
        found.problems.append(
            Problem(Phrase("The front matter cannot be read: %(reason)s.", reason=text), file=file, line=2)
        )
    return found


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_FILE_BYTES:
        raise _ProblemAt(
            Phrase(
                "The file has %(size)s bytes; at most %(most)s are read.",
                size=Figure(len(raw)),
                most=Figure(MAX_FILE_BYTES),
            ),
            Phrase("Link to the long part."),
            1,
        )
    try:
        text = raw.decode("utf-8").removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _ProblemAt(
            Phrase("Byte %(byte)s is not UTF-8.", byte=error.start + 1), Phrase("Save the file as UTF-8."), line
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _ProblemAt(Phrase("The file holds a NUL character."), Phrase("Remove it."), line)
    return text.replace("\r\n", "\n")


def _split(text: str) -> tuple[str, str, int]:
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        raise _ProblemAt(Phrase("The file does not start with front matter."), Phrase("Put --- on its first line."), 1)
    for index, line in enumerate(lines[1:], start=1):
        if line.rstrip() == _FENCE:
            head = "\n".join(lines[1:index])
            if len(head) > MAX_FRONT_MATTER_CHARS:
                raise _ProblemAt(
                    Phrase("The front matter is too long."),
                    Phrase("Keep it below %(n)s.", n=Figure(MAX_FRONT_MATTER_CHARS)),
                    2,
                )
            rest = lines[index + 1 :]
            blank = next((n for n, body_line in enumerate(rest) if body_line.strip()), 0)
            return head, "\n".join(rest).strip("\n").rstrip(), index + 2 + blank
    raise _ProblemAt(Phrase("The front matter has no end."), Phrase("Put --- on a line of its own below it."), 1)


def _check_events(head: str) -> None:
    depth = 0
    for event in yaml.parse(head, Loader=yaml.SafeLoader):
        line = (event.start_mark.line if event.start_mark else 0) + 2
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _ProblemAt(
                Phrase("Anchors and aliases (& and *) are not read."), Phrase("Write the value out."), line
            )
        if getattr(event, "tag", None) is not None:
            raise _ProblemAt(
                Phrase("Tags (!) are not read."), Phrase("Remove the tag, or put the text in quotes."), line
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _ProblemAt(
                    Phrase("The front matter is nested more than %(n)s levels deep.", n=MAX_DEPTH), NO_WORDS, line
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _values(head: str, found: FrontMatter) -> dict[str, JSON]:
    node = yaml.compose(head, Loader=yaml.SafeLoader)
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise _ProblemAt(Phrase("The front matter is not a list of names and values."), Phrase("Write name: value."), 2)
    return _mapping(node, "", found)


def _mapping(node: yaml.MappingNode, path: str, found: FrontMatter) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 2
        if not isinstance(key_node, yaml.ScalarNode):
            raise _ProblemAt(Phrase("A name must be one word."), NO_WORDS, line)
        key = str(key_node.value)
        if key in values:
            raise _ProblemAt(Phrase("%(name)s stands twice.", name=repr(key)), Phrase("Keep one of the two."), line)
        place = f"{path}.{key}" if path else key
        found.lines[place] = line
        values[key] = _value(value_node, place, found)
    return values


def _value(node: yaml.Node, path: str, found: FrontMatter) -> JSON:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, found)
    if isinstance(node, yaml.SequenceNode):
        items: list[JSON] = []
        for index, item in enumerate(node.value):
            place = f"{path}[{index}]"
            found.lines[place] = item.start_mark.line + 2
            items.append(_value(item, place, found))
        return items
    text = str(node.value)
    if getattr(node, "style", None) is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        raise _ProblemAt(
            Phrase("%(text)s would be read as a number.", text=text),
            Phrase('Put it in quotes: "%(text)s".', text=text),
            node.start_mark.line + 2,
        )
    return text
