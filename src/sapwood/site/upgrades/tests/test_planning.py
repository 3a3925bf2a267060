"""The plan of a Django project: its way, packages, configuration, forks, what was postponed, what it takes."""

import json
import textwrap
from dataclasses import replace

import pytest
from click.testing import CliRunner

from sapwood.core.errors import SapwoodError, UsageError
from sapwood.formats.tests.catalogue_cases import SHIPPED, small_data
from sapwood.history.tests.repositories import LINES, three_branches
from sapwood.site.upgrades import planning
from sapwood.site.upgrades.cli import upgrade
from sapwood.site.upgrades.drivers import django as driver
from sapwood.site.upgrades.subject import read_subject

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ADDS = """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.AddField("Product", "price", models.IntegerField(null=True))]
"""
STOPPED = '[hooks]\nstop = ["true"]\n'
MINE, THEIRS = LINES.replace("line 5\n", "mine\n"), LINES.replace("line 5\n", "theirs\n")


@pytest.fixture
def run(tmp_path, monkeypatch, campus):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    campus.subject.write_text(campus.subject.read_text() + STOPPED)

    def invoke(*words, command="plan", code=0):
        result = CliRunner().invoke(upgrade, [command, str(campus.subject), *map(str, words), "--json"])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return invoke


@pytest.fixture
def text(run, campus):
    def invoke(*words):
        return CliRunner().invoke(upgrade, ["plan", str(campus.subject), *map(str, words)]).output

    return invoke


@pytest.fixture
def catalogue(tmp_path):
    """Alder, birch and cedar, with a step that depends on the engine, one for a person, and a risk about a plugin."""

    def write(change=lambda _data: None):
        data = small_data()
        change(data)
        path = tmp_path / "catalogue.json"
        path.write_text(json.dumps(data))
        return path

    return write


def names(campus, current, target):
    """The subject names its releases."""
    words = campus.subject.read_text()
    words = words.replace('python = "./old/bin/python"', f'python = "./old/bin/python"\nrelease = "{current}"')
    words = words.replace('python = "./new/bin/python"', f'python = "./new/bin/python"\nrelease = "{target}"')
    campus.subject.write_text(words)


def package(campus, side, name, version, *requires, top="", python=""):
    """What pip leaves of a package."""
    [packages] = (campus.folder / side / "lib").glob("python*/site-packages")
    folder = packages / f"{name}-{version}.dist-info"
    folder.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {one}" for one in requires]
    lines += [f"Requires-Python: {python}"] if python else []
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    if top:
        (folder / "top_level.txt").write_text(f"{top}\n")


def setting(campus, text):
    path = campus.folder / "campus_settings.py"
    path.write_text(path.read_text() + textwrap.dedent(text))


ONLY_NEW = """
import sys
NEW = "/new/" in sys.prefix + "/"
"""


def checks(found):
    return {row["name"]: row for row in found["preflight"]["checks"]}


def test_without_releases_there_is_no_path_and_it_is_said_why(run, text, campus):
    found = run()
    assert (found["path"], found["verdict"]) == ([], "go")
    assert found["path_why"] == "the subject file names no release under [current]"
    assert "path     none: the subject file names no release under [current]" in text()
    asked = run("--to", "cedar.1", code=4)
    assert checks(asked)["path"]["verdict"] == "unknown"


def test_the_way_its_steps_and_risks_are_evaluated_for_this_site(run, text, campus, catalogue):
    names(campus, "birch.2", "cedar.1")
    found = run("--catalogue", catalogue(), code=4)
    [leg] = found["path"]
    assert (leg["from"], leg["to"], leg["release"]) == ("birch", "cedar", "cedar.1")
    # The engine is SQLite, so what is for MariaDB is left out; the step in words and the plugin's risk are a person's.
    assert [(step["id"], step["on"], step["automated"]) for step in found["steps"]] == [
        ("1.backup", "birch.2", False),
        ("1.ask", "birch.2", False),
    ]
    rows = checks(found)
    assert {name: rows[name]["verdict"] for name in rows if name.startswith(("path", "step.", "risk."))} == {
        "path": "pass",
        "path.target": "pass",
        "step.ask": "unknown",
        "risk.slow": "unknown",
    }
    assert "step     before  on birch.2: Back up" in text("--catalogue", catalogue())

    answers = ["--confirm", "step.ask=two courses only", "--confirm", "risk.slow=that plugin was never here"]
    found = run("--catalogue", catalogue(), *answers)
    rows = checks(found)
    assert found["verdict"] == "go"
    assert (rows["risk.slow"]["verdict"], rows["risk.slow"]["reason"]) == (
        "confirmed",
        "that plugin was never here",
    )
    with pytest.raises(UsageError):
        run("--catalogue", catalogue(), "--confirm", "risk.fast=no")


def test_a_rule_that_cannot_be_understood_is_unknown_and_one_that_blocks_is_a_no_go(run, campus, catalogue):
    names(campus, "birch.2", "cedar.1")

    def odd(data):
        data["edges"][1]["risks"][0]["applies_if"] = {"fact": "database.engine", "op": "resembles", "value": "x"}

    assert checks(run("--catalogue", catalogue(odd), code=4))["risk.slow"]["verdict"] == "unknown"

    def blocks(data):
        data["edges"][1]["risks"][0] |= {
            "severity": "blocks",
            "applies_if": {"fact": "database.engine", "op": "==", "value": "sqlite"},
        }

    found = run("--catalogue", catalogue(blocks), code=3)
    assert (found["verdict"], checks(found)["risk.slow"]["verdict"]) == ("no-go", "fail")


def test_a_facts_document_says_what_no_environment_says_of_itself(run, campus, catalogue):
    names(campus, "birch.2", "cedar.1")
    (campus.folder / "facts.json").write_text(json.dumps({"plugins": []}))
    campus.subject.write_text('facts = "./facts.json"\n' + campus.subject.read_text())
    assert "risk.slow" not in checks(run("--catalogue", catalogue(), code=4))


def test_barriers_and_skipped_releases(run, campus, catalogue):
    names(campus, "alder.1", "cedar.1")
    rows = checks(run("--catalogue", catalogue(), code=3))
    assert (rows["path"]["verdict"], "alder.2" in rows["path"]["detail"]) == ("fail", True)
    campus.subject.write_text(campus.subject.read_text().replace("alder.1", "alder.2"))
    rows = checks(run("--catalogue", catalogue(), code=4))
    assert (rows["path"]["verdict"], "birch" in rows["path"]["detail"]) == ("unknown", True)
    rows = checks(run("--catalogue", catalogue(), "--to", "birch.2", code=3))
    assert rows["path.target"]["verdict"] == "fail"


def test_several_hops_of_the_shipped_catalogue(run, campus):
    names(campus, "redwood.1", "teak.1")
    found = run("--catalogue", SHIPPED, code=4)
    assert [leg["to"] for leg in found["path"]] == ["sumac", "teak"]
    assert any(step["when"] == "before" and step["on"] == "redwood.1" for step in found["steps"])
    unknown = [row for row in checks(found).values() if row["verdict"] == "unknown"]
    assert unknown
    assert all(row["by_person"] for row in unknown)


def test_packages_that_do_not_fit_and_that_are_left_behind(run, text, campus):
    """A plugin pins an older framework and is not in the target; another is there and asks for what is not."""
    for part in ("wiki", "wiki/migrations"):
        (campus.folder / "code-old" / part).mkdir()
        (campus.folder / "code-old" / part / "__init__.py").touch()
    (campus.folder / "code-old" / "wiki" / "models.py").write_text(
        "from django.db import models\nclass Page(models.Model):\n    pass\n"
    )
    (campus.folder / "code-old" / "wiki" / "migrations" / "0001_initial.py").write_text(
        "from django.db import migrations, models\n"
        "class Migration(migrations.Migration):\n"
        '    operations = [migrations.CreateModel("Page", [("id", models.BigAutoField(primary_key=True))])]\n'
    )
    setting(campus, "import importlib.util\nif importlib.util.find_spec('wiki'):\n    INSTALLED_APPS.append('wiki')\n")
    campus.run("old", "call_command('migrate', verbosity=0)")
    package(campus, "old", "campus-wiki", "1.0", "campus-frame<2", top="wiki")
    package(campus, "old", "campus-frame", "1.5")
    package(campus, "new", "campus-frame", "2.0")
    package(campus, "old", "campus-poll", "1.0")
    package(campus, "new", "campus-poll", "2.0", "campus-frame>=3", "campus-chat; python_version < '3'", python=">=3.8")
    found = run(code=3)
    rows = {row["name"]: row for row in found["packages"]}
    assert rows["campus-poll"] == {
        "name": "campus-poll", "change": "changed", "current": "1.0", "target": "2.0", "pins": ["campus-frame>=3"],
        "apps": [], "migrated": False,
    }  # fmt: skip
    assert (rows["campus-wiki"]["change"], rows["campus-wiki"]["pins"], rows["campus-wiki"]["migrated"]) == (
        "removed", ["campus-frame<2"], True,
    )  # fmt: skip
    said = checks(found)
    assert "campus-poll 2.0 requires campus-frame>=3" in said["packages.requires"]["detail"]
    assert "campus-wiki 1.0 (requires campus-frame<2)" in said["packages.left_behind"]["detail"]
    assert "package  removed  campus-wiki 1.0 > not there; requires campus-frame<2" in text()


def test_a_target_whose_python_a_package_does_not_allow(run, campus):
    package(campus, "new", "campus-poll", "2.0", python="<3.4")
    assert "Python <3.4" in checks(run(code=3))["packages.requires"]["detail"]


def test_settings_and_toggles_as_a_difference_without_secrets(run, text, campus):
    setting(campus, ONLY_NEW)
    setting(
        campus,
        """
        FEATURES = {"ENABLE_TEAMS": NEW, "ENABLE_NOTES": True}
        EMAIL_BACKEND = "campus.mail.New" if NEW else "campus.mail.Old"
        PAYMENT_API_KEY = "geheim-new" if NEW else "geheim-old"
        GREETING = "geheim two" if NEW else "geheim one"
        QUOTA_TOKEN = 7 if NEW else 8
        if NEW:
            WEEKS = 4
        else:
            DAYS = 20
        """,
    )
    for side, default in (("old", "False"), ("new", "True")):
        (campus.folder / f"code-{side}" / "shop" / "toggles.py").write_text(
            "# .. toggle_name: shop.basket\n#   a note\n"
            f"# .. toggle_implementation: WaffleFlag\n# .. toggle_default: {default}\n"
            f"# .. toggle_name: shop.only_{side}\n# .. toggle_default: False\n"
        )
    found = run()["configuration"]
    added, removed, changed = ({row["name"]: row for row in found[name]} for name in ("added", "removed", "changed"))
    assert (changed["FEATURES.ENABLE_TEAMS"]["before"], changed["FEATURES.ENABLE_TEAMS"]["after"]) == (False, True)
    assert "FEATURES.ENABLE_NOTES" not in changed
    assert changed["EMAIL_BACKEND"]["after"] == "campus.mail.New"
    assert (added["WEEKS"]["after"], removed["DAYS"]["before"]) == (4, 20)
    for name in ("PAYMENT_API_KEY", "GREETING", "QUOTA_TOKEN"):
        assert set(changed[name]) == {"kind", "name", "whose"}, name
    assert (changed["shop.basket"]["kind"], changed["shop.basket"]["after"]) == ("toggle", "True")
    assert ("shop.only_new" in added, "shop.only_old" in removed) == (True, True)
    said = text()
    assert "setting  changed  FEATURES.ENABLE_TEAMS: False > True" in said
    assert "geheim" not in said + json.dumps(run())


def test_what_it_takes_what_cannot_be_undone_and_who_else_is_there(run, text, campus):
    campus.models("new", more="    price = models.IntegerField(null=True)\n")
    campus.migration("new", "0002_price", ADDS)
    source = "from django.db import migrations\ndef fill(apps, schema_editor):\n    pass\n"
    source += "class Migration(migrations.Migration):\n"
    source += '    dependencies = [("shop", "0002_price")]\n    operations = [migrations.RunPython(fill)]\n'
    campus.migration("new", "0003_fill", source)
    found = run()
    assert found["schemas"] == []
    disks = {row["what"]: row for row in found["estimates"]["disk"]}
    assert set(disks) == {"data", "temporary", "backup"}
    assert all(0 < row["needed_bytes"] < row["free_bytes"] for row in disks.values())
    assert 0 < found["estimates"]["memory"]["migrator_bytes"] < 1 << 30
    times = found["estimates"]["time"]
    assert all(0 <= times[name]["low"] <= times[name]["high"] for name in ("backup_s", "migrate_s", "restore_s"))
    undone = {row["what"]: row["way_back"] for row in found["irreversible"]}
    assert "put back" in undone["shop.0003_fill has no way back of its own"]
    assert not any("0002_price" in what for what in undone)
    said = text()
    assert "memory   at least" in said
    assert "time     the way back:" in said
    assert "no undo  shop.0003_fill has no way back of its own" in said


def test_a_step_outside_the_database_is_no_part_of_the_way_back(run, campus, catalogue):
    """A restore of the database undoes nothing that people did beside it: the hop is marked."""
    names(campus, "birch.2", "cedar.1")
    [row] = [row for row in run("--catalogue", catalogue(), code=4)["irreversible"] if row["store"] == "birch > cedar"]
    assert row == {
        "store": "birch > cedar",
        "what": "steps that people take outside the database: backup, ask",
        "way_back": "none: a restore of the database does not undo them",
    }


def forked(campus, tmp_path, **branches):
    made = three_branches(tmp_path / "platform", {"f": LINES}, **branches)
    words = f'[fork]\nrepo = "{made.path}"\nupstream = "main"\ntarget = "target"\nhead = "fork"\n'
    campus.subject.write_text(campus.subject.read_text() + words)
    return made


def test_a_fork_that_goes_onto_its_target_is_in_the_plan(run, text, campus, tmp_path):
    forked(campus, tmp_path, target={"g": "g\n"}, fork={"f": MINE})
    found = run()
    [report] = found["forks"]
    assert (report["name"], report["verdict"], report["counts"]["to_bring_over"]) == ("platform", "clean", 1)
    assert checks(found)["fork.platform"]["verdict"] == "pass"
    assert "fork     platform: clean; carried 1, to bring over 1, conflicting 0" in text()


def test_a_fork_in_conflict_is_a_no_go_and_one_that_cannot_be_read_is_unknown(run, campus, tmp_path):
    made = forked(campus, tmp_path, target={"f": THEIRS}, fork={"f": MINE})
    found = run(code=3)
    assert checks(found)["fork.platform"]["verdict"] == "fail"
    assert found["forks"][0]["conflicts"] == [{"path": "f", "kind": "content", "origin": ""}]
    made.path.rename(tmp_path / "moved")
    found = run(code=4)
    assert checks(found)["fork.platform"]["verdict"] == "unknown"
    assert found["forks"][0]["error"]["code"]


def test_migrations_that_ride_along_are_a_persons_to_judge(run, campus, tmp_path):
    forked(campus, tmp_path, target={"g": "g\n"}, fork={"shop/migrations/0002_mine.py": "x = 1\n"})
    assert checks(run(code=4))["fork.platform"]["verdict"] == "unknown"
    found = run("--confirm", "fork.platform=it is in the target's image")
    assert checks(found)["fork.platform"]["verdict"] == "confirmed"


def test_each_part_of_the_plan_changes_its_own_digest_and_no_other(run, campus):
    """What was frozen is told apart: the schema, the migrations, the settings, the packages, the subject file."""
    before = run()["parts"]

    def changed(code=0):
        nonlocal before
        after = run(code=code)["parts"]
        found = {name for name in after if after[name] != before[name]}
        before = after
        return found

    assert changed() == set()
    setting(campus, "\nWEEKS = 5\n")
    assert changed() == {"settings"}
    package(campus, "new", "campus-poll", "2.0")
    assert changed() == {"packages"}
    campus.migration("new", "0002_price", ADDS)
    assert changed() == {"migrations"}
    campus.run("old", "from django.db import connection\nconnection.cursor().execute('CREATE TABLE extra (id int)')")
    assert changed() == {"schema"}
    campus.subject.write_text(campus.subject.read_text().replace('["true"]', '["true", "again"]'))
    assert changed() == {"subject"}


def test_another_engine_changes_the_digest_of_the_engine_alone(campus, tmp_path):
    """Two servers of different releases are not at hand: what a side says of its engine is what is hashed."""
    subject = read_subject(campus.subject)
    seen = planning.look(subject, tmp_path / "work")
    before = planning.plan_of(subject, seen).parts
    facts = {**seen.current.answers["facts"], "databases": {"default": {"vendor": "sqlite", "version": "4.0"}}}
    current = replace(seen.current, answers={**seen.current.answers, "facts": facts})
    after = planning.plan_of(subject, replace(seen, current=current)).parts
    assert {name for name in after if after[name] != before[name]} == {"engine"}


def test_each_side_is_asked_by_one_process(run, monkeypatch):
    started = []
    original = driver.answers

    def counted(argv, log, **more):
        started.append(log)
        return original(argv, log, **more)

    monkeypatch.setattr(driver, "answers", counted)
    run()
    assert len(started) == 2
    run(command="preflight")
    assert len(started) == 4


def test_a_target_that_refuses_has_no_plan_and_its_preflight_says_so(run, campus):
    (campus.folder / "code-new" / "shop" / "models.py").write_text("raise RuntimeError('no licence')")
    rows = {row["name"]: row for row in run(command="preflight", code=3)["checks"]}
    assert rows["engine.version"]["verdict"] == "fail"
    with pytest.raises(SapwoodError, match="no licence"):
        run()


def test_a_rehearsal_rests_on_what_is_known_of_the_plan_and_keeps_who_answered(run, campus, catalogue, tmp_path):
    names(campus, "birch.2", "cedar.1")
    report = ["--report", tmp_path / "report", "--catalogue", catalogue()]
    found = run(*report, command="rehearse", code=4)
    assert (found["verdict"], found["certificate"]) == ("unknown", None)
    assert any("step.ask" in reason for reason in found["reasons"])
    answers = ["--confirm", "step.ask=two courses", "--waive", "risk.slow=we can wait"]
    found = run(*report, *answers, command="rehearse")
    assert found["certificate"]
    assert {row["name"]: row["reason"] for row in found["waivers"]} == {
        "step.ask": "two courses",
        "risk.slow": "we can wait",
    }
    assert [leg["to"] for leg in found["path"]] == ["cedar"]
    page = (tmp_path / "report" / "rehearsal.html").read_text()
    assert "two courses" in page
