"""Killing a pull at any statement, and filling the disk under it, on a database in a file."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

DRIVER = """
    import datetime as dt, json, os, resource, signal, sys
    import django
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from sapwood.channel import api
    from sapwood.channel.models import Subscription, TrustedFile
    from sapwood.channel.tests.support import NOW, URL, announcement
    from sapwood.core.clock import FixedClock
    from sapwood.core.data import Actor
    from tests.simulator import SimulatedCommons

    call_command("migrate", verbosity=0)
    commons = SimulatedCommons()
    clock = FixedClock(NOW)
    site = api.subscribe(URL, root=commons.first_root, actor=Actor.command(), now=NOW, channels=["community"])

    def child(act):
        connection.close()
        pid = os.fork()
        if pid == 0:
            try:
                os._exit(act() or 0)
            except BaseException:
                os._exit(70)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def killed_at(point):
        left = point
        def count(execute, *rest):
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(*rest)
        with connection.execute_wrapper(count):
            api.pull(site, http=commons, clock=clock)
        return min(250, point - left)

    def on_a_full_disk(limit):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        api.pull(site, http=commons, clock=clock)

    def state():
        return [len(api.received(limit=1000)), TrustedFile.objects.count()]

    seen, number = [], 0
    calls = child(lambda: killed_at(10_000))
    for kind in sys.argv[1:]:
        name, _, point = kind.partition(":")
        commons.publish(*(announcement(number + step) for step in range(3)))
        number += 3
        before = state()
        point = calls * int(point) // 100 + 1 if name == "kill" else int(point)
        code = child(lambda: killed_at(point) if name == "kill" else on_a_full_disk(point))
        after = state()
        clock.advance(dt.timedelta(minutes=10))
        result = api.pull(Subscription.objects.get(), http=commons, clock=clock)
        seen.append({"code": code, "before": before, "after": after, "then": state(), "good": result.good})
    print(json.dumps({"calls": calls, "seen": seen}))
"""


@pytest.mark.slow
def test_a_pull_killed_at_any_statement_or_out_of_disk_stores_everything_or_nothing(tmp_path):
    env = {
        **os.environ,
        "SAPWOOD_ROLE": "site",
        "SAPWOOD_VAR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "sapwood.config.settings",
    }
    kinds = [*(f"kill:{share}" for share in (2, 20, 40, 60, 80, 95)), "disk:0", "disk:4000"]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DRIVER), *kinds], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    assert printed["calls"] > 20
    assert sum(entry["code"] == -signal.SIGKILL for entry in printed["seen"]) >= 4
    for entry in printed["seen"]:
        new = entry["after"][0] - entry["before"][0]
        assert new in {0, 3}, entry
        assert (new == 3) == (0 <= entry["code"] < 70), entry
        assert entry["then"][0] == entry["before"][0] + 3, entry
        assert entry["good"], entry
