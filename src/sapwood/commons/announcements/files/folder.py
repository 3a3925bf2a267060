"""Reads a folder of announcements: `slug.md` in the author's language, `slug.es-419.md` and so on beside it."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sapwood.commons.announcements.checks import check_document
from sapwood.commons.announcements.data import AnnouncementFile, Problem
from sapwood.commons.announcements.files.fields import Resolve, document_of, is_locale, translation_of
from sapwood.commons.announcements.files.frontmatter import MAX_FILE_BYTES, FrontMatter, read_front_matter
from sapwood.core.errors import UsageError
from sapwood.formats.canonical import JSON
from sapwood.formats.phrase import Figure, Phrase

MAX_FILES: Final = 5_000
SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
MAX_SLUG_CHARS: Final = 80


@dataclass
class _Bundle:
    main: FrontMatter | None = None
    translations: dict[str, FrontMatter] = field(default_factory=dict)


def read_folder(folder: Path, resolve: Resolve) -> list[AnnouncementFile]:
    """Every announcement of a folder, each with its own problems; one bad file spoils no other.

    `resolve` finds announcements that are known from elsewhere by their slug.
    """
    if not folder.is_dir():
        raise UsageError(
            Phrase("%(folder)s is not a folder.", folder=folder),
            hint=Phrase("Give the folder that holds the Markdown files."),
        )
    bundles: dict[str, _Bundle] = {}
    strays: list[Problem] = []
    for path in _markdown_files(folder):
        slug, locale, problem = _name_of(path)
        if problem:
            strays.append(problem)
            continue
        bundle = bundles.setdefault(slug, _Bundle())
        front = read_front_matter(_read(path), path.name)
        if locale:
            bundle.translations[locale] = front
        else:
            bundle.main = front
    here = {slug: _uuid_in(bundle) for slug, bundle in bundles.items()}
    found = [_assemble(slug, bundle, lambda name: here.get(name) or resolve(name)) for slug, bundle in bundles.items()]
    found.extend(AnnouncementFile(slug=p.file, document={}, problems=(p,)) for p in strays)
    return _refuse_shared_uuids(found)


def _markdown_files(folder: Path) -> list[Path]:
    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix == ".md" and not path.name.startswith(".") and path.name != "README.md"
    ]
    if len(paths) > MAX_FILES:
        raise UsageError(
            Phrase("%(folder)s holds more than %(n)s files.", folder=folder, n=Figure(MAX_FILES)),
            hint=Phrase("Publish it in parts."),
        )
    return paths


def _name_of(path: Path) -> tuple[str, str, Problem | None]:
    slug, _, locale = path.name.removesuffix(".md").partition(".")
    if path.is_symlink() or not path.is_file():
        return slug, "", Problem(Phrase("This is not a plain file."), Phrase("Links are not followed."), path.name)
    if not SLUG.fullmatch(slug) or len(slug) > MAX_SLUG_CHARS:
        hint = Phrase("Name it in lower case with hyphens, such as ulmo-4-released.md.")
        return slug, "", Problem(Phrase("The file's name is not a slug."), hint, path.name)
    if locale and not is_locale(locale):
        return (
            slug,
            "",
            Problem(
                Phrase("%(locale)s is not a language tag.", locale=repr(locale)),
                Phrase("Write one such as es-419."),
                path.name,
            ),
        )
    return slug, locale, None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)


def _uuid_in(bundle: _Bundle) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(bundle.main.values.get("uuid"))) if bundle.main else None
    except ValueError:
        return None


def _assemble(slug: str, bundle: _Bundle, resolve: Resolve) -> AnnouncementFile:
    main = bundle.main
    if main is None:
        name = f"{slug}.md"
        first = next(iter(bundle.translations.values())).file
        problem = Problem(
            Phrase("%(name)s is missing, of which this is a translation.", name=name),
            Phrase("Add %(name)s.", name=name),
            first,
        )
        return AnnouncementFile(slug=slug, document={}, problems=(problem,))
    if main.problems:
        return AnnouncementFile(slug=slug, document={}, problems=tuple(main.problems))
    item = document_of(main, slug, resolve)
    texts: dict[str, JSON] = dict(_mapping(item.document["texts"]))
    warnings: list[Problem] = []
    fronts = [main]
    for locale, front in bundle.translations.items():
        fronts.append(front)
        if front.problems:
            continue
        if locale in texts:
            front.problem(
                "",
                Phrase("%(file)s is written in %(locale)s itself.", file=main.file, locale=locale),
                Phrase("Remove one of the two."),
            )
        texts[locale] = translation_of(front)
    document = {**item.document, "texts": texts}
    problems = [problem for front in fronts for problem in front.problems]
    if not problems:
        report = check_document(document, organisation=item.organisation)
        problems = [_placed(problem, main, bundle) for problem in report.problems]
        warnings = [_placed(warning, main, bundle) for warning in report.warnings]
    return replace(item, document=document, problems=tuple(problems), warnings=tuple(warnings))


def _placed(problem: Problem, main: FrontMatter, bundle: _Bundle) -> Problem:
    """The problem with the file and line that its place in the document came from."""
    match = re.match(r"texts\.([^.\[\]]+)(?:\.(.*))?$", problem.path, re.DOTALL)
    front = bundle.translations.get(match[1], main) if match else main
    path = (match[2] or "") if match else problem.path
    if path == "body":
        return replace(problem, file=front.file, line=front.body_line + max(problem.line - 1, 0))
    return replace(problem, file=front.file, line=front.line_of(path))


def _refuse_shared_uuids(found: list[AnnouncementFile]) -> list[AnnouncementFile]:
    slugs: dict[str, list[str]] = {}
    for item in found:
        if "uuid" in item.document:
            slugs.setdefault(str(item.document["uuid"]), []).append(item.slug)
    return list(_with_clashes(found, slugs))


def _with_clashes(found: list[AnnouncementFile], slugs: dict[str, list[str]]) -> Iterator[AnnouncementFile]:
    for item in found:
        others = [slug for slug in slugs.get(str(item.document.get("uuid")), ()) if slug != item.slug]
        if not others:
            yield item
            continue
        hint = Phrase("Give each announcement a uuid of its own.")
        clash = Problem(Phrase("%(slug)s.md has the same uuid.", slug=others[0]), hint, f"{item.slug}.md", 1)
        yield replace(item, problems=(*item.problems, clash))


def _mapping(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
