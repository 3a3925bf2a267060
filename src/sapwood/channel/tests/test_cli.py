"""The commands, from an empty folder to a site that reads."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from sapwood.channel import api
from sapwood.channel.cli import channel
from sapwood.channel.data import ChannelState
from sapwood.channel.errors import BelowThresholdError, RollbackError, SubscriptionError
from sapwood.channel.models import Subscription
from sapwood.channel.tests.support import URL, Commons, FolderHttp, announcement, uuid_of
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.core.errors import UsageError


@pytest.fixture
def run(db, monkeypatch):
    def invoke(*arguments, code=0):
        result = CliRunner().invoke(channel, [*map(str, arguments), "--json"], catch_exceptions=True)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return invoke


def test_the_whole_way_by_command(run, tmp_path, monkeypatch):
    repo, document = tmp_path / "channel", tmp_path / "news.json"
    made = run("init", "--repo", repo)
    document.write_bytes(announcement(1))
    [staged] = run("stage", document, "--repo", repo)["staged"]
    assert staged["path"].startswith("community/")
    with pytest.raises(BelowThresholdError):
        run("publish", "--repo", repo)
    signed = run("sign", "--repo", repo)
    assert signed["documents"] == [staged["path"]]
    assert signed["missing"] == {}
    assert run("publish", "--repo", repo)["documents"] == [staged["path"]]
    assert run("publish", "--repo", repo)["documents"] == []
    checked = run("verify", "--repo", repo)
    assert (checked["good"], checked["publications"]["community"]) == (True, 1)
    monkeypatch.setattr("sapwood.channel.cli.receiving.default_client", lambda: FolderHttp(repo / "repository"))
    assert run("status", code=4)["state"] is None
    assert run("pull", code=4)["pulls"] == []
    run("subscribe", URL, "--fingerprint", made["root_sha256"], "--name", "openedx")
    assert run("status", code=4)["state"] == "waiting"
    [pulled] = run("pull")["pulls"]
    assert (pulled["new"], pulled["errors"]) == (1, {})
    assert run("status")["state"] == "fresh"
    run("retract", uuid_of(1), "--channel", "community", "--reason", "Wrong date", "--repo", repo)
    run("sign", "--repo", repo)
    run("publish", "--repo", repo)
    assert run("pull")["pulls"][0]["new"] == 1
    assert [row.type for row in api.received()] == ["announcement", "retraction"]


@pytest.fixture
def today(db, tmp_path):
    """A commons of this very day: the commands read the machine's clock."""
    return Commons(tmp_path / "today", now=system_clock().now())


def test_a_subscription_is_changed_by_ending_it_and_subscribing_again(run, today, monkeypatch):
    today.publish(announcement(1))
    monkeypatch.setattr("sapwood.channel.cli.receiving.default_client", lambda: today.http)
    root = today.path / "repository" / "metadata" / "1.root.json"
    run("subscribe", URL, "--root", root, "--name", "openedx")
    assert run("pull")["pulls"][0]["new"] == 1
    moved = (URL.replace("commons", "moved"), "--root", root, "--mirror", URL, "--channel", "community")
    with pytest.raises(SubscriptionError, match="already, as openedx"):
        run("subscribe", *moved)
    assert run("unsubscribe", "openedx") == {"name": "openedx"}
    assert run("pull", code=4)["pulls"] == []
    assert run("status", code=4)["channels"] == []
    assert run("subscribe", *moved)["name"] == "openedx"
    today.http.url = URL.replace("commons", "moved")
    [pulled] = run("pull")["pulls"]
    assert (pulled["new"], pulled["errors"]) == (0, {}), "it goes on with what it had verified"
    assert [channel["channel"] for channel in run("status")["channels"]] == ["community"]


def test_a_site_without_a_network_is_not_dead_but_fresh_until_its_bundle_is_too_old(run, today, tmp_path):
    today.publish(announcement(1))
    file, root = tmp_path / "week.bundle", today.path / "repository" / "metadata" / "1.root.json"
    run("bundle", file, "--repo", today.path)
    run("subscribe", URL, "--root", root, "--name", "openedx", "--by-bundle")
    assert run("pull", "--bundle", file)["pulls"][0]["new"] == 1
    later = today.clock.now() + dt.timedelta(days=1)
    assert api.due_subscriptions(later) == []
    assert api.pull_soon(actor=Actor.command(), now=later) == 0
    with pytest.raises(SubscriptionError, match="bundles only"):
        run("pull")
    assert {health.state for health in api.channel_health(later)} == {ChannelState.FRESH}
    assert {health.state for health in api.channel_health(later + dt.timedelta(days=7))} == {ChannelState.STALE}


def test_a_bundle_is_never_held_against_another_publisher(run, today, tmp_path):
    today.publish(announcement(1))
    other = Commons(tmp_path / "other", now=today.clock.now())
    file = tmp_path / "week.bundle"
    run("bundle", file, "--repo", today.path)
    for name, repository in (("openedx", today), ("consortium", other)):
        root = repository.path / "repository" / "metadata" / "1.root.json"
        run("subscribe", f"{URL}/{name}", "--root", root, "--name", name)
    with pytest.raises(UsageError, match="whose bundle"):
        run("pull", "--bundle", file)
    assert run("pull", "openedx", "--bundle", file)["pulls"][0]["new"] == 1


def test_a_bundle_travels_as_one_file(run, tmp_path, commons):
    commons.publish(announcement(1))
    file, root = tmp_path / "bundle.zip", commons.path / "repository" / "metadata" / "1.root.json"
    assert run("bundle", file, "--repo", commons.path)["bytes"] == file.stat().st_size
    now = system_clock().now()
    api.renew(repo=commons.path, now=now, force=True)
    fresh = tmp_path / "fresh.zip"
    run("bundle", fresh, "--repo", commons.path)
    assert run("verify", fresh, "--root", root)["good"]
    run("subscribe", URL, "--root", root)
    assert run("pull", "--bundle", fresh)["pulls"][0]["new"] == 1
    [again] = run("pull", "--bundle", file, code=3)["pulls"]
    assert again["errors"]["*"]["code"] == RollbackError.code


def test_a_silent_channel_is_loud(run, commons, monkeypatch, tmp_path):
    class Silent(FolderHttp):
        def fetch(self, request):
            from sapwood.core.http import UnreachableError

            raise UnreachableError("commons.example.org does not answer.")

    api.renew(repo=commons.path, now=system_clock().now(), force=True)
    monkeypatch.setattr("sapwood.channel.cli.receiving.default_client", lambda: commons.http)
    run("subscribe", URL, "--root", commons.path / "repository" / "metadata" / "1.root.json")
    run("pull")
    monkeypatch.setattr("sapwood.channel.cli.receiving.default_client", lambda: Silent(tmp_path))
    assert run("pull", code=1)["pulls"][0]["errors"]["*"]["code"] == "channel.unreachable"
    status = run("status", code=3)
    assert status["state"] == "dead"
    assert status["channels"][0]["error"]["code"] == "channel.unreachable"
    assert Subscription.objects.get().failures == 1


def test_keys_are_listed_by_role_with_their_owners(run, commons):
    roles = {role["role"]: role for role in run("keys", "list", "--repo", commons.path)["roles"]}
    assert roles["packs"]["threshold"] == 2
    assert roles["root"]["keys"][0]["owner"] == "demo (root 1)"
    assert roles["root"]["keys"][0]["here"] is True


def test_the_root_is_rotated_by_command(run, commons, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a long enough passphrase\n")
    secret.chmod(0o600)
    made = run("keys", "generate", "root-new", "--owner", "Bob", "--folder", tmp_path, "--passphrase-file", secret)
    assert run("rotate-root", "--add", f"root={made['public']}", "--repo", commons.path)["root_version"] == 2
    run("sign", "--repo", commons.path)
    done = run("publish", "--repo", commons.path)
    assert done["root_version"] == 2


def test_on_the_commons_status_says_what_expires_when(run, commons, monkeypatch):
    monkeypatch.setenv("SAPWOOD_ROLE", "commons")
    monkeypatch.setenv("SAPWOOD_CHANNEL_FOLDER", str(commons.path))
    status = run("status", code=3 if api.repository_status(commons.path).bad else 0)
    assert {role["role"] for role in status["roles"]} >= {"root", "timestamp", "security"}


@pytest.mark.parametrize(
    ("url", "options", "private"),
    [
        ("http://127.0.0.1:8102", [], True),
        ("http://localhost:8102", [], True),
        ("http://[::1]:8102", [], True),
        ("https://10.0.0.7/channel", [], True),
        ("https://channel.example.org", [], False),
        ("https://channel.example.org", ["--allow-private"], True),
        ("https://10.0.0.7/channel", ["--mirror", "https://channel.example.org"], False),
        ("https://2130706433/channel", [], False),
    ],
)
def test_who_types_a_private_address_means_it_and_a_name_leads_nowhere_private(run, commons, url, options, private):
    root = commons.path / "repository" / "metadata" / "1.root.json"
    run("subscribe", url, "--root", root, *options)
    assert Subscription.objects.get().allow_private is private
