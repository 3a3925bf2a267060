"""What is wrong with a channel, in the reader's language on the page and in the mail; programs are told in English."""

import pytest
from django.urls import reverse

from sapwood.accounts import api as accounts
from sapwood.channel import api
from sapwood.channel.data import ChannelState
from sapwood.channel.models import HealthLog, PullLog, Refusal
from sapwood.channel.tests.support import NOW, URL, announcement
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def read(client):
    user = accounts.create_person(
        "alice@example.org", name="Alice", roles=["site_administrator"], actor=Actor.command(), now=system_clock().now()
    )
    client.force_login(user)

    def page(language):
        response = client.get(reverse("channel:health"), headers={"accept-language": language})
        return response.content.decode().replace("\u2068", "").replace("\u2069", "")

    return page


@pytest.fixture
def gone(commons, site):
    """The commons' server has lost its newest metadata."""
    (commons.path / "repository" / "metadata" / "timestamp.json").unlink()
    return api.pull(site, http=commons.http, clock=commons.clock)


@pytest.mark.parametrize(
    ("language", "what", "hint"),
    [
        ("en", "The channel does not answer: {} answers 404", "Check the address and the network."),
        ("es-419", "El canal no responde: {} responde 404", "Revise la dirección y la red."),
        ("ar", "لا تستجيب القناة: يردّ {} بالرمز 404", "تحقّق من العنوان ومن الشبكة."),
    ],
)
def test_why_a_pull_failed(read, gone, language, what, hint):
    page = read(language)
    assert page.count(what.format(f"{URL}/metadata/timestamp.json")) > 1  # at the channel, and among the last pulls
    assert hint in page


def test_what_a_pull_returns_stays_english(gone):
    assert gone.errors["*"]["message"] == f"The channel does not answer: {URL}/metadata/timestamp.json answers 404"
    assert api.channel_health(NOW)[0].error == gone.errors["*"]


def test_why_a_publication_was_refused(read, commons, site):
    commons.publish(announcement(1))
    served = (commons.path / "repository" / "targets").rglob("*.json")
    [path] = [path for path in served if "index" not in path.name]
    path.write_bytes(b"x" * path.stat().st_size)
    api.pull(site, http=commons.http, clock=commons.clock)
    assert "Un archivo no es lo que dicen los metadatos firmados" in read("es-419")
    assert Refusal.objects.get().message.startswith("A file is not what the signed metadata say")


def test_rows_of_an_older_sapwood_are_marked_as_english(read, gone, site):
    PullLog.objects.update(error={"code": "x", "message": "No answer", "hint": ""})
    Refusal.objects.create(
        subscription=site, channel="community", path="p", sha256="", code="x", message="Not read", hint="Tell somebody",
        unverified=False, first_at=NOW, last_at=NOW,
    )  # fmt: skip
    page = read("ar")
    for text in ("No answer", "Not read", "Tell somebody"):
        assert f'<span lang="en" dir="ltr">{text}</span>' in page


def test_the_mail_about_a_channel_speaks_the_language_of_its_reader(read, commons, site, mailoutbox):
    accounts.User.objects.update(language="es-419")
    api.pull(site, http=commons.http, clock=commons.clock)
    HealthLog.objects.update(told_at=NOW)
    (commons.path / "repository" / "metadata" / "timestamp.json").write_text("<html>Sign in</html>")
    for _ in range(3):
        api.pull(site, http=commons.http, clock=commons.clock)
    assert ChannelState(HealthLog.objects.latest("pk").after).bad
    api.mail_changes(now=NOW)
    [mail] = mailoutbox
    assert "caído: no responde; última descarga correcta" in mail.body
    assert "responde 200 con una página web en lugar de datos firmados" in mail.body
