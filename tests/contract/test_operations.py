"""What the operator's pages say to write down works as it stands there: nginx in front, mirrors, backup and restore."""

import contextlib
import datetime as dt
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.snippets import snippet

BIN = Path(sys.executable).parent
PATH = os.pathsep.join([str(BIN), os.environ["PATH"], "/usr/sbin"])  # Debian keeps nginx where only root looks
SITE, CHANNEL = "sapwood.riverside.example", "channel.example.org"
pytestmark = [pytest.mark.contract, pytest.mark.slow]


def needs(program):
    return pytest.mark.skipif(shutil.which(program, path=PATH) is None, reason=f"{program} is not installed")


class Installation:
    """A role in a folder of its own, worked on by commands as an operator types them."""

    def __init__(self, folder, role, **settings):
        self.home = folder / "var" / role
        self.env = {"PATH": PATH, "HOME": str(folder), "SAPWOOD_ROLE": role, "SAPWOOD_VAR": str(folder / "var")}
        self.home.mkdir(parents=True)
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        (self.home / "settings.env").write_text("".join(lines))
        self.sapwood("migrate")

    def sapwood(self, *arguments, code=0):
        argv = [str(BIN / "sapwood"), *map(str, arguments), "--json"]
        done = subprocess.run(argv, env=self.env, cwd=self.home, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def sh(self, name, text, *arguments):
        script = self.home.parent.parent / name
        script.write_text(text)
        done = subprocess.run(["sh", script, *arguments], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def commons(tmp_path_factory):
    """A commons whose channel lies where a web server can reach it."""
    folder = tmp_path_factory.mktemp("commons")
    made = Installation(folder, "commons", SAPWOOD_CHANNEL_FOLDER=folder / "channel")
    made.channel = folder / "channel"
    made.sapwood("channel", "init")
    return made


# --- nginx ----------------------------------------------------------------------------------------------------------


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [found.getsockname()[1] for found in sockets]


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SITE)])
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - nginx reads the machine's clock
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "privkey.pem").write_bytes(private)


def until_it_listens(port, process):
    waiting = threading.Event()
    for _ in range(600):
        assert process.poll() is None, "it ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        waiting.wait(0.1)
    raise AssertionError("it does not listen")


@pytest.fixture(scope="module")
def front(commons, tmp_path_factory):
    """Nginx with both of the documentation's servers, before a real web server and the channel's folder."""
    folder = tmp_path_factory.mktemp("nginx")
    plain, tls, behind = free_ports(3)
    site = Installation(folder / "site", "site", SAPWOOD_BASE_URL=f"https://{SITE}", SAPWOOD_TRUST_PROXY="true")
    certificate(folder)
    servers = snippet("how-to/run-it-for-real.md", "nginx-site") + snippet("how-to/run-a-channel.md", "nginx-channel")
    for before, after in {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{tls} ssl;",
        "http://127.0.0.1:8001;": f"http://127.0.0.1:{behind};",
        "/etc/ssl/sapwood/": f"{folder}/",
        "/srv/sapwood/channel/": f"{commons.channel}/",
    }.items():
        assert before in servers
        servers = servers.replace(before, after)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # pytest's folders are closed to everybody else
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ include /etc/nginx/mime.types; access_log off; {paths}\n{servers} }}\n"
    )
    nginx = [shutil.which("nginx", path=PATH), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    subprocess.run([*nginx, "-t", "-q"], check=True)
    serve = [str(BIN / "sapwood"), "serve", "--port", str(behind)]
    with subprocess.Popen(serve, env=site.env, cwd=folder) as web, subprocess.Popen(nginx) as proxy:
        try:
            until_it_listens(behind, web)
            until_it_listens(tls, proxy)
            yield plain, tls
        finally:
            proxy.terminate()
            web.terminate()


def ask(port, host, path, *, tls=True, headers=()):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the certificate was made a moment ago
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host, **dict(headers)})
        answer = connection.getresponse()
        answer.read()
        return answer


@needs("nginx")
def test_behind_nginx_a_site_speaks_tls_only_and_its_cookies_too(front):
    plain, tls = front
    turned_away = ask(plain, SITE, "/announcements/?lang=en", tls=False)
    assert (turned_away.status, turned_away.headers["Location"]) == (301, f"https://{SITE}/announcements/?lang=en")
    assert turned_away.headers["Strict-Transport-Security"] is None
    page = ask(tls, SITE, "/accounts/login/")
    assert page.status == 200, "no redirect that never ends"
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    cookies = page.headers.get_all("Set-Cookie")
    assert cookies
    assert all("; Secure" in cookie and "; HttpOnly" in cookie for cookie in cookies)
    assert ask(tls, "attacker.example", "/").status != 200


@needs("nginx")
def test_nginx_serves_the_channel_as_clients_and_caches_need_it(front, commons):
    _plain, tls = front
    newest, root = (ask(tls, CHANNEL, f"/metadata/{name}.json") for name in ("timestamp", "1.root"))
    assert (newest.status, newest.headers["Content-Type"]) == (200, "application/json")
    assert newest.headers["Cache-Control"] == "no-cache"
    assert "immutable" in root.headers["Cache-Control"]
    missing = ask(tls, CHANNEL, "/metadata/2.root.json")
    assert (missing.status, missing.headers["Cache-Control"]) == (404, None), (
        "nobody keeps the absence of the next root"
    )
    for path in ("/", "/metadata/", "/targets/", "/keys/online.passphrase", "/metadata/../../keys/online.passphrase"):
        assert ask(tls, CHANNEL, path).status in {400, 403, 404}, path
    assert (commons.channel / "keys" / "online.passphrase").exists()


# --- mirrors, backup, restore ---------------------------------------------------------------------------------------


@needs("rsync")
def test_a_mirror_verifies_whenever_it_is_made(commons, tmp_path):
    script, mirror = snippet("how-to/run-a-channel.md", "mirror.sh"), tmp_path / "mirror"
    (mirror / "repository").mkdir(parents=True)
    done = threading.Event()

    def go_on():
        while not done.is_set():
            commons.sapwood("channel", "renew", "--force")

    renewing = threading.Thread(target=go_on)
    renewing.start()
    try:
        for _ in range(4):
            commons.sh("mirror.sh", script, str(commons.channel), str(mirror / "repository"))
            assert commons.sapwood("channel", "verify", mirror)["good"]
    finally:
        done.set()
        renewing.join()
    assert sorted(path.name for path in commons.channel.iterdir()) == ["channel.lock", "keys", "repository", "staging"]


@needs("sqlite3")
def test_a_backup_of_a_running_site_is_restored_whole(tmp_path):
    site = Installation(tmp_path, "site", SAPWOOD_SITE_NAME="Riverside College")
    site.sapwood("people", "add", "carol@riverside.example", "--audience", "instructors")
    site.sapwood("audit", "seal")
    who = site.sapwood("identity", "show")
    site.sh("backup.sh", snippet("how-to/run-it-for-real.md", "backup.sh"), str(tmp_path / "backup"))
    site.sapwood("people", "add", "dave@riverside.example", "--audience", "learners")
    site.sapwood("audit", "seal")
    newer = (site.home / "audit" / "heads.jsonl").read_bytes()
    (site.home / "secret.key").unlink()
    shutil.rmtree(site.home / "identity")
    site.sh("restore.sh", snippet("how-to/run-it-for-real.md", "restore.sh"), str(tmp_path / "backup"))
    assert [row["email"] for row in site.sapwood("people", "list")["people"]] == ["carol@riverside.example"]
    assert site.sapwood("audit", "verify")["problems"] == []
    assert site.sapwood("identity", "show") == who
    assert (site.home / "secret.key").read_bytes() == (tmp_path / "backup" / "secret.key").read_bytes()
    (site.home / "audit" / "heads.jsonl").write_bytes(newer)
    assert "were cut off" in site.sapwood("audit", "verify", code=3)["problems"][0], (
        "the heads kept elsewhere know more"
    )


def test_a_backup_of_a_commons_holds_its_channel(commons, tmp_path):
    commons.sh("backup.sh", snippet("how-to/run-it-for-real.md", "backup.sh"), str(tmp_path / "backup"))
    before = {path.relative_to(commons.channel) for path in commons.channel.rglob("*.json")}
    shutil.rmtree(commons.channel)
    commons.sh("restore.sh", snippet("how-to/run-it-for-real.md", "restore.sh"), str(tmp_path / "backup"))
    assert {path.relative_to(commons.channel) for path in commons.channel.rglob("*.json")} == before
    assert commons.sapwood("channel", "verify")["good"]
    commons.sapwood("channel", "renew", "--force")
