"""Differences between two texts, and between two texts and the one they came from."""

from sapwood.console.diff import Change, Origin, Run, compare, compare_three

BASE = "one\ntwo\nthree\nfour\nfive"


def changes(old, new):
    return [row.change for row in compare(old, new)]


def test_equal_texts_have_no_change():
    assert changes(BASE, BASE) == [Change.SAME] * 5


def test_lines_keep_their_own_numbers():
    rows = compare("a\nb\nc", "a\nnew\nb\nc")
    assert [(row.old_number, row.new_number) for row in rows] == [(1, 1), (None, 2), (2, 3), (3, 4)]


def test_only_the_words_that_differ_are_marked():
    (row,) = compare("Write to the forum with questions.", "Write to the help desk with questions.")
    assert [run.text for run in row.old if run.marked] == ["forum"]
    assert [run.text for run in row.new if run.marked] == ["help desk"]


def test_marked_words_with_only_space_between_become_one_mark():
    (row,) = compare("Teak is supported until January 2026.", "Teak is unsupported since 15 January 2026.")
    assert [run.text for run in row.old if run.marked] == ["supported until"]
    assert [run.text for run in row.new if run.marked] == ["unsupported since 15"]


def test_lines_that_have_little_in_common_are_marked_whole():
    (row,) = compare("abc def", "Everything else is new here")
    assert row.old == (Run("abc def", marked=True),)


def test_removing_and_adding_lines_is_told_apart():
    assert changes("a\nb", "a") == [Change.SAME, Change.DELETED]
    assert changes("", "a") == [Change.INSERTED]


def test_the_runs_of_a_line_put_together_are_the_line():
    old, new = "Teak is supported until January 2026.", "Teak is unsupported since 15 January 2026."
    (row,) = compare(old, new)
    assert "".join(run.text for run in row.old) == old
    assert "".join(run.text for run in row.new) == new


def test_a_very_long_line_is_compared_as_a_whole():
    (row,) = compare("a " * 5000, "b " * 5000)
    assert len(row.old) == 1


def origins(base, ours, theirs):
    return [part.origin for part in compare_three(base, ours, theirs)]


def test_who_changed_what_is_told_apart():
    ours = BASE.replace("two", "TWO")
    theirs = BASE.replace("four", "FOUR")
    assert origins(BASE, ours, theirs) == [
        Origin.NOBODY,
        Origin.OURS,
        Origin.NOBODY,
        Origin.THEIRS,
        Origin.NOBODY,
    ]


def test_neighbouring_lines_are_no_conflict():
    ours, theirs = BASE.replace("two", "TWO"), BASE.replace("three", "THREE")
    assert Origin.CONFLICT not in origins(BASE, ours, theirs)


def test_the_same_line_changed_twice_is_a_conflict_unless_both_did_the_same():
    assert Origin.CONFLICT in origins(BASE, BASE.replace("two", "2"), BASE.replace("two", "ii"))
    assert Origin.BOTH_ALIKE in origins(BASE, BASE.replace("two", "2"), BASE.replace("two", "2"))


def test_every_side_can_be_read_back_from_the_parts():
    ours = "zero\none\ntwo and a half\nfour\nfive"
    theirs = "one\ntwo\nthree\nfour\nsix\nseven"
    parts = compare_three(BASE, ours, theirs)
    for side, text in (("base", BASE), ("ours", ours), ("theirs", theirs)):
        assert "\n".join(line for part in parts for line in getattr(part, side)) == text


def test_a_part_marks_what_each_side_changed():
    (part,) = (p for p in compare_three(BASE, BASE.replace("two", "two halves"), BASE) if p.origin is Origin.OURS)
    assert [run.text for run in part.ours_runs if run.marked] == [" halves"]
    assert not any(run.marked for run in part.theirs_runs)
