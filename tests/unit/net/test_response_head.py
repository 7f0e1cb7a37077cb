"""Heads of answers: what is understood, and what is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninepic_cli.errors import TransientError
from ninepic_cli.net.connection import HEAD_END, chunk_size, parse_head


def framed(*lines: str, start: str = "HTTP/1.1 200 OK") -> tuple[int | None, bool, bool]:
    """Length, whether chunked, and whether the connection ends, of an answer with these header lines."""
    head = parse_head("\r\n".join((start, *lines, "", "")).encode("latin-1"))
    return head.length, head.is_chunked, head.is_last


@pytest.mark.parametrize(
    ("lines", "start", "expected"),
    [
        (["Content-Length: 5"], "HTTP/1.1 200 OK", (5, False, False)),
        (["Content-Length: 5"], "HTTP/1.1 200", (5, False, False)),
        (["content-length:\t5 \t"], "HTTP/1.1 200 ", (5, False, False)),
        (["Content-Length: 5", "Connection: Close"], "HTTP/1.1 200 OK", (5, False, True)),
        (["Content-Length: 5"], "HTTP/1.0 200 OK", (5, False, True)),
        ([], "HTTP/1.1 200 OK", (None, False, True)),
        (["Transfer-Encoding: Chunked"], "HTTP/1.1 200 OK", (None, True, False)),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], "HTTP/1.1 200 OK", (None, True, False)),
        (["Content-Length: 5"], "HTTP/1.1 304 Not Modified", (0, False, False)),
        ([], "HTTP/1.1 204 No Content", (0, False, False)),
        ([], "HTTP/1.1 103 Early Hints", (0, False, False)),
    ],
)
def test_where_a_body_ends(lines: list[str], start: str, expected: tuple[int | None, bool, bool]) -> None:
    """A body ends by its length, its chunks or its connection, as RFC 9112 has it."""
    assert framed(*lines, start=start) == expected


def test_a_length_beside_chunks_is_not_believed() -> None:
    """What the length says beside a transfer coding reaches nobody."""
    assert (
        "content-length"
        not in parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n").headers
    )


def test_odd_headers_are_understood() -> None:
    """Folded lines, bare line feeds, repeated names and bytes beyond ASCII are read as they were meant."""
    head = parse_head(
        b"HTTP/1.1 404 \xe9\nX-Folded: a\r\n \t b\r\nvia: 1\r\nVIA: 2\nX-Empty:\nX-Colon: a:b\nX-Byte: \xff\n\n"
    )
    assert head.status == 404
    folded, others = head.headers.pop("x-folded"), head.headers
    assert folded == "a b"
    assert others == {"via": "1, 2", "x-empty": "", "x-colon": "a:b", "x-byte": "ÿ"}


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: \xb2",
        "Content-Length:",
        f"Content-Length: {'9' * 19}",
        "Content-Length : 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "no colon",
        ": no name",
        "a name: x",
        "X: a\rb",
        "X: a\0b",
        "X: \x1b[31m",
    ],
)
def test_what_could_be_understood_in_two_ways_is_refused(line: str) -> None:
    """Lengths that are none or several, unknown codings and lines that are no header are a failed try."""
    with pytest.raises(TransientError):
        framed(line)


@pytest.mark.parametrize(
    "start",
    ["", "HTTP/1.1 099 x", "HTTP/1.1 20 x", "HTTP/1.1 2000 x", "HTTP/2 200 OK", "http/1.1 200 OK", " HTTP/1.1 200"],
)
def test_what_is_no_answer_is_refused(start: str) -> None:
    """A first line that is not HTTP/1's is a failed try."""
    with pytest.raises(TransientError, match="not HTTP"):
        framed(start=start)


@pytest.mark.parametrize(("line", "size"), [(b"0", 0), (b"00a", 10), (b"FfF", 4095), (b"5;a=b;c", 5), (b"5 \t;a", 5)])
def test_the_size_of_a_chunk(line: bytes, size: int) -> None:
    """A chunk begins with its size in hexadecimal; extensions are passed over."""
    assert chunk_size(line) == size


@pytest.mark.parametrize("line", [b"", b"-1", b"+1", b"0x1", b"1_0", b" 1", b"g", b";a", b"1;a\rb", b"f" * 16])
def test_what_is_no_size_is_refused(line: bytes) -> None:
    """Anything else is a failed try."""
    with pytest.raises(TransientError):
        chunk_size(line)


@given(st.binary())
@example(b"HTTP/1.1 200 OK\n X: folded onto the first line")
def test_any_head_is_understood_or_refused(data: bytes) -> None:
    """Whatever bytes a head has, it is read or refused, and nothing that could end a line is left in a header."""
    for block in (data, b"HTTP/1.1 200 OK\r\n" + data):
        try:
            head = parse_head(block + b"\r\n\r\n")
        except TransientError:
            continue
        assert 100 <= head.status <= 999
        assert head.length is None or head.length >= 0
        text = "".join(head.headers) + "".join(head.headers.values())
        assert not set(text) & set("\r\n\0\x1b")


@pytest.mark.parametrize("data", [b"a\r\n\r\n", b"a\n\n", b"a\r\n\n", b"a\n\r\n"])
def test_the_end_of_a_head(data: bytes) -> None:
    """A head ends with an empty line, also where lines end without a carriage return."""
    match = HEAD_END.search(data + b"body")
    assert match
    assert match.end() == len(data)
