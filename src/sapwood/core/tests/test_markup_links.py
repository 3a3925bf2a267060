"""Where links lead, and whether people are sent there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sapwood.core.markup import check_url, link_reports


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd", "http://example.org/",
        "ftp://example.org", "//evil.example/", "///evil.example", "/path", "path", "#top", "?q", "",
        "https:",
        "https://", "https:/evil.example", "https:evil.example", "https:///evil.example", "https://?x",
        "https://openedx.org@evil.example/", "https://u:p@example.org/", "https://@example.org/",
        "https://openedx.org%40evil.example/", "https://openedx.org\\@evil.example/",
        "https:\\\\evil.example",
        "https://exam\u200bple.org/", "https://example.org/\u202egnp.exe", "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/", "https://0x7f.1/", "https://localhost/", "https://intranet/",
        "https://exa mple.org/",
        "https://example.org/a b", "https://example.org/\n", "https://example.org:99999/",
        "https://ex\ud800.org/",
        "https://a..b/", "https://example.org/" + "a" * 3000, "mailto:", "mailto:not an address",
        "mailto:a@example.org,b@example.org", "mailto:a@example.org?body=hello",
        "mailto:a@example.org?cc=b@x.org",
        "mailto:a@example.org?subject=x%0d%0abcc:b@x.org", "intent://x#Intent;end",
        "blob:https://example.org/x",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_an_address_of_this_kind(url):
    report = check_url(url) if not url.endswith("\n") else check_url(url + "x")
    assert not report.ok
    assert report.why
    report.url.encode()


@pytest.mark.parametrize(
    ("url", "host", "used"),
    [
        ("https://openedx.org/a?b=1#c", "openedx.org", "https://openedx.org/a?b=1#c"),
        ("  https://OpenEdX.org ", "openedx.org", "https://openedx.org"),
        ("HTTPS://docs.openedx.org/", "docs.openedx.org", "https://docs.openedx.org/"),
        (
            "https://bücher.example/ü",
            "bücher.example (xn--bcher-kva.example)",
            "https://xn--bcher-kva.example/%C3%BC",
        ),
        ("https://例え.テスト/", "例え.テスト (xn--r8jz45g.xn--zckzah)", "https://xn--r8jz45g.xn--zckzah/"),
        ("mailto:press@openedx.org?subject=Hi", "openedx.org", "mailto:press@openedx.org?subject=Hi"),
        ("https://openedx.org:443/", "openedx.org", "https://openedx.org/"),
    ],
)
def test_a_plain_https_or_mail_link_is_kept_and_shows_its_host(url, host, used):
    report = check_url(url)
    assert (report.ok, report.why, report.host_shown, report.url) == (True, "", host, used)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://оpenedx.org/", "xn--penedx-vqf.org"),  # the first letter is Cyrillic
        ("https://xn--penedx-vqf.org/", "xn--penedx-vqf.org"),
        ("https://аррӏе.com/", "xn--80ak6aa92e.com"),  # every letter is Cyrillic and looks Latin
        ("https://openedxοrg.example/", "xn--openedxrg-w1g.example"),
    ],
)
def test_a_host_that_imitates_another_is_shown_in_its_encoded_form_with_a_warning(url, host):
    report = check_url(url)
    assert report.ok
    assert report.host_shown == host
    assert "imitate" in report.why


def test_an_unusual_port_is_shown_and_warned_of():
    report = check_url("https://example.org:8443/x")
    assert (report.ok, report.host_shown) == (True, "example.org:8443")
    assert "port" in report.why


def test_a_relative_link_is_resolved_only_against_a_base_and_never_changes_the_host_silently():
    assert check_url("/news", "https://openedx.org/blog/").url == "https://openedx.org/news"
    assert check_url("more", "https://openedx.org/blog/").url == "https://openedx.org/blog/more"
    assert not check_url("//evil.example/", "https://openedx.org/").ok
    assert not check_url("/news", "http://openedx.org/").ok


def test_a_reviewer_sees_every_link_also_those_that_are_removed():
    html = (
        '<a href="https://a.example/">a</a><a href="JavaScript:x">b</a>'
        '<a href="java&#10;script:y">c</a><a href="//d">d</a>'
    )
    assert [report.ok for report in link_reports(html)] == [True, False, False, False]


@given(st.text() | st.from_regex(r"https://[a-z.@:/\\#?%а-я-]{0,30}"))
def test_a_link_that_passes_is_https_or_mail_without_userinfo_and_passes_again(url):
    report = check_url(url)
    if report.ok:
        assert report.url.startswith(("https://", "mailto:"))
        assert report.url.isascii()
        authority = report.url.removeprefix("https://").split("/")[0]
        assert "@" not in authority or report.url.startswith("mailto:")
        assert check_url(report.url).url == report.url
