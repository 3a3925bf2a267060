"""Which column is masked by which rule: what the subject file says, else what its kind and its name say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from sapwood.core.commands import harmless
from sapwood.core.errors import SapwoodError
from sapwood.formats.phrase import NO_WORDS, Phrase
from sapwood.site.upgrades.data import Mask

KEEP: Final = "keep"
# What a rule does with each kind of column; `text` and `number` take whatever kind a column is.
FITS: Final[Mapping[str, Mapping[str, str]]] = {
    "text": {
        "text": "text", "json": "json", "uuid": "uuid", "ip": "ip", "binary": "binary", "integer": "number",
        "decimal": "number", "float": "number", "date": "shift",
    },
    "email": {"text": "email"},
    "password": {"text": "password"},
    "json": {"text": "json", "json": "json"},
    "number": {"integer": "number", "decimal": "number", "float": "number", "text": "text"},
    "shift": {"date": "shift", "text": "shift"},
    "ip": {"ip": "ip", "text": "ip"},
    "uuid": {"uuid": "uuid", "text": "uuid"},
    "binary": {"binary": "binary"},
}  # fmt: skip
RULES: Final = (*FITS, KEEP)
# The last words of a name that say what stands in such a column, whatever the application; the first that fits counts.
# None: personal by its name, and no substitute would do: it is left as it is and named.
BY_NAME: Final[tuple[tuple[str, str | None], ...]] = (
    (r"(e_?)?mail(_?addr(ess)?)?", "email"),
    (r"user_?name|login|screen_?name|nick_?name", "text"),
    (r"(first|last|middle|given|family|full|maiden|legal|preferred|contact)_?name|surname|forename", "text"),
    (r"(phone|mobile|tele?phone|fax)(_?(no|num|number))?", "text"),
    (r"((street|mailing|postal|home|billing|shipping|delivery)_?)?address(_?line)?(_?\d)?", "text"),
    (r"street|city|post_?code|postal_?code|zip_?code", "text"),
    (r"birth_?(date|day)|date_?of_?birth|dob|birth_?year|year_?of_?birth", "text"),
    (r"ssn|social_?security(_?number)?|passport(_?(no|num|number))?|national_?id|tax_?id", "text"),
    (r"iban|card_?number|bank_?account(_?(no|num|number))?|vat_?(id|number)", "text"),
    (r"bio|biography|about_?me", "text"),
    (r"ip|ip_?addr(ess)?|remote_?addr(ess)?|client_?ip", "ip"),
    (r"password|passwd|passphrase", "password"),
    (r"secret|api_?key|(access|refresh|auth)_?token|client_?secret|session_?key|session_?data", "text"),
    (r"gender|sex|nationality|religion|ethnicity|marital_?status|latitude|longitude|photo|avatar|portrait", None),
)  # fmt: skip
# The kinds of columns whose names are believed: where a rule would follow, and where one is only named.
GUESSED: Final = frozenset({"text", "ip", "json", "date", "integer", "other"})
NAMED: Final = frozenset({"text", "json", "binary", "decimal", "float", "other"})
# What a model's own word says, without any application's name. Classes of fields first, then roles that Django gives.
BY_FIELD: Final[Mapping[str, str]] = {
    "EmailField": "email", "GenericIPAddressField": "ip", "IPAddressField": "ip", "PhoneNumberField": "text",
}  # fmt: skip
BY_ROLE: Final[Mapping[str, str]] = {
    "user's name": "text", "user's address": "email", "user's password": "password", "session": "text", "log": "json",
}  # fmt: skip


class MaskError(SapwoodError):
    """A copy cannot be masked as the subject file says."""

    code = "upgrades.mask"

    @classmethod
    def of_table(cls, table: str, why: str) -> "MaskError":
        """A database refused masked rows."""
        return cls(f"The masked rows of {table} are refused: {why}", hint="Give a column of it another rule, or keep.")


@dataclass(frozen=True)
class Column:
    """One column of a database. `named` is the table that rules speak of: of a partition, the whole table."""

    table: str
    name: str
    kind: str
    named: str = ""
    generated: bool = False
    unique: bool = False
    highest: int | None = None
    codec: str = "utf-8"
    earliest: str = "0001-01-01"

    @property
    def label(self) -> str:
        """`table.column`, as rules name it."""
        return f"{self.named or self.table}.{self.name}"


@dataclass(frozen=True)
class Schema:
    """What a database consists of: columns, which refers to which, and what is no table that can be masked."""

    columns: Mapping[tuple[str, str], Column]
    links: Sequence[tuple[tuple[str, str], tuple[str, str]]]
    left: Sequence[tuple[str, Phrase]] = ()


@dataclass(frozen=True)
class Meaning:
    """What the subject's models say about a column."""

    model: str
    field: str
    classes: Sequence[str]
    role: str = ""
    choices: bool = False
    to: tuple[str, str] | None = None


Meanings = Mapping[tuple[str, str], Meaning]


@dataclass(frozen=True)
class Chosen:
    """One column with its rule, and why that; without a rule it stays as it is although its name speaks of people."""

    column: Column
    rule: str
    why: Phrase


@dataclass
class Choice:
    """What is masked in one database, what was asked for and is not there, and what is left."""

    masked: list[Chosen] = field(default_factory=list)
    left: list[Chosen] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)


def choose(schema: Schema, meanings: Meanings, mask: Mask) -> Choice:
    """The rule of each column. Columns that refer to each other have one; raises MaskError where that cannot be."""
    asked: dict[tuple[str, str], Chosen] = {}
    guessed: dict[tuple[str, str], Chosen] = {}
    found = Choice(not_found=_not_found(schema, mask))
    for key, column in schema.columns.items():
        if rule := _written(column, mask):
            asked[key] = Chosen(column, _fitting(column, rule), Phrase("the subject file"))
        elif mask.defaults and (guess := _guessed(column, meanings.get((column.named or column.table, column.name)))):
            guessed[key] = guess
    for group in _groups(schema, meanings):
        _settle(group, schema, asked, guessed)
    for key in sorted({*asked, *guessed}):
        one = asked.get(key) or guessed[key]
        (found.masked if one.rule not in {KEEP, ""} else found.left).append(one)
    return found


def _written(column: Column, mask: Mask) -> str:
    """What the file says: the column itself before patterns, these in their order."""
    if column.label in mask.rules:
        return mask.rules[column.label]
    return next((rule for pattern, rule in mask.rules.items() if fnmatchcase(column.label, pattern)), "")


def _not_found(schema: Schema, mask: Mask) -> list[str]:
    labels = {column.label for column in schema.columns.values()}
    return [one for one in mask.rules if one not in labels and not any(fnmatchcase(label, one) for label in labels)]


def _fitting(column: Column, rule: str) -> str:
    """The rule as this kind of column takes it; raises MaskError: what was to be masked must not stay by accident."""
    if rule == KEEP:
        return KEEP
    if column.generated:
        raise MaskError(
            f"mask.rules: {column.label} is computed by the database from other columns",
            hint="Mask those; it follows by itself.",
        )
    if column.kind not in FITS[rule]:
        fitting = [name for name, kinds in FITS.items() if column.kind in kinds]
        raise MaskError(
            f"mask.rules: {rule!r} does not fit {column.label}, which holds {column.kind}",
            hint=f"Fitting: {', '.join([*fitting, KEEP])}.",
        )
    return FITS[rule][column.kind]


def _guessed(column: Column, meaning: Meaning | None) -> Chosen | None:
    rule, why = _meant(column, meaning)
    if not why or column.kind not in (GUESSED if rule else NAMED):
        return None
    if column.kind in {"date", "integer"} and not re.search("birth|dob", column.name.lower()):
        return None  # such a number counts or refers, such a day is of a deed: neither is an address or a name
    reasons = [why]
    if column.generated:
        reasons.append(Phrase("the database computes it from other columns"))
    elif meaning is not None and meaning.choices:
        reasons.append(Phrase("only certain values are allowed"))
    elif rule and column.kind == "other":
        reasons.append(Phrase("no rule fits what it holds"))
    if len(reasons) > 1 or not rule:
        return Chosen(column, "", Phrase.listed(reasons))
    return Chosen(column, FITS[rule].get(column.kind) or FITS["text"][column.kind], why)


def _meant(column: Column, meaning: Meaning | None) -> tuple[str | None, Phrase]:
    """The rule that kind or name ask for, and why; no why: nothing does."""
    if meaning is not None and meaning.role:
        email = "EmailField" in meaning.classes and meaning.role != "user's password"
        why = Phrase("what Django uses it for (%(model)s)", model=harmless(meaning.model))
        return "email" if email else BY_ROLE[meaning.role], why
    if meaning is not None:
        for name in meaning.classes:
            if name in BY_FIELD:
                return BY_FIELD[name], Phrase("a field of the kind %(name)s", name=harmless(name))
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name).lower().strip("_")
    for pattern, rule in BY_NAME:
        if re.fullmatch(f"(.*_)?({pattern})", words):
            return rule, Phrase("its name")
    return None, NO_WORDS


def _groups(schema: Schema, meanings: Meanings) -> Iterable[set[tuple[str, str]]]:
    """Columns that refer to each other, by the database or by the models alone."""
    roots: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while roots.setdefault(key, key) != key:
            key = roots[key]
        return key

    linked = [(key, meaning.to) for key, meaning in meanings.items() if meaning.to is not None]
    for one, other in [*schema.links, *linked]:
        if one in schema.columns and other in schema.columns:
            roots[root(one)] = root(other)
    groups: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for key in roots:
        groups.setdefault(root(key), set()).add(key)
    return [group for group in groups.values() if len(group) > 1]


def _settle(
    group: set[tuple[str, str]],
    schema: Schema,
    asked: dict[tuple[str, str], Chosen],
    guessed: dict[tuple[str, str], Chosen],
) -> None:
    """One rule for all: what the file says of any of them, else the guess for one that may be masked."""
    written = {asked[key].rule: key for key in sorted(group) if key in asked}
    if len(written) > 1:
        names = " and ".join(asked[key].column.label for key in written.values())
        raise MaskError(
            f"mask.rules: {names} refer to each other and have different rules", hint="Give them the same rule."
        )
    pool = asked if written else guessed
    leader = next((pool[key] for key in sorted(group) if key in pool and pool[key].rule), None)
    if leader is None:
        return
    for key in group - {(leader.column.table, leader.column.name)}:
        column = schema.columns[key]
        if key not in asked and not column.generated:
            why = Phrase("it goes with %(column)s", column=harmless(leader.column.label))
            guessed[key] = Chosen(column, leader.rule, why)
