"""Keys in a PKCS#11 token, with SoftHSM2 in place of the hardware."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MODULES = (Path("/usr/lib/softhsm/libsofthsm2.so"), Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"))
MODULE = next((path for path in MODULES if path.exists()), None)

# The PKCS#11 module reads its configuration once per process, so each test is a process of its own.
PROGRAM = """
    import datetime as dt, json, sys
    from pathlib import Path
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters
    from sapwood.channel.errors import KeyFileError
    from sapwood.channel.keys import import_token_key, load_key, passphrase_from_file
    folder, module = Path(sys.argv[1]), sys.argv[2]
    token = pkcs11.lib(module).get_token(token_label="Release key")
    with token.open(user_pin="123456", rw=True) as session:
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}, local=True
        )
        curve.generate_keypair(store=True, id=bytes([5]), label="sapwood")
    uri = f"pkcs11:token=Release%20key;id=%05?module-path={module}"
    key = import_token_key(folder, "packs-token", owner="carol", uri=uri, passphrase=lambda _name: "123456")
    signer = load_key(folder / "packs-token.pub.json").signer(passphrase_from_file(folder / "pin"))
    key.public.verify_signature(signer.sign(b"payload"), b"payload")
    try:
        load_key(folder / "packs-token.pub.json").signer(lambda _name: "wrong!").sign(b"payload")
        refused = ""
    except KeyFileError as error:
        refused = error.message
    private = [path.name for path in folder.glob("*.pem")]
    print(json.dumps({"scheme": key.public.scheme, "refused": refused, "private": private}))
"""


@pytest.mark.skipif(MODULE is None, reason="SoftHSM2 is not installed (apt install softhsm2)")
def test_a_key_in_a_token_signs_by_its_uri_and_never_leaves_it(tmp_path):
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    pin = tmp_path / "pin"
    pin.write_text("123456\n")
    pin.chmod(0o600)
    env = {**os.environ, "SOFTHSM2_CONF": str(config)}
    init = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "Release key",
        "--pin",
        "123456",
        "--so-pin",
        "654321",
    ]
    subprocess.run(init, env=env, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(MODULE)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["scheme"] == "ecdsa-sha2-nistp256"
    assert printed["private"] == []
    assert "token" in printed["refused"]
