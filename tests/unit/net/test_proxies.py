"""How a host is reached: proxies and their exceptions, loopback, and what the request line says."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninepic_cli.errors import SettingsError
from ninepic_cli.net.client import request_target
from ninepic_cli.net.proxies import ProxyChoice, choose_proxy, is_loopback, proxy_for

PROXY = "http://proxy.test:3128"
SIGNED = "X-Amz-Credential=4f1d%2F20250914%2Fauto&X-Amz-Signature=00ff"
URL_CHARACTERS = st.text("abcXYZ019-._~!$&'()*+,;=:@%[]|^`{}\\\"<>/", max_size=30)


def chosen(url: str, **environ: str) -> str | None:
    """The proxy for a URL with these variables set."""
    return proxy_for(urlsplit(url), environ)


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://api.test/x", {}, None),
        ("https://api.test/x", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.test/x", {"https_proxy": PROXY}, PROXY),
        ("https://api.test/x", {"https_proxy": PROXY, "HTTPS_PROXY": "http://other.test:1"}, PROXY),
        ("https://api.test/x", {"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.test/x", {"HTTP_PROXY": PROXY}, None),
        ("https://api.test/x", {"ALL_PROXY": PROXY}, PROXY),
        ("https://api.test/x", {"all_proxy": PROXY}, PROXY),
        ("https://api.test/x", {"HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://other.test:1"}, PROXY),
        ("https://api.test/x", {"HTTPS_PROXY": "proxy.test:3128"}, PROXY),
        ("https://api.test/x", {"HTTPS_PROXY": f" {PROXY} "}, PROXY),
        ("https://api.test/x", {"HTTPS_PROXY": "  "}, None),
        ("https://api.test/x", {"HTTPS_PROXY": "https://proxy.test:443"}, "https://proxy.test:443"),
    ],
)
def test_a_proxy_is_taken_from_the_usual_variables(url: str, environ: dict[str, str], expected: str | None) -> None:
    """The scheme's own variable wins over ALL_PROXY, lower case over upper case, and an empty one is unset."""
    assert chosen(url, **environ) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "localhost", "LocalHost", "localhost.", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"])
def test_loopback_is_never_proxied(host: str, scheme: str, variable: str) -> None:
    """No variable, not even a SOCKS proxy, comes between this machine and itself."""
    assert chosen(f"{scheme}://{host}:8080/x", **{variable: PROXY}) is None
    assert chosen(f"{scheme}://{host}:8080/x", **{variable: "socks5://proxy.test:1"}) is None


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("https://api.test/", "*"),
        ("https://api.test/", "api.test"),
        ("https://api.test./", "api.test"),
        ("https://API.test/", "api.TEST"),
        ("https://api.test/", "other.test, api.test"),
        ("https://api.test/", "other.test api.test"),
        ("https://api.test/", "other.test,,api.test,"),
        ("https://deep.api.test/", "api.test"),
        ("https://deep.api.test/", ".api.test"),
        ("https://deep.api.test/", "*.api.test"),
        ("https://api.test:8443/", "api.test"),
        ("https://api.test:8443/", "api.test:8443"),
        ("https://api.test/", "api.test:443"),
        ("https://10.1.2.3/", "10.0.0.0/8"),
        ("https://10.1.2.3/", "10.1.2.3"),
        ("https://10.1.2.3:8443/", "10.1.2.3:8443"),
        ("https://[fd12::1]/", "fd00::/8"),
        ("https://[fd12::1]/", "fd12::1"),
        ("https://[fd12::1]/", "[fd12::1]"),
        ("https://[fd12::1]:8443/", "[fd12::1]:8443"),
        ("https://[FD12:0::1]/", "fd12::1"),
        ("https://api.test/", "::1,[::1],fd00::/8,fe80::/10,api.test"),
    ],
)
def test_exceptions_go_past_the_proxy(url: str, no_proxy: str) -> None:
    """NO_PROXY covers a name and all below it, addresses and ranges of both families, each with or without a port."""
    assert chosen(url, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) is None


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        ("https://api.test/", ""),
        ("https://api.test/", " , ,\t"),
        ("https://api.test/", "pi.test"),
        ("https://notapi.test/", "api.test"),
        ("https://api.test.evil/", "api.test"),
        ("https://api.test/", "deep.api.test"),
        ("https://api.test:8443/", "api.test:443"),
        ("https://api.test/", "api.test:8443"),
        ("https://api.test/", "."),
        ("https://11.1.2.3/", "10.0.0.0/8"),
        ("https://[fd12::1]/", "fe80::/10"),
        ("https://[fd12::1]/", "10.0.0.0/8"),
        ("https://10.1.2.3/", "fd00::/8"),
        ("https://[fd12::1]:8443/", "[fd12::1]:1"),
        ("https://api.test/", "::1,[::1],fd00::/8,fe80::/10,127.0.0.1/8,10.0.0.0/99,[,]"),
    ],
)
def test_nothing_else_goes_past_the_proxy(url: str, no_proxy: str) -> None:
    """What NO_PROXY does not cover is proxied, and an entry that makes no sense covers nothing."""
    assert chosen(url, HTTPS_PROXY=PROXY, NO_PROXY=no_proxy) == PROXY


@given(st.text(max_size=60))
def test_any_exception_list_can_be_read(no_proxy: str) -> None:
    """Whatever NO_PROXY holds, a choice is made."""
    assert chosen("https://api.test:8443/", HTTPS_PROXY=PROXY, no_proxy=no_proxy) in {PROXY, None}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ProxyChoice()),
        ({"HTTPS_PROXY": "one.test:1", "all_proxy": PROXY}, ProxyChoice("http://one.test:1", "HTTPS_PROXY")),
        ({"https_proxy": "one.test:1", "HTTPS_PROXY": PROXY}, ProxyChoice("http://one.test:1", "https_proxy")),
        ({"https_proxy": "", "all_proxy": PROXY}, ProxyChoice(PROXY, "all_proxy")),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "other.test, .api.test"}, ProxyChoice(None, "ALL_PROXY", ".api.test")),
        ({"NO_PROXY": "*"}, ProxyChoice()),
    ],
)
def test_a_choice_has_its_reason(variables: dict[str, str], expected: ProxyChoice) -> None:
    """The variable that named a proxy is known, and the entry by which it does not apply."""
    assert choose_proxy(urlsplit("https://www.api.test/"), variables) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (None, None),
        ("http://proxy.test:8080", "http://proxy.test:8080"),
        ("https://me:secret@proxy.test/", "https://proxy.test/"),
        ("socks5://me:secret@proxy.test:1080", "socks5://proxy.test:1080"),
        ("http://me:sec/ret@proxy.test", "***"),
        ("http://me:sec@ret@proxy.test", "http://proxy.test"),
        ("me:sec://ret@proxy.test", "***"),
        ("http://proxy.test/?secret", "***"),
    ],
)
def test_a_proxy_is_shown_without_its_password(url: str | None, shown: str | None) -> None:
    """What may be shown of a proxy is its address; of what is no address nothing."""
    assert ProxyChoice(url, "ALL_PROXY").shown_url == shown


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "SOCKS5", "ftp"])
def test_another_kind_of_proxy_is_a_clear_error(scheme: str) -> None:
    """A SOCKS proxy is refused by its kind, without the password in its address."""
    with pytest.raises(SettingsError) as caught:
        chosen("https://api.test/", ALL_PROXY=f"{scheme}://me:secret@proxy.test:1080")
    assert scheme.lower() in caught.value.message
    assert "api.test" in str(caught.value.hint)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("localhost.evil.test", False),
        ("127.0.0.1.evil.test", False),
        ("0.0.0.0", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("api.test", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    """Only `localhost` and the loopback addresses are this machine, whatever else begins like them."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://h", "/"),
        ("https://h/", "/"),
        ("https://h/a/b.jpg", "/a/b.jpg"),
        (f"https://h:8443/a?{SIGNED}", f"/a?{SIGNED}"),
        (f"https://h?{SIGNED}", f"/?{SIGNED}"),
        ("https://h?x=a/b", "/?x=a/b"),
        ("https://h/?", "/?"),
        ("https://h/a?x#part", "/a?x"),
        ("https://h/a#part?x", "/a"),
        ("https://h/a/../b/./c//d", "/a/../b/./c//d"),
        ("https://h/~'();[]|%2f%2F..+%7E?~'();[]|%2f%2F..+%7E=?", "/~'();[]|%2f%2F..+%7E?~'();[]|%2f%2F..+%7E=?"),
    ],
)
def test_the_request_target_is_the_links(url: str, target: str) -> None:
    """Path and query are sent as they stand in the link; only a fragment is left off."""
    assert request_target(url) == target.encode()


@given(URL_CHARACTERS, st.none() | URL_CHARACTERS)
def test_any_path_and_query_stay_as_they_are(path: str, query: str | None) -> None:
    """No character of a path or a query is changed, added or lost."""
    target = f"/{path}" if query is None else f"/{path}?{query}"
    assert request_target(f"https://h:8443{target}") == target.encode()


@given(URL_CHARACTERS)
def test_any_query_stays_as_it_is_without_a_path(query: str) -> None:
    """A query that follows the host at once is whole, too."""
    assert request_target(f"https://h?{query}") == f"/?{query}".encode()


@pytest.mark.parametrize("char", [" ", "\r", "\n", "\t", "\0", "\x7f", "é", "\ud800"])
def test_what_cannot_stand_in_a_request_line_is_refused(char: str) -> None:
    """White space, control and other characters cannot break out of the request line."""
    with pytest.raises(ValueError, match="escaped"):
        request_target(f"https://h/a{char}b")
