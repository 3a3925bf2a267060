"""Facts and exposure in the reader's language, on the front page and on the page of the release."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from sapwood.core.clock import FixedClock
from sapwood.core.data import Actor
from sapwood.site.facts import api
from sapwood.site.facts.cli import site
from sapwood.site.facts.models import FactsSnapshot, LastLook
from sapwood.site.facts.tests.tutor_roots import config, make_root

pytestmark = pytest.mark.django_db
ACTOR = Actor.command()


@pytest.fixture(autouse=True)
def today(monkeypatch, now):
    for module in ("panels", "views", "rest", "cli"):
        monkeypatch.setattr(f"sapwood.site.facts.{module}.system_clock", lambda: FixedClock(now))


@pytest.fixture
def read(client, alice):
    """A page as alice reads it in a language; the marks that keep a name's direction are left out."""
    client.force_login(alice)

    def page(path, language):
        text = client.get(path, headers={"accept-language": language}).content.decode()
        return text.replace("\u2068", "").replace("\u2069", "")

    return page


@pytest.fixture
def exposed(releases, facts_file, now):
    facts_file(inferred_release="birch.2")
    releases.publish()
    api.refresh(actor=ACTOR, now=now)


@pytest.fixture
def tutor_root(tmp_path, monkeypatch):
    def use(**parts):
        monkeypatch.setenv("SAPWOOD_TUTOR_ROOT", str(make_root(tmp_path / "tutor", **parts)))

    return use


@pytest.mark.parametrize(
    ("language", "why", "how"),
    [
        (
            "en",
            "birch.2 is affected; no tag of birch carries the fix, kit 2.0.4 does",
            "inferred from the site&#x27;s files",
        ),
        (
            "es-419",
            "birch.2 está afectada; ninguna etiqueta de birch incluye la corrección, kit 2.0.4 sí",
            "deducida de los archivos del sitio",
        ),
        ("ar", "birch.2 متأثر؛ لا وسم من birch يتضمن الإصلاح، أما kit 2.0.4 فيتضمنه", "مستنتج من ملفات الموقع"),
    ],
)
def test_why_an_advisory_threatens_this_site(read, exposed, language, why, how):
    page = read("/release/", language)
    assert why in page
    assert how in page


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "es-419",
            [
                "<dt>Base de datos</dt>",
                "operado por el instalador",
                "<dt>Cantidad de sitios</dt><dd>la cantidad de sitios está en la base de datos, no en estos archivos",
            ],
        ),
        (
            "ar",
            [
                "<dt>قاعدة البيانات</dt>",
                'المحرك <bdi dir="ltr">mysql</bdi>؛ الإصدار',
                "يشغّله المثبّت",
                "لم يُعطَ مفسّر (--tutor-python)",
                "<dt>عدد المواقع</dt><dd>عدد المواقع في قاعدة البيانات، لا في هذه الملفات",
            ],
        ),
    ],
)
def test_names_of_facts_their_words_and_why_one_is_unknown(read, tutor_root, now, language, texts):
    tutor_root()
    api.look(actor=ACTOR, now=now)
    page = read("/release/", language)
    for text in texts:
        assert text in page, text


def test_where_the_site_s_files_disagree_is_told_by_the_note(read, tutor_root, releases, now):
    tutor_root(**{"config.yml": config(OPENEDX_COMMON_VERSION="release/teak.1")})
    releases.publish()
    api.refresh(actor=ACTOR, now=now)
    page = read("/release/", "es-419")
    assert "config.yml pide release/teak.1; la compilación generada toma release/teak.3" in page


def test_a_row_of_an_older_sapwood_is_said_where_the_catalogue_knows_its_sentence(read, tutor_root, now):
    tutor_root()
    api.look(actor=ACTOR, now=now)
    row = FactsSnapshot.objects.get()
    row.document = api.current_facts().to_dict()
    row.save()
    assert "la cantidad de sitios está en la base de datos" in read("/release/", "es-419")
    api.look(actor=ACTOR, now=now + dt.timedelta(hours=1))
    assert FactsSnapshot.objects.count() == 1
    assert "no se indicó un intérprete (--tutor-python)" in read("/release/", "es-419")


def test_a_failed_look_is_told_on_the_front_page_whoever_had_the_site_inspected(read, facts_file, now):
    facts_file().write_text('{"plugins": 5}')
    api.look(actor=ACTOR, now=now)
    sentence = "Los datos no se pueden leer en plugins: se esperaba una lista de 2000 como máximo"
    assert sentence in read("/", "es-419")
    assert sentence in read("/release/", "es-419")
    assert "Corrija ese campo." in read("/release/", "es-419")
    LastLook.objects.update(error={"code": "x", "message": "It broke", "hint": ""})
    assert '<span lang="en" dir="ltr">It broke</span>' in read("/release/", "ar")


def test_the_front_page_says_what_is_missing_before_anything_is_known(read):
    page = read("/", "ar")
    assert "SAPWOOD_TUTOR_ROOT" in page
    assert "Nothing is known" not in page


def test_a_plan_shows_its_day_as_people_write_it(read, releases, facts_file, now):
    facts_file(inferred_release="cedar.2")
    releases.publish()
    api.refresh(actor=ACTOR, now=now)
    assert "1 sep 2026" in read("/release/", "es-419")


def test_json_and_the_command_line_stay_english(client, alice, exposed, tmp_path, monkeypatch):
    why = "birch.2 is affected; no tag of birch carries the fix, kit 2.0.4 does"
    client.force_login(alice)
    answer = client.get("/api/v1/exposure", headers={"accept-language": "es-419"}).json()
    assert [threat["why"] for threat in answer["advisories"]] == [why]
    facts = tmp_path / "f.json"
    facts.write_text('{"inferred_release": "birch.2"}')
    monkeypatch.setenv("LANG", "es_MX.UTF-8")
    for arguments in (["--json"], []):
        printed = CliRunner().invoke(site, ["exposure", "--facts", str(facts), *arguments]).output
        assert why in (printed if not arguments else json.loads(printed)["advisories"][0]["why"])
