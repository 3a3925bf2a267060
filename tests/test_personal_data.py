"""What is kept about people is known, given out and forgotten: column by column, and by looking into every table."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.test import Client
from django.urls import reverse

from sapwood.accounts.actions import erase_address, export_address
from sapwood.accounts.api import (
    actor_for,
    covered_fields,
    create_person,
    create_token,
    erase_person,
    export_person,
    grant_role,
    one_time_link,
)
from sapwood.accounts.data import ROLES_OF
from sapwood.core import audit, paths, settings
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import NotFoundError

SIDE = settings.ROLE.get()
CLI = Actor.command()
ADDRESS, NAME = "zelda.quux@quux.example", "Zelda Quux"
MARKS = ("zelda", "quux")

# Columns whose name sounds like a person, and why they hold nobody's address or name. A line here is a decision.
NOT_PERSONAL = {
    "contenttypes.ContentType.name": "code", "auth.Permission.name": "code", "auth.Permission.codename": "code",
    "auth.Group.name": "Django's own, unused",
    "sessions.Session.session_key": "random", "sessions.Session.session_data": "ends with the session",
    "accounts.RoleGrant.scope_key": "a channel or language", "accounts.RoleGrant.granted_by": "a random id",
    "accounts.SessionNote.session_key": "random",
    "accounts.CacheRow.cache_key": "hashes and network addresses, for minutes",
    "account.EmailConfirmation.key": "unused: confirmations are signed, not stored",
    "socialaccount.SocialApp.name": "unused: settings say it", "socialaccount.SocialApp.key": "unused",
    "django_tasks_database.DBTaskResult.queue_name": "code",
    "django_tasks_database.DBTaskResult.backend_name": "code",
    "core.Job.name": "code", "core.Job.key": "ids", "core.Job.claimed_by": "a process", "core.Schedule.name": "code",
    "channel.Subscription.name": "a channel", "channel.SubscribedChannel.name": "a channel",
    "channel.SubscribedChannel.signed_by": "key ids", "channel.TrustedFile.name": "a file",
    "channel.ReceivedDocument.signed_by": "key ids", "channel.ReceivedDocument.verified_by": "key ids",
    "upgrades.ForecastRecord.key": "a random id", "upgrades.ForecastRecord.labels": "a digest",
    "inbox.Signature.key": "a random id", "inbox.Signature.person": "a random id",
    "inbox.OutletConfig.name": "a receiver", "inbox.Brand.name": "the institution",
    "inbox.Brand.contact": "the institution's own address, which every mail carries",
    "inbox.Brand.sign_off": "the institution", "inbox.FeedSubscription.name": "a feed",
    "inbox.Revision.verified_by": "key ids", "inbox.LocalText.seeks": "whom a survey seeks, in general",
    "announcements.Revision.author_keys": "random ids", "announcements.Revision.author_refs": "random ids",
    "announcements.RevisionApproval.person_key": "a random id",
    "announcements.RevisionApproval.person_ref": "a random id",
    "announcements.Retraction.asked_key": "a random id", "announcements.Source.name": "a feed",
    "announcements.CaseStudyConsent.organisation": "an organisation",
    "announcements.Revision.organisation": "an organisation",
    "upgrades.UpgradeRun.key": "an instant and a random id", "upgrades.News.key": "a release, an advisory, an id",
    "releases.CatalogueRevision.proposed_by": "a random id", "releases.CatalogueRevision.decided_by": "a random id",
}  # fmt: skip
SOUNDS_LIKE_A_PERSON = re.compile(
    r"mail|name|address|person|author|(^|_)keys?$|^label|contact|agent|comment|_by$|recipient|^uid|extra_data"
    r"|session_(key|data)|organisation|sign_off|seeks|(^|_)who",
)
TEXT = (models.CharField, models.TextField, models.JSONField, models.BinaryField)


def columns() -> list[str]:
    fields = [(model, field) for model in apps.get_models() for field in model._meta.concrete_fields]
    return [
        f"{model._meta.label}.{field.name}"
        for model, field in fields
        if isinstance(field, models.EmailField) or (isinstance(field, TEXT) and SOUNDS_LIKE_A_PERSON.search(field.name))
    ]


@pytest.mark.parametrize("column", columns())
def test_every_column_for_an_address_or_a_name_is_exported_and_erased_or_says_why_not(column):
    known = column in covered_fields(), column in NOT_PERSONAL
    assert any(known), f"{column}: cover it with accounts.api.register_personal_data, or say here why it is nobody's"
    assert not all(known), f"{column} is covered; its line here is wrong"


def test_what_modules_say_that_they_cover_is_there():
    there = {
        f"{model._meta.label}.{field.name}" for model in apps.get_models() for field in model._meta.concrete_fields
    }
    assert covered_fields() <= there


def everything() -> str:
    """The whole database as text, sessions read."""
    parts = [str(row.get_decoded()) for row in Session.objects.all()]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            parts += [f"{table}: {_plain(cell)}" for row in cursor.fetchall() for cell in row]
    return "\n".join(parts).lower()


def _plain(cell: object) -> str:
    return bytes(cell).decode("utf-8", errors="replace") if isinstance(cell, bytes | memoryview) else str(cell)


def traces() -> list[str]:
    return [line[:200] for line in everything().splitlines() if any(mark in line for mark in MARKS)]


@pytest.fixture
def admin(db) -> Any:
    now = system_clock().now()
    return create_person("alice@riverside.example", actor=CLI, now=now, roles=[ROLES_OF[SIDE][0]])


@pytest.fixture
def zelda(admin, tmp_path) -> Any:
    """Somebody who used everything that this side offers."""
    now = system_clock().now()
    user = create_person(ADDRESS, name=NAME, actor=actor_for(admin), now=now)
    grant_role(user, role="auditor", actor=actor_for(admin), now=now)
    client = Client(headers={"user-agent": f"Browser of {NAME}"})
    client.post("/accounts/login/", {"login": ADDRESS, "password": f"{NAME} typed this"})
    assert client.post(one_time_link(user, base_url="http://testserver", now=now, actor=CLI)).status_code == 302
    client.get("/")
    user.set_password("a long enough sentence")
    user.save()
    create_token(
        user, name=f"{NAME}'s", scopes=["audit.view"], actor=actor_for(user), now=now, ttl=dt.timedelta(days=1)
    )
    TOTP.activate(user, generate_totp_secret())
    EmailAddress.objects.create(user=user, email="old-zelda@quux.example", verified=True)
    SocialAccount.objects.create(user=user, provider="sso", uid="zelda", extra_data={"email": ADDRESS, "name": NAME})
    if SIDE == "site":
        _on_the_list(user, client)
    else:
        _consents(admin, tmp_path)
    return user


def _on_the_list(user: Any, client: Client) -> None:
    from sapwood.core.clock import FixedClock
    from sapwood.site.inbox import api
    from sapwood.site.inbox.actions.importing import know_channel
    from sapwood.site.inbox.data import Audience, Choices, OutletKind
    from sapwood.site.inbox.models import ClaimedAudience, Item, Person
    from sapwood.site.inbox.tests.given import DAY, NOW, SiteSays, Tap, announcement
    from tests.fakes import FakeHttp

    know_channel("community", now=NOW - 30 * DAY)
    tap = Tap()
    tap.pour(announcement(severity="critical"))
    api.import_received(now=NOW, source=tap, facts=SiteSays())
    api.add_person(ADDRESS, Audience.ADMINISTRATORS, actor=CLI, now=NOW)
    api.subscribe("old-zelda@quux.example", Audience.LEARNERS, now=NOW)
    Person.objects.update(threshold="none")
    ClaimedAudience.objects.create(user=user, audience=Audience.LEARNERS, at=NOW)
    choices = Choices(outlets=(OutletKind.MAIL, OutletKind.PAGE))
    api.approve(Item.objects.get().pk, choices, actor=CLI, now=NOW)
    api.deliver_due(clock=FixedClock(NOW), http=FakeHttp())
    api.refuse_mail(ADDRESS, actor=CLI, now=NOW)
    client.get(reverse("inbox:mine"))


def _consents(admin: Any, folder: Path) -> None:
    from sapwood.commons.announcements.actions.consenting import answer_consent, ask_consent, consent_token
    from sapwood.commons.announcements.actions.publishing import publish_folder
    from sapwood.commons.announcements.models import Revision
    from sapwood.commons.announcements.tests.test_consent import STUDY

    now, actor = system_clock().now(), actor_for(admin)
    (folder / "study.md").write_text(STUDY)
    publish_folder(folder, actor=actor, now=now)
    revision = Revision.objects.get()
    for _ in range(2):
        row = ask_consent(revision.announcement.uuid, sha256=revision.sha256, email=ADDRESS, actor=actor, now=now)
    answer_consent(
        consent_token(row), agreed=True, text_sha256=row.text_sha256, name=NAME, comment=f"Yes. {NAME}", now=now
    )


def test_an_export_holds_what_every_table_knows(zelda, admin):
    document = export_person(zelda, actor=actor_for(admin), now=system_clock().now())
    text = json.dumps(document, default=str)
    assert {ADDRESS, NAME, "old-zelda@quux.example"} <= {
        mark for mark in (ADDRESS, NAME, "old-zelda@quux.example") if mark in text
    }
    module = document[{"site": "inbox", "commons": "announcements"}[SIDE]]
    expected = {"site": ["administrators", "learners", "true"], "commons": [NAME, "agreed", "Yes."]}[SIDE]
    assert all(word in json.dumps(module, default=str) for word in expected)


def test_after_an_erasure_no_table_knows_the_person(zelda, admin):
    assert traces()
    erase_person(zelda, actor=actor_for(admin), now=system_clock().now())
    assert traces() == []
    assert audit.verify(paths.role_dir() / "none").problems == []


def test_somebody_without_an_account_is_exported_and_erased_by_address(zelda, admin):
    actor, now = actor_for(admin), system_clock().now()
    type(zelda).objects.filter(pk=zelda.pk).delete()
    assert ADDRESS in json.dumps(export_address(ADDRESS.upper(), actor=actor, now=now), default=str)
    erase_address(ADDRESS.upper(), actor=actor, now=now)
    assert ADDRESS not in everything()
    with pytest.raises(NotFoundError):
        erase_address(ADDRESS, actor=actor, now=now)
