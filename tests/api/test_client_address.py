"""Addresses as peers, gateways and proxies write them: each visitor has one spelling."""

from __future__ import annotations

import ipaddress
import random

import pytest

from bucketer.api.client_address import TrustedProxies, read_address, read_network


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("255.255.255.255", "255.255.255.255"),
        ("10.1.22.195:32554", "10.1.22.195"),
        ("10.1.22.195:65535", "10.1.22.195"),
        ('"10.1.22.195:32554"', "10.1.22.195"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::FFFF:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1", "10.0.0.1"),
        ("0:0:0:0:0:FfFf:0a00:0001", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:443", "10.0.0.1"),
        ("::ffff:10.0.0.1%eth0", "10.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_spelling_whatever_it_is_dressed_in(written, read):
    assert read_address(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "unknown",
        "_hidden",
        "testclient",
        "test-invoke-source-ip",
        "/run/bucketer.sock",
        "localhost",
        "10.0.0",
        "10.0.0.0.1",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.0.1x",
        "10.0.0.1:",
        "10.0.0.1:65536",
        "10.0.0.1:80:80",
        "10.0.0.1:\u0663",
        "\u0661\u0660.0.0.1",
        "10.0.0.1/8",
        " 10.0.0.1",
        "1",
        "0x0a000001",
        "[10.0.0.1]:80",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]x",
        "[2001:db8::1]:",
        "[2001:db8::1]:65536",
        "[2001:db8::1]443",
        "[]",
        "[",
        "2001:db8::1::2",
        "12345::1",
        "fe80::1%",
        '"',
        '""',
        '"10.0.0.1',
        "fe80::1%" + "x" * 1_000_000,
    ],
)
def test_what_is_no_address_is_none(written):
    assert read_address(written) == ""


def test_reading_what_was_read_changes_nothing_whatever_the_address():
    dice = random.Random(18)
    for _ in range(2_000):
        plain = ipaddress.IPv4Address(dice.getrandbits(32))
        other = ipaddress.IPv6Address(dice.getrandbits(128))

        for written in (f"{plain}", f"{plain}:{dice.randrange(65536)}", f"::ffff:{plain}"):
            assert read_address(written) == str(plain)
        for written in (str(other), other.exploded.upper(), f"[{other}]:{dice.randrange(65536)}"):
            assert read_address(written) == str(other)


@pytest.mark.parametrize(
    ("written", "trusted", "stranger"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("::FFFF:a00:1", "10.0.0.1", "10.0.0.2"),
        ("::ffff:10.0.0.0/104", "10.255.255.255", "11.0.0.0"),
        ("0:0:0:0:0:ffff:a00:0/104", "10.255.255.255", "9.255.255.255"),
        ("::/0", "2001:db8::1", "10.0.0.1"),
        ("2001:DB8::/32", "2001:db8:ffff::1", "2001:db9::1"),
    ],
)
def test_a_network_in_any_spelling_holds_the_addresses_that_it_means(written, trusted, stranger):
    proxies = TrustedProxies([written])

    assert proxies.trusts(trusted)
    assert not proxies.trusts(stranger)


@pytest.mark.parametrize("written", ["x", "", "10.0.0.0/33", "[::1]", "10.0.0.1:80", "::/129"])
def test_what_is_no_network_is_refused(written):
    with pytest.raises(ValueError, match=r"network|address"):
        read_network(written)


def visitor(forwarded_for, *networks, peer="10.0.0.1"):
    return TrustedProxies(networks or ["10.0.0.0/8"]).visitor(
        peer, {"x-forwarded-for": forwarded_for}
    )


@pytest.mark.parametrize(
    ("forwarded_for", "seen"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("6.6.6.6, 198.51.100.9", "198.51.100.9"),
        ("6.6.6.6,198.51.100.9:4711 , 10.2.2.2", "198.51.100.9"),
        ("6.6.6.6, 198.51.100.9, ::ffff:10.2.2.2, [::ffff:a02:202]:80", "198.51.100.9"),
        ('6.6.6.6, "[2001:DB8::9]:4711", 10.2.2.2', "2001:db8::9"),
        ("6.6.6.6, ::ffff:198.51.100.9", "198.51.100.9"),
        ("10.3.3.3, 10.2.2.2", "10.3.3.3"),
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("6.6.6.6, unknown, 10.2.2.2", "10.2.2.2"),
        ("6.6.6.6, 10.2.2.2x", "10.0.0.1"),
        (",", "10.0.0.1"),
    ],
)
def test_the_visitor_is_the_right_most_address_that_is_no_proxy(forwarded_for, seen):
    """Garbage ends the chain: left of it nothing was written by a proxy of ours."""
    assert visitor(forwarded_for) == seen


@pytest.mark.parametrize(
    ("told", "seen"),
    [
        ("198.51.100.10:46532", "198.51.100.10"),
        ("2001:db8::17e:7:4998", "2001:db8::17e:7"),
        ("2001:0db8:85a3:0000:0000:8a2e:0370:7334:443", "2001:db8:85a3::8a2e:370:7334"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("6.6.6.6:1, 198.51.100.10:46532", "10.0.0.1"),
        ("198.51.100.10", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("x:1", "10.0.0.1"),
        (None, "10.0.0.1"),
    ],
)
def test_cloudfronts_own_header_has_one_address_and_always_a_port(told, seen):
    """`X-Forwarded-For` no longer counts then."""
    headers = {"x-forwarded-for": "7.7.7.7"}
    if told is not None:
        headers["cloudfront-viewer-address"] = told

    proxies = TrustedProxies(["10.0.0.0/8"], "CloudFront-Viewer-Address")

    assert proxies.visitor("10.0.0.1", headers) == seen


def test_nobody_is_trusted_unless_named():
    assert not TrustedProxies().trusts("127.0.0.1")
    assert not TrustedProxies(["0.0.0.0/0"]).trusts("")
