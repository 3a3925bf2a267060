"""A person's browser before a web server that is started for each request, and may die before it answers."""

import datetime as dt
import re
import socket
import time
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

import httpx
import time_machine

from tests.killing import Child, Ground, Ran, on_a_full_disk, sapwood


class Browser:
    """It keeps its cookies from one request to the next and follows no redirect."""

    def __init__(self, ground: Ground, port: int, host: str = "127.0.0.1") -> None:
        self.ground, self.host, self.port = ground, host, port
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.cookies = httpx.Cookies()

    def sign_in(self, email: str) -> None:
        link = self.ground.command("accounts", "link", email, "--json").good().out
        path = re.search(rf"{re.escape(self.url)}([^\"\s]+)", link).group(1)
        self.get(path)
        self.post(path, {})

    def get(self, path: str) -> str:
        return self._ask("GET", path, {}).out

    def post(self, path: str, data: dict[str, Any], **how: Any) -> Ran:
        fields = {"csrfmiddlewaretoken": self.cookies.get("sapwood_site_csrf", ""), **data}
        return self._ask("POST", path, fields, **how)

    def _ask(
        self,
        method: str,
        path: str,
        data: dict[str, Any],
        *,
        fuse: int = 0,
        accept: AbstractSet[int] = frozenset({200, 302}),
        later: dt.timedelta = dt.timedelta(),
        free: int = 0,
    ) -> Ran:
        child = self.ground.start(lambda: self._serve(later, free), fuse=fuse)
        answer = None
        with suppress(httpx.TransportError), httpx.Client(base_url=self.url, timeout=120, trust_env=False) as client:
            client.cookies = self.cookies
            self._until_listening(child)
            answer = client.request(method, path, data=data)
            self.cookies = client.cookies
        ran = child.stop()
        if answer is None:
            return ran
        assert answer.status_code in accept, f"{path} answers {answer.status_code}\n{answer.text}\n{ran.err}"
        return Ran(0, answer.text, ran.err)

    def _serve(self, later: dt.timedelta, free: int) -> None:
        if later:
            from sapwood.core.clock import system_clock

            time_machine.travel(system_clock().now() + later).start()
        words = ("serve", "--host", self.host, "--port", str(self.port), "--threads", "2")
        on_a_full_disk(free, lambda: sapwood(*words)) if free else sapwood(*words)

    def _until_listening(self, child: Child) -> None:
        while child.alive():
            with suppress(OSError), socket.create_connection((self.host, self.port), timeout=5):
                return
            time.sleep(0.01)
