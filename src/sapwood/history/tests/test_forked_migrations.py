"""A fork's migrations in the target's chain: second leaves, predecessors that are gone, squashes."""

import pytest

from sapwood.history.forks import Verdict, fork_status
from sapwood.history.tests.repositories import three_branches


def migration(*needs, app="shop", replaces=(), extra=""):
    dependencies = [(app, name) if isinstance(name, str) else name for name in needs]
    return (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = {dependencies!r}{extra}\n"
        f"    replaces = {[(app, name) for name in replaces]!r}\n"
        "    operations = []\n"
    )


def folder(files, at="src/shop"):
    return {f"{at}/migrations/{name}.py": content for name, content in files.items()}


BASE = {"0001_initial": migration(), "0002_price": migration("0001_initial")}


def status(tmp_path, target, fork, base=BASE, at="src/shop", more=None):
    repo = three_branches(
        tmp_path / "r",
        folder(base, at) | {"README": "shop\n"} | (more or {}),
        target=folder(target, at),
        fork=folder(fork, at),
    )
    return fork_status(repo.path, "main", "target")


def test_a_second_leaf_is_bad_news_though_every_file_merges(tmp_path):
    found = status(tmp_path, {"0003_theirs": migration("0002_price")}, {"0003_mine": migration("0002_price")})
    [app] = found.forked_migrations
    assert (found.verdict, found.conflicts) == (Verdict.CONFLICTS, ())
    assert (app.folder, app.app, app.fork_leaves, app.target_leaves) == (
        "src/shop/migrations",
        "shop",
        ("0003_mine",),
        ("0003_theirs",),
    )
    assert [(one.path, one.change) for one in found.commits[0].migrations] == [
        ("src/shop/migrations/0003_mine.py", "added")
    ]


def test_of_a_chain_of_the_forks_own_the_last_one_is_the_leaf(tmp_path):
    fork = {"0003_mine": migration("0002_price"), "0004_mine_too": migration("0003_mine")}
    [app] = status(tmp_path, {"0003_theirs": migration("0002_price")}, fork).forked_migrations
    assert app.fork_leaves == ("0004_mine_too",)


def test_a_leaf_that_both_have_is_the_targets(tmp_path):
    shared = {"0003_shared": migration("0002_price")}
    [app] = status(tmp_path, shared, shared | {"0003_mine": migration("0002_price")}).forked_migrations
    assert (app.fork_leaves, app.target_leaves) == (("0003_mine",), ("0003_shared",))


@pytest.mark.parametrize(
    ("target", "fork"),
    [
        ({}, {"0003_mine": migration("0002_price")}),
        ({"0003_theirs": migration("0002_price")}, {}),
        # A merge migration that the fork carries joins both.
        (
            {"0003_theirs": migration("0002_price")},
            {"0003_mine": migration("0002_price"), "0004_merge": migration("0003_mine", "0003_theirs")},
        ),
        # The target squashed what the fork builds on, and kept it or not.
        (
            {"0001_squashed": migration(replaces=["0001_initial", "0002_price"])},
            {"0003_mine": migration("0002_price")},
        ),
        (
            {
                "0001_initial": None,
                "0002_price": None,
                "0001_squashed": migration(replaces=["0001_initial", "0002_price"]),
            },
            {"0003_mine": migration("0002_price")},
        ),
        # Contributed as it is.
        ({"0003_mine": migration("0002_price")}, {"0003_mine": migration("0002_price")}),
        # A dependency on another app's migration of the same name is not one on the app's own.
        ({}, {"0003_mine": migration("0002_price", ("auth", "0001_initial"))}),
    ],
)
def test_what_django_takes_is_clean(tmp_path, target, fork):
    found = status(tmp_path, target, fork)
    assert (found.verdict, found.forked_migrations) == (Verdict.CLEAN, ())


def test_a_predecessor_that_the_target_has_no_longer_is_bad_news(tmp_path):
    target = {"0001_initial": None, "0002_price": None, "0001_anew": migration()}
    found = status(tmp_path, target, {"0003_mine": migration("0002_price")})
    [app] = found.forked_migrations
    assert app.missing == ("0003_mine: 0002_price",)
    assert found.verdict == Verdict.CONFLICTS


def test_a_fork_that_removes_what_others_need_is_bad_news(tmp_path):
    target = {"0003_theirs": migration("0002_price")}
    base = BASE | {"0001_extra": migration("0001_initial"), "0002_price": migration("0001_extra")}
    found = status(tmp_path, target, {"0002_price": None}, base=base)
    assert found.forked_migrations[0].missing == ("0003_theirs: 0002_price",)


def test_what_the_target_lacks_without_the_fork_is_not_the_forks(tmp_path):
    base = {"0001_initial": migration("0000_never_there"), "0002_price": migration("0001_initial")}
    assert status(tmp_path, {}, {"0003_mine": migration("0002_price")}, base=base).verdict == Verdict.CLEAN


def test_an_app_is_known_by_the_label_that_it_declares(tmp_path):
    """Its folder is `store`; without the label no dependency would be its own, and each migration a leaf."""
    more = [("auth", "0001_initial")] * 3  # as often as its own, and called like its own first one
    chain = {"0001_initial": migration(app="tills"), "0002_price": migration("0001_initial", *more, app="tills")}
    mine = {"0003_mine": migration("0002_price", app="tills")}
    apps = 'class Store(AppConfig):\n    name = "campus.store"\n    label = "tills"\n'
    found = status(tmp_path, {}, mine, base=chain, at="store", more={"store/apps.py": apps})
    assert (found.verdict, found.forked_migrations) == (Verdict.CLEAN, ())


def test_an_app_whose_label_stands_elsewhere_is_known_by_its_migrations(tmp_path):
    chain = {"0001_initial": migration(app="tills"), "0002_price": migration("0001_initial", app="tills")}
    theirs = {"0003_theirs": migration("0002_price", app="tills")}
    mine = {"0003_mine": migration("0002_price", app="tills")}
    [app] = status(tmp_path, theirs, mine, base=chain, at="store").forked_migrations
    assert (app.app, app.fork_leaves) == ("tills", ("0003_mine",))


def test_the_label_of_an_app_config_without_one_is_the_end_of_its_name(tmp_path):
    apps = 'class Shop(AppConfig):\n    name = "campus.other.shop"\n'
    more = {"x/apps.py": apps}
    mine = {"0003_mine": migration("0002_price")}
    found = status(tmp_path, {"0003_theirs": migration("0002_price")}, mine, at="x", more=more)
    assert found.forked_migrations[0].app == "shop"


@pytest.mark.parametrize(
    "source",
    [
        migration("0002_price", extra=" + OTHERS"),
        "class Migration(:",
        "import nothing\n",
        migration("0002_price").replace("'0002_price'", "PRICE"),
    ],
)
def test_dependencies_that_cannot_be_read_are_not_known(tmp_path, source):
    found = status(tmp_path, {}, {"0003_mine": source})
    assert found.verdict == Verdict.UNKNOWN
    assert found.reason == "some migrations have dependencies that cannot be read"
    assert found.forked_migrations[0].unread == ("0003_mine",)


def test_a_swappable_dependency_is_another_apps(tmp_path):
    mine = migration("0002_price").replace(
        "('shop', '0002_price')", "('shop', '0002_price'), migrations.swappable_dependency(settings.AUTH_USER_MODEL)"
    )
    assert status(tmp_path, {}, {"0003_mine": mine}).verdict == Verdict.CLEAN


def test_a_merge_migration_made_in_a_merge_commit_counts(tmp_path):
    repo = three_branches(
        tmp_path / "r",
        folder(BASE),
        target=folder({"0003_theirs": migration("0002_price")}),
        fork=folder({"0003_mine": migration("0002_price")}),
    )
    repo.git("merge", "-q", "--no-commit", "target")
    repo.commit("merge", folder({"0004_merge": migration("0003_mine", "0003_theirs")}))
    found = fork_status(repo.path, "target", "target")
    assert found.commits[-1].own_changes == ("src/shop/migrations/0004_merge.py",)
    assert (found.verdict, found.forked_migrations) == (Verdict.CLEAN, ())


def test_what_changes_a_migration_is_told_and_what_only_looks_like_one_is_not(tmp_path):
    repo = three_branches(tmp_path / "r", folder(BASE) | {"docs/migrations/0001_x.md": "x\n"})
    repo.commit(
        "edits",
        folder({"0002_price": migration("0001_initial") + "# edited\n", "helpers": "x = 1\n"})
        | {"docs/migrations/0001_x.md": "y\n", "migrations_old/0001_x.py": "y\n"},
    )
    [commit] = fork_status(repo.path, "main", "target").commits
    assert [(one.path, one.change) for one in commit.migrations] == [("src/shop/migrations/0002_price.py", "modified")]
