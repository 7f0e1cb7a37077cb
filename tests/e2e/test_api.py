"""The REST API as the command meets it: what it says of each answer, and where the key goes."""

import re
import socket
import time
from typing import Any

import pytest

from ninepic_cli.sandbox import Fault, Sandbox
from tests.support.api_answers import HTML, PHOTOS, asked, at_api, error_body
from tests.support.command import Ninepic, Result, Start
from tests.support.worlds import small_world


def without_secrets(result: Result, box: Sandbox) -> str:
    """All that was written, after a look for what must never be in it."""
    text = result.out + result.err
    links = [request.target for request in box.requests_to("store")]
    signatures = [found for link in links for found in re.findall(r"X-Amz-Signature=(\w+)", link)]
    for secret in (box.world.api_key, "X-Amz-", "4f1d8c0b7e2a49f3a6d5c81e90b7f263", *signatures):
        assert secret not in text
    assert "Traceback" not in text
    return text


class TestThrottling:
    """429 and 503: the service asks for patience."""

    def test_the_command_says_when_to_come_back(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A run that is told to come back later than it may wait ends with exit 6 and the time."""
        box = sandbox(small_world(), faults=[at_api(status=429, headers={"Retry-After": "900"})])
        started_s = time.monotonic()
        result = ninepic("bib", "1234", "--give-up-after", 20)
        assert time.monotonic() - started_s < 15
        assert result.status == 6
        assert "asks to retry in 15 min" in without_secrets(result, box)
        assert re.search(r"again at \d\d:\d\d", result.err)

    def test_patience_ends(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A service that does nothing but ask for patience is given up when the patience is over."""
        sandbox(small_world(), faults=[at_api(status=503)])
        started_s = time.monotonic()
        result = ninepic("bib", "1234", "--give-up-after", 2)
        assert result.status == 6
        assert "for 2 s" in result.err
        assert time.monotonic() - started_s < 15


class TestTheCommand:
    """What users and scripts see of the service's answers."""

    @pytest.mark.parametrize(
        ("fault", "status", "words"),
        [
            (at_api(status=401), 3, "NINEPIC_API_KEY"),
            (at_api(status=422, body=error_body("body.identifier: no\x1b[31m")), 2, "body.identifier: no"),
            (at_api(status=400), 2, "malformed: Bad Request"),
        ],
    )
    def test_a_refusal_ends_at_once(
        self, ninepic: Ninepic, sandbox: Start, fault: Fault, status: int, words: str
    ) -> None:
        """The run ends after one request with the exit status for it, and at most three lines of error."""
        box = sandbox(small_world(), faults=[fault])
        result = ninepic("bib", "1234", "-o", "photos", "-q")
        assert result.status == status
        assert words in without_secrets(result, box)
        assert "\x1b" not in result.err
        assert result.out == ""
        assert asked(box) == ["original-photos"]
        assert not (ninepic.home / "photos").exists()

    def test_json_ends_with_a_summary(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A run that the service refuses still says so in JSON: each bib, then the summary."""
        sandbox(small_world(), faults=[at_api(status=401)])
        lines = ninepic("bib", "1234", "7", "--json").json
        assert [line["type"] for line in lines] == ["identifier", "identifier", "summary"]
        assert [line["status"] for line in lines[:2]] == ["failed", "failed"]
        assert lines[0]["code"] == "not_allowed"
        assert lines[2]["exit_code"] == 3

    @pytest.mark.parametrize(
        ("variables", "words"),
        [
            ({"NINEPIC_API_KEY": "9pk_wrong_wrong_wrong"}, "API key rejected for organisation 123"),
            ({"NINEPIC_ORG_ID": "124"}, "API key rejected for organisation 124"),
        ],
    )
    def test_a_wrong_key_is_told_from_a_wrong_event(
        self, ninepic: Ninepic, sandbox: Start, variables: dict[str, str], words: str
    ) -> None:
        """A 403 for key or organisation is told as such, with one request more to find out."""
        box = sandbox(small_world())
        ninepic.use(variables)
        result = ninepic("bib", "1234")
        assert result.status == 3
        assert words in without_secrets(result, box)
        assert "9pk_wrong" not in result.err
        assert asked(box) == ["original-photos", "events"]

    def test_a_wrong_event_is_told_from_a_wrong_key(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A 403 for the event alone is told as such: the key is good."""
        box = sandbox(small_world(), faults=[at_api(path="/event/", status=403)])
        result = ninepic("bib", "1234")
        assert result.status == 3
        assert "API key is valid, but not for event 456" in without_secrets(result, box)
        assert asked(box) == ["original-photos", "events"]

    def test_an_unknown_event_is_told_from_an_unknown_bib(self, ninepic: Ninepic, sandbox: Start) -> None:
        """An event that does not exist ends the run with exit 2 after one ping."""
        box = sandbox(small_world())
        result = ninepic("bib", "1", "2", "3", "-e", 9999, "--json")
        assert result.status == 2
        assert "event 9999 not found" in without_secrets(result, box)
        assert asked(box) == ["original-photos", "ping"]

    def test_only_the_first_404_is_looked_into(self, ninepic: Ninepic, sandbox: Start) -> None:
        """Several bibs without photos cost one ping together, and the run ends with exit 4."""
        box = sandbox(small_world())
        result = ninepic("bib", "91", "92", "1234", "93", "-o", "photos", "--json")
        assert result.status == 4
        assert asked(box).count("ping") == 1
        assert asked(box).count("original-photos") == 4
        assert len(result.photos("downloaded")) == 3

    def test_a_redirect_gets_no_key(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A redirect to another origin is not followed: nothing is sent there, and the run ends with exit 6."""
        with Sandbox(small_world()) as elsewhere:
            target = f"{elsewhere.base_url}/api/v1/ext/123/event/456/original-photos"
            faults = [at_api(path="", headers={"Location": target})]
            box = sandbox(small_world(), faults=faults)
            for status in (302, 308):
                faults[0].status = status
                result = ninepic("bib", "1234", "--retries", 0)
                assert result.status == 6
                assert "redirect" in without_secrets(result, box)
            assert elsewhere.requests == []
            assert len(box.requests) == 2


def _leading_to(origin: str) -> dict[str, Any]:
    """A fault that makes all links lead somewhere else."""

    def mutate(payload: Any) -> None:
        for item in payload["data"]["presigned_urls"]:
            item["url"] = re.sub(r"https?://[^/]*", origin, item["url"])

    return {"server": "api", "path": PHOTOS, "mutate": mutate}


TROUBLES: dict[str, dict[str, Any]] = {
    "the store refuses": {"status": 403},
    "the store is gone": {"reset": True},
    "links are expired": {"status": 403, "body": "<Error><Code>ExpiredRequest</Code></Error>"},
    "the store redirects": {"status": 302, "headers": {"Location": "https://elsewhere.test/?X-Amz-Signature=0"}},
    "the API fails": {"server": "api", "status": 500},
    "the API has no JSON": {"server": "api", "body": HTML},
    "links make no sense": _leading_to("https://256.1.1.1"),
    "links are plain http": _leading_to("http://store.test"),
    "links have a space": _leading_to("https://store.test/a b"),
    "links are nonsense": _leading_to("https://[::1"),
    "links have no path": _leading_to("https://store.test?"),
}


class TestSecrets:
    """The key goes to the API alone, and neither key nor link is ever written."""

    @pytest.mark.parametrize("name", ["all is well", *TROUBLES])
    def test_nothing_secret_is_written(self, ninepic: Ninepic, sandbox: Start, name: str) -> None:
        """Whatever goes wrong, and however much is asked to be told, no key and no link is written."""
        box = sandbox(small_world(), faults=[Fault(**TROUBLES[name])] if name in TROUBLES else [])
        result = ninepic("bib", "1234", "-v", "--json", "--retries", 0, "-o", "photos", NINEPIC_DEBUG="1")
        assert (result.status != 0) is (name in TROUBLES)
        without_secrets(result, box)
        assert all(request.headers["x-api-key"] == box.world.api_key for request in box.requests_to("api"))
        assert not any("x-api-key" in request.headers for request in box.requests_to("store"))

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 409, 200])
    def test_a_service_that_repeats_the_key_is_not_quoted(self, ninepic: Ninepic, sandbox: Start, status: int) -> None:
        """A key that the service's message holds is not shown."""
        box = sandbox(small_world())
        box.faults = [at_api(status=None if status == 200 else status, body=error_body(f"{box.world.api_key}: no"))]
        result = ninepic("bib", "1234", "7", "-v", "--json", "--retries", 0)
        assert result.status != 0
        without_secrets(result, box)


class TestPing:
    """The command that checks key, organisation and event."""

    @pytest.mark.parametrize(
        ("faults", "variables", "expected"),
        [
            ([], {}, (0, "OK: API key is valid for organisation 123 and event 456", ["ping"])),
            ([at_api("/ping", status=401)], {}, (3, "NINEPIC_API_KEY", ["ping"])),
            (
                [],
                {"NINEPIC_API_KEY": "9pk_other_other"},
                (3, "API key rejected for organisation 123", ["ping", "events"]),
            ),
            ([at_api("/ping", status=403)], {}, (3, "API key is valid, but not for event 456", ["ping", "events"])),
            ([], {"NINEPIC_EVENT_ID": "9999"}, (2, "event 9999 not found", ["ping"])),
            ([at_api("/ping", status=403, body=HTML)], {}, (6, "web page", ["ping"])),
            ([at_api("/ping", body=HTML)], {}, (6, "web page", ["ping"])),
            ([at_api("/ping", body="{}")], {}, (6, "", ["ping"])),
            ([at_api("/ping", status=302)], {}, (6, "redirect", ["ping"])),
            ([at_api("/ping", status=500)], {}, (6, "500", ["ping"])),
            (
                [at_api("/ping", status=429, headers={"Retry-After": "600"})],
                {},
                (6, "asks to retry in 10 min", ["ping"]),
            ),
        ],
    )
    def test_what_it_says(
        self,
        ninepic: Ninepic,
        sandbox: Start,
        faults: list[Fault],
        variables: dict[str, str],
        expected: tuple[int, str, list[str]],
    ) -> None:
        """Each answer has its exit status and its words, after one request, or two where it takes that to explain."""
        box = sandbox(small_world(), faults=faults)
        ninepic.use(variables)
        result = ninepic("ping")
        status, words, requests = expected
        assert result.status == status
        text = without_secrets(result, box)
        assert words in text
        assert "1 attempts" not in text
        assert "--give-up-after" not in text  # which it does not have
        assert asked(box) == requests
        assert result.out == ""

    def test_nobody_there(self, ninepic: Ninepic, sandbox: Start) -> None:
        """A service that cannot be reached is told at once, with the reason."""
        sandbox(small_world())
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        started_s = time.monotonic()
        result = ninepic("ping", NINEPIC_BASE_URL=f"http://127.0.0.1:{port}")
        assert result.status == 6
        assert f"cannot connect to 127.0.0.1:{port}: connection refused" in result.err
        assert time.monotonic() - started_s < 15
