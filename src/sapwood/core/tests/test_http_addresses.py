"""Which addresses a request may go to, before anything is connected."""

import ipaddress

import pytest

from sapwood.core.http.addresses import Leave, checked_addresses, judge_url, refusal
from sapwood.core.http.errors import NetworkError, RefusedAddressError, RefusedUrlError, UnreachableError

PUBLIC = Leave()
INSIDE = Leave(private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://10.1.2.3/", "https://172.16.0.1/", "https://192.168.1.1/",
        "https://100.64.0.1/", "https://169.254.169.254/latest/meta-data", "https://0.0.0.0/", "https://0/",
        "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/",
        "https://127.0.0.1./", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
        "https://[64:ff9b:1::a00:1]/", "https://[2002:7f00:1::]/", "https://[2001:0:53aa:64c::1]/",
        "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://[fec0::1]/",
        "https://[ff02::1]/", "https://224.0.0.1/", "https://255.255.255.255/", "https://198.18.0.1/",
        "https://192.0.2.1/", "https://localhost/", "https://LOCALHOST./", "https://intranet/",
        "https://printer.local/", "https://metadata.google.internal/", "https://a.localhost/",
    ],
)  # fmt: skip
def test_an_address_inside_a_private_or_reserved_network_is_refused(url):
    with pytest.raises(RefusedAddressError):
        judge_url(url, PUBLIC)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd",
        "gopher://example.org/", "//example.org/",
        "example.org", "", "https://", "https:///path", "https://user@example.org/", "https://u:p@example.org/",
        "https://openedx.org@evil.example/", "https://example.org:22/", "https://example.org:8080/",
        "https://0177.0.0.1/", "https://example.org:0/",
        "https://example.org:99999/", "https://exam ple.org/",
        "https://example.org/\n",
        "https://example.org\\@evil.example/", "https://example.org/\x00", "https://example.org%00.evil.example/",
        "https://exa\x7fmple.org", "https://[::1", "https://[v1.a]/", "https://①②⑦.⓪.⓪.①/", "https://a..b-.org/",
        "https://example.org/" + "a" * 3000,
    ],
)  # fmt: skip
def test_an_address_of_an_odd_form_is_refused(url):
    with pytest.raises(NetworkError) as caught:
        judge_url(url, PUBLIC)
    assert caught.value.code in {"http.refused_url", "http.refused_address"}
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://openedx.org/feed", "openedx.org", 443),
        ("https://openedx.org:80/", "openedx.org", 80),
        ("https://93.184.216.34/", "93.184.216.34", 443),
        ("https://[2606:2800:220:1::1]/", "2606:2800:220:1::1", 443),
        ("https://[64:ff9b::5db8:d822]/", "64:ff9b::5db8:d822", 443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
    ],
)
def test_a_public_web_address_passes(url, host, port):
    target = judge_url(url, PUBLIC)
    assert (target.host, target.port) == (host, port)


def test_an_administrators_leave_opens_private_networks_and_ports_but_never_metadata_or_link_local():
    assert judge_url("http://127.0.0.1:8000/", INSIDE).port == 8000
    assert judge_url("http://intranet/", INSIDE).host == "intranet"
    for host in (
        "169.254.169.254",
        "0.0.0.0",
        "[fe80::1]",
        "224.0.0.1",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "2130706433",
    ):
        with pytest.raises(RefusedAddressError):
            judge_url(f"http://{host}/", INSIDE)


def test_leave_for_http_opens_http_and_nothing_else():
    assert judge_url("http://example.org/feed", Leave(http=True)).port == 80
    with pytest.raises(RefusedAddressError):
        judge_url("http://127.0.0.1/", Leave(http=True))


def test_one_private_address_among_public_ones_refuses_the_host():
    with pytest.raises(RefusedAddressError, match=r"10\.0\.0\.7"):
        checked_addresses("example.org", 443, PUBLIC, lambda host, port: ["93.184.216.34", "10.0.0.7"])


def test_a_host_with_only_ipv6_addresses_passes():
    assert checked_addresses("example.org", 443, PUBLIC, lambda host, port: ["2606:2800:220:1::1"]) == [
        "2606:2800:220:1::1"
    ]


def test_a_host_without_addresses_is_unreachable():
    with pytest.raises(UnreachableError):
        checked_addresses("example.org", 443, PUBLIC, lambda host, port: [])


def test_nat64_does_not_carry_leave_into_a_private_network():
    assert refusal(ipaddress.ip_address("64:ff9b::a00:1"), INSIDE) is not None


def test_an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_is():
    assert refusal(ipaddress.ip_address("::ffff:93.184.216.34"), PUBLIC) is None
    assert refusal(ipaddress.ip_address("64:ff9b::5db8:d822"), PUBLIC) is None
    assert refusal(ipaddress.ip_address("::ffff:169.254.169.254"), INSIDE) is not None


def test_an_address_bound_to_a_network_card_is_refused():
    assert refusal(ipaddress.ip_address("fe80::1%eth0"), INSIDE) is not None


def test_an_error_never_shows_a_password():
    with pytest.raises(RefusedUrlError) as caught:
        judge_url("ftp://alice:hunter2@example.org/", PUBLIC)
    assert "hunter2" not in caught.value.message
