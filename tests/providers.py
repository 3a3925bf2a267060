"""Identity providers on loopback: a real OpenID Connect server, an LMS as its source code describes it, and liars."""

import base64
import hashlib
import json
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
from django.test import Client

SECRET = "a secret of at least thirty-two bytes"


class OidcServer:
    """`oidc-provider-mock` in a process of its own: discovery, code flow, id tokens, user info."""

    def __init__(self, *options: str) -> None:
        module = [sys.executable, "-m", "oidc_provider_mock"]
        command = [*module, "--port", "0", "--require-registration", "true", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={"NO_COLOR": "1"})
        assert self.process.stderr
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                self.issuer = found[1]
                break
        else:
            raise RuntimeError("".join(seen))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def register(self, callback: str) -> tuple[str, str]:
        """A client of its own, for which secret and callback address are checked."""
        body = {"redirect_uris": [callback], "token_endpoint_auth_method": "client_secret_post"}
        made = httpx.post(f"{self.issuer}/oauth2/clients", json=body, trust_env=False).json()
        return made["client_id"], made["client_secret"]

    def says(self, sub: str, **claims: object) -> None:
        """What it says about a person from now on."""
        httpx.put(f"{self.issuer}/users/{sub}", json=claims, trust_env=False).raise_for_status()

    def agree(self, address: str, sub: str) -> str:
        """The person signs in over there; the address that the browser is sent back to."""
        return httpx.post(address, data={"sub": sub}, trust_env=False).headers["location"]


@contextmanager
def oidc_server(*options: str) -> Iterator[OidcServer]:
    server = OidcServer(*options)
    try:
        yield server
    finally:
        server.stop()


def leave(client: Client, login: str = "/accounts/oidc/sso/login/") -> str:
    """Press the provider's button; the address that the page leads to."""
    page = client.post(login)
    assert page.status_code == 200, (page.status_code, page.content.decode()[:500])
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.content.decode())
    assert found, page.content.decode()[:1000]
    return found[1].replace("&amp;", "&")


def come_back(client: Client, address: str) -> Any:
    """The browser follows the provider back."""
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


Page = Callable[["Asked"], tuple[int, dict[str, str], bytes]]


class Asked:
    """One request that a stage received."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method, self.target, self.headers = method, target, headers
        self.path = urlsplit(target).path
        self.query = dict(parse_qsl(urlsplit(target).query))
        self.form = dict(parse_qsl(body.decode()))


class Stage:
    """A web server whose pages the test writes; `asked` is what came in."""

    def __init__(self, pages: Mapping[str, Page] | None = None) -> None:
        self.pages = dict(pages or {})
        self.asked: list[Asked] = []
        stage = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = Asked(self.command, self.path, self.headers, body)
                stage.asked.append(asked)
                page = stage.pages.get(asked.path) or stage.pages.get("*")
                status, headers, content = page(asked) if page else (404, {}, b"nothing here")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@contextmanager
def stage(pages: Mapping[str, Page] | None = None) -> Iterator[Stage]:
    running = Stage(pages)
    try:
        yield running
    finally:
        running.stop()


def as_json(data: object, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(data).encode()


class Lms:
    """The platform's OAuth 2.0, after edx-platform's oauth_dispatch and enrollment API: no discovery, no id token.

    The token address wants code, secret and callback to fit, checks the code challenge, and answers with an access
    token that is a JSON Web Token when asked with `token_type=jwt`.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {
            "preferred_username": "dave",
            "sub": "f00d",
            "email": "dave@riverside.example",
            "email_verified": True,
            "name": "Dave",
            "administrator": False,
            "superuser": False,
            "scopes": ["profile", "email"],
        }
        self.roles: list[dict[str, str]] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.callback = ""
        self.stage = Stage(
            {
                "/oauth2/access_token": self._token,
                "/api/enrollment/v1/roles/": self._roles,
            }
        )

    @property
    def url(self) -> str:
        return self.stage.url

    def agree(self, address: str) -> str:
        """The person signs in at the LMS and agrees; the address that the browser is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.url}/oauth2/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", "sapwood")
        assert set(asked["scope"].split()) == {"profile", "email"}
        code = secrets.token_hex(8)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    def _token(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        form, begun = asked.form, self.codes.pop(asked.form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        fits = begun is not None and (
            form.get("client_secret") == "s"
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == begun["redirect_uri"]
            and challenge == begun["code_challenge"]
        )
        if not fits:
            return as_json({"error": "invalid_grant"}, 401)
        now = int(time.time())
        usual = {"iss": f"{self.url}/oauth2", "aud": "openedx", "iat": now, "exp": now + 3600}
        claims = {name: value for name, value in {**usual, **self.claims}.items() if value is not None}
        token = jwt.encode(claims, SECRET, algorithm="HS256") if form.get("token_type") == "jwt" else "opaque"
        return as_json({"access_token": token, "token_type": "JWT", "expires_in": 3600, "scope": "profile email"})

    def _roles(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        try:
            jwt.decode(token, SECRET, algorithms=["HS256"], audience="openedx")
        except jwt.PyJWTError:
            return as_json({"detail": "Invalid token"}, 401)
        assert scheme == "JWT"
        return as_json({"roles": self.roles, "is_staff": False})
