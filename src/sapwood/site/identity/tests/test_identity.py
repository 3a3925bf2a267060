"""The site's own key and id: made once, whole, private; what they sign is refused at the first changed byte."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import uuid

import pytest
from click.testing import CliRunner

from sapwood.core.errors import SapwoodError
from sapwood.core.keys import OwnKeyError
from sapwood.formats.canonical import canonical_bytes
from sapwood.formats.errors import FormatError
from sapwood.site.identity import api
from sapwood.site.identity.cli import identity

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'


@pytest.fixture(autouse=True)
def var(tmp_path, monkeypatch):
    monkeypatch.setenv("SAPWOOD_VAR", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture
def folder(var):
    return var / "site" / "identity"


def test_a_site_is_the_same_each_time_and_its_files_are_private(folder):
    first = api.who()
    assert api.who() == first
    assert uuid.UUID(str(first.site_id)).version == 4
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"site.key": 0o600, "site.id": 0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_command_shows_what_is_public_alone(folder):
    shown = json.loads(CliRunner().invoke(identity, ["show", "--json"]).stdout)
    who = api.who()
    assert shown == {"site_id": str(who.site_id), "key_id": who.key_id}
    lines = CliRunner().invoke(identity, ["show"]).stdout
    assert str(who.site_id) in lines
    assert who.key_id in lines


def test_the_number_for_roll_outs_follows_from_the_site_alone(folder):
    first = api.random_number()
    assert 0 <= first < 1
    (folder / "site.key").unlink(missing_ok=True)
    assert api.random_number() == first
    (folder / "site.id").unlink()
    assert api.random_number() != first


def test_what_this_site_signed_comes_back():
    assert api.verify(api.sign(PAYLOAD)) == PAYLOAD


def test_every_changed_byte_is_refused():
    raw = api.sign(PAYLOAD)
    for place in range(len(raw)):
        for bit in range(8):
            changed = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            with pytest.raises((FormatError, api.ForgedError, api.ForeignError)):
                api.verify(changed)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data | {"signatures": []},
        lambda data: data | {"signatures": data["signatures"] * 2},
        lambda data: data | {"signatures": [data["signatures"][0] | {"sig": 3}]},
        lambda data: data | {"signatures": "x"},
        lambda data: data | {"payload": None},
        lambda data: data | {"more": 1},
        lambda data: data | {"payloadType": "text/plain"},
        lambda _data: {},
    ],
)
def test_an_envelope_of_another_shape_is_refused_in_one_line(change):
    data = json.loads(api.sign(PAYLOAD))
    with pytest.raises(SapwoodError) as caught:
        api.verify(canonical_bytes(change(data)))
    assert caught.value.hint


def test_the_same_words_in_another_spelling_are_refused():
    data = json.loads(api.sign(PAYLOAD))
    with pytest.raises(api.ForgedError):
        api.verify(json.dumps(data, indent=1).encode())
    data["payload"] = data["payload"].replace("Q==", "R==")
    assert base64.b64decode(data["payload"]) == PAYLOAD
    with pytest.raises(api.ForgedError):
        api.verify(canonical_bytes(data))


def test_what_another_site_signed_is_foreign(var, monkeypatch):
    raw = api.sign(PAYLOAD)
    monkeypatch.setenv("SAPWOOD_VAR", str(var.parent / "other"))
    with pytest.raises(api.ForeignError):
        api.verify(raw)


def test_two_that_begin_at_once_are_one_site(folder):
    found = []
    ready = threading.Barrier(8)

    def ask():
        ready.wait()
        found.append(api.who())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


@pytest.mark.parametrize("moment", ["fsync", "link"])
@pytest.mark.parametrize("which", ["site_id", "who"])
def test_a_process_killed_while_it_writes_leaves_no_half_file(folder, moment, which):
    code = f"""
import os, signal
from sapwood.site.identity import api
os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
api.{which}()
"""
    env = {**os.environ, "SAPWOOD_ROLE": "site"}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not {"site.key", "site.id"} & {path.name for path in folder.iterdir()}
    assert api.verify(api.sign(PAYLOAD)) == PAYLOAD


@pytest.mark.parametrize(("name", "error"), [("site.key", OwnKeyError), ("site.id", api.IdentityError)])
def test_a_damaged_file_is_one_line_and_never_replaced(folder, name, error):
    api.who()
    (folder / name).write_bytes(b"\xff half")
    with pytest.raises(error, match="damaged") as caught:
        api.who()
    assert "backup" in caught.value.hint
    assert (folder / name).read_bytes() == b"\xff half"
