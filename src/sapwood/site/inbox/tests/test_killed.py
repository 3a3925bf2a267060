"""A real worker process, killed with SIGKILL while a delivery is in flight."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETUP = """
import django
django.setup()
import datetime as dt
from django.core.management import call_command
call_command("migrate", verbosity=0)
from sapwood.accounts.api import Role, actor_for, create_person, grant_role
from sapwood.core.clock import system_clock
from sapwood.core.data import Actor
from sapwood.site.inbox import api
from sapwood.site.inbox.data import Audience, Choices, OutletKind
from sapwood.site.inbox.models import Item, Person
from sapwood.site.inbox.tests.given import SiteSays, Tap, announcement, received
from sapwood.site.inbox.actions.importing import know_channel
now = system_clock().now()
know_channel("community", now=now - dt.timedelta(days=9))
alice = create_person("alice@r.example", actor=Actor.command(), now=now)
grant_role(alice, role=Role.SITE_ADMINISTRATOR, actor=Actor.command(), now=now)
person = api.add_person("frank@r.example", Audience.ADMINISTRATORS, actor=actor_for(alice), now=now)
Person.objects.update(threshold="none")
api.add_webhook("chat", "{hook}", Audience.ADMINISTRATORS, actor=actor_for(alice), now=now, allow_private=True)
tap = Tap()
tap.pour(received(announcement(severity="high"), received_at=now, published_at=now))
api.import_received(now=now, source=tap, facts=SiteSays())
api.approve(Item.objects.get().pk, Choices(outlets=({outlet},)), actor=actor_for(alice), now=now)
"""
WORKER = """
import sys
from sapwood.config.cli import main
main(["worker", "--once"])
"""
STATES = """
import django
django.setup()
from sapwood.site.inbox.models import Delivery
print(",".join(Delivery.objects.values_list("state", flat=True)))
"""
LATER = """
import django
django.setup()
import datetime as dt
from sapwood.core.clock import FixedClock, system_clock
from sapwood.site.inbox import api
for minutes in {minutes}:
    api.deliver_due(clock=FixedClock(system_clock().now() + dt.timedelta(minutes=minutes)))
from sapwood.site.inbox.models import Delivery
print(",".join(Delivery.objects.values_list("state", flat=True)))
"""


@pytest.fixture
def site(tmp_path):
    """Runs Python in a site of its own, in processes of its own."""
    environment = {
        **os.environ,
        "SAPWOOD_ROLE": "site",
        "SAPWOOD_VAR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "sapwood.config.settings",
        "PYTHONPATH": os.pathsep.join(str(Path(part).resolve()) for part in ("src", ".")),
        "DATABASE_URL": "",
    }
    running = []

    def start(code, **more):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)],
            env={**environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def done(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.strip()


class MailServer(threading.Thread):
    """Speaks SMTP as far as the whole mail, and then says nothing more: the sender hangs in flight."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.mails = []
        self.taken = threading.Event()
        self.answers = False

    def run(self):
        while True:
            try:
                link, _peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link):
        file = link.makefile("rwb", buffering=0)
        file.write(b"220 test\r\n")
        while line := file.readline():
            word = line[:4].upper()
            if word == b"DATA":
                file.write(b"354 go\r\n")
                lines = []
                while (line := file.readline()) not in {b".\r\n", b""}:
                    lines.append(line)
                self.mails.append(b"".join(lines))
                self.taken.set()
                if not self.answers:
                    return_when_closed(link)
                    return
                file.write(b"250 taken\r\n")
            elif word == b"QUIT":
                file.write(b"221 bye\r\n")
                return
            else:
                file.write(b"250 ok\r\n")


def return_when_closed(link):
    link.settimeout(60)
    with suppress(OSError):
        link.recv(1)


@pytest.mark.slow
def test_a_worker_killed_while_it_mails_leaves_the_mail_uncertain_and_nobody_sends_it_again(site):
    server = MailServer()
    server.start()
    mail_url = f"smtp://127.0.0.1:{server.port}"
    done(site(SETUP.format(hook="http://127.0.0.1:9/", outlet="OutletKind.MAIL"), SAPWOOD_MAIL_URL=mail_url))
    worker = site(WORKER, SAPWOOD_MAIL_URL=mail_url)
    assert server.taken.wait(60), worker.communicate(timeout=5)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert worker.returncode == -signal.SIGKILL
    assert done(site(STATES)) == "uncertain"
    server.answers = True
    assert done(site(LATER.format(minutes=[60, 60 * 24]), SAPWOOD_MAIL_URL=mail_url)) == "uncertain"
    assert len(server.mails) == 1
    assert b"Message-ID: <" in server.mails[0]


@pytest.mark.slow
def test_a_worker_killed_while_it_calls_a_webhook_calls_it_again_with_the_same_key(site):
    keys, taken, go_on = [], threading.Event(), threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Idempotency-Key"])
            taken.set()
            if len(keys) == 1:
                go_on.wait(60)
            with suppress(OSError):
                self.send_response(200)
                self.end_headers()

        def log_message(self, *given):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        hook = f"http://127.0.0.1:{server.server_port}/in"
        done(site(SETUP.format(hook=hook, outlet="OutletKind.WEBHOOK")))
        worker = site(WORKER)
        assert taken.wait(60), worker.communicate(timeout=5)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        assert done(site(STATES)) == "uncertain"
        go_on.set()
        assert done(site(LATER.format(minutes=[5, 60]))) == "sent"
        assert len(keys) == 2
        assert len(set(keys)) == 1
    finally:
        go_on.set()
        server.shutdown()
        server.server_close()
