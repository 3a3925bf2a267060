"""Markdown files with front matter: what is read, and what is refused with its line."""

import re
from pathlib import Path

import pytest

from sapwood.commons.announcements.files.folder import read_folder
from sapwood.commons.announcements.files.frontmatter import MAX_FILE_BYTES, read_front_matter
from sapwood.commons.announcements.tests.conftest import PLAIN, SPANISH, UUID_ONE, UUID_TWO
from sapwood.core.errors import UsageError


def nobody(slug):
    return None


def read_one(folder, *, slug="verawood"):
    [item] = [item for item in read_folder(folder.path, nobody) if item.slug == slug]
    return item


def places(item):
    return [(problem.file, problem.line) for problem in item.problems]


def test_a_file_and_its_translation_become_one_document(folder):
    folder.write("verawood.md", PLAIN)
    folder.write("verawood.es-419.md", SPANISH)
    item = read_one(folder)
    assert item.problems == ()
    assert item.document["channel"] == "releases"
    assert item.document["texts"]["es-419"]["title"] == "Salió Verawood"
    assert item.document["texts"]["es-419"]["origin"] == "community"
    assert "origin" not in item.document["texts"]["en"]
    assert item.document["texts"]["en"]["body"].endswith("(https://docs.openedx.org/).")


def test_each_problem_names_its_file_and_line(folder):
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", "kind: gossip"))
    item = read_one(folder)
    assert places(item) == [("verawood.md", 5)]


def test_a_misspelt_name_gets_a_suggestion(folder):
    folder.write("verawood.md", PLAIN.replace("summary:", "sumary:"))
    [problem] = read_one(folder).problems
    assert (problem.line, problem.hint) == (4, "Did you mean 'summary'?")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "https://openedx.org@evil.example/"]
)
def test_case_18_a_dangerous_link_in_a_body_is_refused_at_its_line(folder, link):
    folder.write("verawood.md", PLAIN.replace("https://docs.openedx.org/", link))
    assert places(read_one(folder)) == [("verawood.md", 9)]


def test_case_18_a_dangerous_link_in_the_front_matter_is_refused_at_its_line(folder):
    links = "links:\n  - kind: survey\n    url: javascript:alert(1)\n---"
    folder.write("verawood.md", PLAIN.replace("---\nVerawood", links + "\nVerawood"))
    [(file, line)] = places(read_one(folder))
    assert file == "verawood.md"
    assert line in {7, 8}


def test_case_17_html_and_case_19_pictures_are_refused_at_their_line(folder):
    folder.write("verawood.md", PLAIN + "\n<script>alert(1)</script>\n![x](https://tracker.example/p.gif)\n")
    assert places(read_one(folder)) == [("verawood.md", 11), ("verawood.md", 12)]


def test_code_may_show_html(folder):
    folder.write("verawood.md", PLAIN + "\nUse `<b>`.\n\n```\n<script>\n```\n")
    assert read_one(folder).problems == ()


@pytest.mark.parametrize("title", ["a\u202eb", "a\u200bb", "x" * 201])
def test_case_20_a_misleading_title_is_refused(folder, title):
    folder.write("verawood.md", PLAIN.replace("Verawood is out", f'"{title}"'))
    assert places(read_one(folder)) == [("verawood.md", 3)]


def test_case_20_nul_and_other_encodings_are_refused(folder):
    folder.write("verawood.md", PLAIN.replace("new catalogue", "new\0catalogue"))
    assert places(read_one(folder)) == [("verawood.md", 7)]
    found = read_front_matter(PLAIN.encode("utf-16"), "x.md")
    assert "UTF-8" in found.problems[0].message


def test_case_21_braces_are_text(folder):
    folder.write("verawood.md", PLAIN.replace("Verawood is out", '"{p} {0} {{site_name}} %s"'))
    item = read_one(folder)
    assert item.problems == ()
    assert item.document["texts"]["en"]["title"] == "{p} {0} {{site_name}} %s"


@pytest.mark.parametrize("value", ["not a date", "2026-13-01", "2026-11-22T10:00:00", "22.11.2026"])
def test_case_23_a_bad_date_is_refused_at_its_line(folder, value):
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", f"kind: news\nexpires_at: {value}"))
    assert places(read_one(folder)) == [("verawood.md", 6)]


def test_a_day_is_its_first_moment_and_other_zones_become_utc(folder):
    dates = "kind: news\npublish_at: 2026-12-09\nexpires_at: 2026-12-24T01:00:00+01:00"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", dates))
    document = read_one(folder).document
    assert (document["publish_at"], document["expires_at"]) == ("2026-12-09T00:00:00Z", "2026-12-24T00:00:00Z")


def test_case_22_yaml_bombs_tags_and_anchors_are_refused():
    bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\n---\n"
    assert "Anchors" in read_front_matter(bomb.encode(), "x.md").problems[0].message
    tag = "---\ntitle: !!python/object/apply:os.system [id]\n---\n"
    found = read_front_matter(tag.encode(), "x.md")
    assert ("Tags" in found.problems[0].message, found.problems[0].line) == (True, 2)
    deep = "---\na: " + "[" * 500 + "]" * 500 + "\n---\n"
    assert "nested" in read_front_matter(deep.encode(), "x.md").problems[0].message


def test_a_key_given_twice_is_refused_at_its_second_line():
    found = read_front_matter(b"---\ntitle: a\ntitle: b\n---\n", "x.md")
    assert [problem.line for problem in found.problems] == [3]


def test_words_and_versions_stay_what_the_author_wrote():
    found = read_front_matter(b"---\nlocale: no\nwhen: 2026-12-09\nbig: 0x10\n---\n", "x.md")
    assert found.values == {"locale": "no", "when": "2026-12-09", "big": "0x10"}
    fraction = read_front_matter(b"---\nversion: 3.10\n---\n", "x.md")
    assert fraction.problems[0].hint == 'Put it in quotes: "3.10".'


def test_case_27_a_file_that_is_too_large_is_refused_without_being_parsed(folder):
    folder.write("verawood.md", PLAIN + "x" * MAX_FILE_BYTES)
    assert "bytes" in read_one(folder).problems[0].message


def test_one_bad_file_spoils_no_other(folder):
    folder.write("verawood.md", PLAIN)
    folder.write("broken.md", "---\n: : :\n---\n")
    folder.write("Bad Name.md", PLAIN)
    items = {item.slug: item for item in read_folder(folder.path, nobody)}
    assert not items["verawood"].problems
    assert items["broken"].problems
    assert items["Bad Name.md"].problems


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(PLAIN)
    (folder.path / "verawood.md").symlink_to(secret)
    [item] = read_folder(folder.path, nobody)
    assert "not a plain file" in item.problems[0].message


def test_a_translation_without_its_original_is_refused(folder):
    folder.write("verawood.es-419.md", SPANISH)
    assert places(read_one(folder)) == [("verawood.es-419.md", 0)]


def test_two_files_cannot_share_a_uuid(folder):
    folder.write("verawood.md", PLAIN)
    folder.write("copy.md", PLAIN)
    assert all(item.problems for item in read_folder(folder.path, nobody))


def test_others_are_named_by_slug_or_uuid(folder):
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", f"kind: news\nsupersedes: [old, {UUID_TWO}]"))
    folder.write("old.md", PLAIN.replace(UUID_ONE, UUID_TWO.replace("0002", "0003")))
    assert read_one(folder).document["supersedes"] == [UUID_TWO.replace("0002", "0003"), UUID_TWO]
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", "kind: news\ncloses: [nowhere]"))
    assert places(read_one(folder)) == [("verawood.md", 6)]


def test_an_advisory_belongs_to_the_security_channel(folder):
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", "kind: advisory\nchannel: community"))
    [problem] = read_one(folder).problems
    assert (problem.line, "security" in problem.message) == (6, True)


def test_case_28_an_unknown_operator_is_a_warning_not_an_error(folder):
    condition = "kind: news\ncondition:\n  fact: release\n  op: resembles\n  value: ulmo.1"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", condition))
    item = read_one(folder)
    assert item.problems == ()
    assert "resembles" in item.warnings[0].message


def test_a_feedback_request_without_a_way_to_answer_is_a_warning(folder):
    request = "kind: feedback_request\nfeedback:\n  question: How do you author?"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", request))
    item = read_one(folder)
    assert item.problems == ()
    assert "one-way" in item.warnings[0].message


def test_case_49_a_survey_address_with_parameters_is_a_warning(folder):
    request = "kind: feedback_request\nfeedback:\n  question: How?\nlinks:\n  - kind: survey\n    url: https://s.example/?user=7"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", request))
    [warning] = read_one(folder).warnings
    assert ("parameters" in warning.message, warning.line) == (True, 10)


def test_case_50_a_request_that_outlives_its_question_is_a_warning(folder):
    request = "kind: feedback_request\nfeedback:\n  question: How?\n  closes_at: 2026-12-01\n"
    request += "links:\n  - kind: survey\n    url: https://s.example/"
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", request))
    [warning] = read_one(folder).warnings
    assert "after its question has closed" in warning.message
    folder.write("verawood.md", PLAIN.replace("kind: release_notes", request + "\nexpires_at: 2026-12-02"))
    assert read_one(folder).warnings == ()


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError):
        read_folder(tmp_path / "nowhere", nobody)


def test_the_file_in_the_documentation_is_valid(folder):
    page = Path(__file__).parents[5] / "docs" / "how-to" / "publish-announcements.md"
    example = re.search(r"```markdown\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[1]
    folder.write("willow-planned.md", example)
    folder.write("an-older-slug.md", PLAIN)
    item = read_one(folder, slug="willow-planned")
    assert (item.problems, item.warnings) == ((), ())


def test_the_documentation_names_every_field():
    from sapwood.commons.announcements.files import fields

    page = Path(__file__).parents[5] / "docs" / "how-to" / "publish-announcements.md"
    text = page.read_text(encoding="utf-8")
    names = {*fields._MAIN_NAMES, *fields._TRANSLATION_NAMES, *fields._EVENT_NAMES, *fields._LINK_NAMES}
    assert sorted(name for name in names if f"{name}" not in text) == []
