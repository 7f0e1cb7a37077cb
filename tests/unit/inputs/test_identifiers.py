"""What is asked for: queries and their batches, identifiers from the command line and from files."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ninepic_cli.errors import UsageError
from ninepic_cli.filesystem.filenames import photo_name
from ninepic_cli.inputs import identifiers as lists
from ninepic_cli.inputs.identifiers import Source, image_id, read_identifiers

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="the file that nobody can read is Linux's")


def from_bytes(data: bytes, *arguments: str) -> list[str]:
    """The identifiers of the arguments and of standard input with these bytes."""
    return read_identifiers(arguments, Source("-"), stdin=io.BytesIO(data)).identifiers


def from_arguments(*arguments: str) -> list[str]:
    """The identifiers of a command line without a file."""
    return read_identifiers(arguments, Source(None), stdin=io.BytesIO(b"never read")).identifiers


class TestArguments:
    """Identifiers on the command line."""

    def test_they_are_trimmed_and_doubles_dropped(self) -> None:
        """Spaces around an identifier go, and of exact duplicates the first place is kept."""
        assert from_arguments(" 7 ", "12", "7", "A7", "a7") == ["7", "12", "A7", "a7"]

    @pytest.mark.parametrize("bib", ["A-12", "007", "12 34", "M/40-12", "12,34", "a;b", "№5", "१२३", "क्\u200dष"])
    def test_a_bib_may_be_nearly_anything(self, bib: str) -> None:
        """Letters, leading zeros, spaces, slashes, commas and other scripts stay as they are typed."""
        assert from_arguments(bib) == [bib]

    @pytest.mark.parametrize("text", ["", " ", "\t\n"])
    def test_an_empty_one_is_an_error(self, text: str) -> None:
        """An argument without content (an unset variable) is refused instead of ignored."""
        with pytest.raises(UsageError, match=r"^empty identifier"):
            from_arguments("12", text)

    @pytest.mark.parametrize("text", ["1\x002", "1\x1b[31m2", "1\n2", "1\t2", "1\udcff2", "1\u20282"])
    def test_a_control_character_is_an_error_shown_escaped(self, text: str) -> None:
        """Control characters and bytes that are no text are refused, and never reach the terminal."""
        with pytest.raises(UsageError, match="control character") as caught:
            from_arguments(text)
        assert caught.value.message.isprintable()

    def test_neither_arguments_nor_a_file_is_an_error(self) -> None:
        """With nothing asked for, the error names both ways to ask."""
        with pytest.raises(UsageError) as caught:
            from_arguments()
        assert "command line" in str(caught.value.hint)
        assert "--from-file" in str(caught.value.hint)


class TestFileContents:
    """What a file of identifiers may look like."""

    @pytest.mark.parametrize(
        "data",
        [
            b"12\n34\n56\n",
            b"12\n34\n56",
            b"12\r\n34\r\n56\r\n",
            b"12\r34\r56\r",
            b"12\r\n34\n56\r",
            b"\xef\xbb\xbf12\n34\n56\n",
            b"\xef\xbb\xbf12\n\xef\xbb\xbf34\n56\n",
            b"  12\t\n\n \t \n34  \n\n\n56",
            b"# bibs, of 2026; all\n12\n  # more\n34\n#\n56",
            b"12\n12\n34\n12\n56\n34\n",
            "12\n34\n56\n".encode("utf-16"),
            "12\r\n34\r\n56\r\n".encode("utf-16"),
            b"\xfe\xff" + "12\n34\n56".encode("utf-16-be"),
        ],
    )
    def test_encodings_line_ends_blanks_comments_and_doubles(self, data: bytes) -> None:
        """Byte-order marks, any line end, spaces, blank lines, comments and duplicates make no difference."""
        assert from_bytes(data) == ["12", "34", "56"]

    @pytest.mark.parametrize("data", [b"", b"\n", b"# none\n", b"\xef\xbb\xbf", b"\xff\xfe", b" \t\r\n"])
    def test_nothing_inside_is_no_error(self, data: bytes) -> None:
        """A file without identifiers yields none."""
        assert from_bytes(data) == []

    def test_arguments_come_first(self) -> None:
        """The file's identifiers follow those of the command line, duplicates across both dropped."""
        assert from_bytes(b"1\n2\n3\n", "3", "4") == ["3", "4", "1", "2"]

    def test_letters_of_any_script_are_kept(self) -> None:
        """What UTF-8 says is taken as it is, form feeds and the like at the ends excepted."""
        assert from_bytes("ä 12\x0c\nA/7\n१२\n".encode()) == ["ä 12", "A/7", "१२"]

    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (b"12,Ann\n", 1),
            (b"# bib;name\n\n12;Ann\n", 3),
            (b"12\r\n34\r\n5\t6\r\n", 3),
            (b"12\r34,5\r", 2),
            ("12\n34,Ann\n".encode("utf-16"), 2),
        ],
    )
    def test_a_table_is_an_error_with_its_line(self, data: bytes, line: int) -> None:
        """A comma, semicolon or tab inside a line means a CSV, and the error says where."""
        with pytest.raises(UsageError, match=f"^standard input, line {line}: .* looks like a row of a table"):
            from_bytes(data)

    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (b"12\n34\n\xff\n", 3),
            (b"12\r\n\xc3\n", 2),
            (b"12\n3\x004\n", 2),
            ("12\n34\n".encode("utf-32"), 1),
            (b"\xff\xfe1\x002\x00\n\x00\x00\xd8", 2),
            (b"\xff\xfe1\x00\n\x002", 2),
        ],
    )
    def test_what_is_not_text_is_an_error_with_its_line(self, data: bytes, line: int) -> None:
        """Bytes that are no text, NUL included, are refused, and the error says where they are."""
        with pytest.raises(UsageError, match=f"^standard input, line {line}: not (valid UTF-(8|16)|a text file)"):
            from_bytes(data)

    def test_control_characters_are_an_error_shown_escaped(self) -> None:
        """An escape sequence inside a line is refused, and never reaches the terminal."""
        with pytest.raises(UsageError, match=r"line 2: .*control character") as caught:
            from_bytes(b"12\n3\x1b[2J4\n")
        assert caught.value.message.isprintable()

    def test_a_long_line_is_an_error_that_does_not_show_it(self) -> None:
        """A line longer than any identifier is refused without repeating it."""
        with pytest.raises(UsageError, match="line 2: longer than") as caught:
            from_bytes(b"12\n" + b"x" * 1001)
        assert "xxx" not in caught.value.message

    def test_long_content_is_cut_in_the_message(self) -> None:
        """The message shows about sixty characters of the offending line."""
        with pytest.raises(UsageError) as caught:
            from_bytes(b"a," * 200)
        assert len(caught.value.message) < 140

    def test_an_endless_source_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No more than the limit is read of a source that is too large to be a list."""
        monkeypatch.setattr(lists, "FILE_LIMIT", 1000)
        with pytest.raises(UsageError, match="larger than 64 MiB"):
            read_identifiers([], Source("/dev/zero"), stdin=io.BytesIO())

    @example(b"\xff\xfe\n\x00\x00")
    @example(b"\xef\xbb\xbf\xef\xbb\xbf")
    @given(st.binary() | st.text().map(str.encode) | st.text().map(lambda text: text.encode("utf-16", "ignore")))
    def test_any_bytes_end_in_a_list_or_an_error(self, data: bytes) -> None:
        """Whatever a file holds, the result is distinct clean identifiers, or an error that a terminal can take."""
        message = ""
        found: list[str] = []
        try:
            found = from_bytes(data)
        except UsageError as error:
            message = error.message
        assert not message or (message.isprintable() and len(message) < 140)
        assert len(set(found)) == len(found)
        assert all(name and name == name.strip() and not set(name) & set(",;\t\r\n\0") for name in found)

    @given(
        st.lists(st.text("abc019 -/.", min_size=1).map(str.strip).filter(bool)), st.sampled_from(["\n", "\r\n", "\r"])
    )
    def test_a_written_list_is_read_back(self, ids: list[str], line_end: str) -> None:
        """Identifiers written one a line come back in their order, whatever ends the lines."""
        assert from_bytes(line_end.join(ids).encode()) == list(dict.fromkeys(ids))


class TestFiles:
    """Where a file of identifiers may come from."""

    def test_a_file(self, tmp_path: Path) -> None:
        """The identifiers of a file on disk are read."""
        path = tmp_path / "bibs.txt"
        path.write_bytes(b"1\n2\n")
        assert read_identifiers([], Source(str(path)), stdin=io.BytesIO(b"3\n")).identifiers == ["1", "2"]

    def test_a_fifo(self, tmp_path: Path) -> None:
        """A named pipe is read to its end."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(b"1\n2\n",))
        writer.start()
        found = read_identifiers([], Source(str(fifo)), stdin=io.BytesIO()).identifiers
        writer.join()
        assert found == ["1", "2"]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("missing.txt", "^cannot read missing.txt: no such file"),
            (".", "^cannot read .: is a directory"),
            ("file/below", "^cannot read file/below: Not a directory"),
            pytest.param("/proc/self/mem", "^cannot read /proc/self/mem: Input/output error", marks=LINUX_ONLY),
            ("", "^empty --from-file"),
            ("a\0b", "^cannot read"),
            ("esc\x1b[31m", "no such file"),
        ],
    )
    def test_what_cannot_be_read_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
    ) -> None:
        """A file that is missing, a folder or unreadable is named in the error, which a terminal can take."""
        monkeypatch.chdir(tmp_path)
        Path("file").touch()
        with pytest.raises(UsageError, match=words) as caught:
            read_identifiers(["12"], Source(name), stdin=io.BytesIO())
        assert caught.value.message.isprintable()
        assert caught.value.hint

    def test_a_file_is_named_with_its_line(self, tmp_path: Path) -> None:
        """An error inside a file begins with its path and the line."""
        path = tmp_path / "bibs.csv"
        path.write_bytes(b"bib\n12,Ann\n")
        with pytest.raises(UsageError, match=f"^{path}, line 2: "):
            read_identifiers([], Source(str(path)), stdin=io.BytesIO())


ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
UPPER = ID.upper()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID, ID),
        (f"{ID}.jpg", ID),
        (f"{ID} (1).JPEG", ID),
        (f"IMG_0001-{ID}.jpg", ID),
        (f"photos/7/IMG-0001-{ID}.heic", ID),
        (f"C:\\photos\\{ID}.jpg", ID),
        (f"https://x.r2.example/b/imgs/456/large/{ID}.jpg?X-Amz-Signature=ab/cd.jpg", ID),
        (f"https://photos.example/{ID}#top", ID),
        (f"https://photos.example/a%2F{ID}%2Ejpg", ID),
        ("img-1", "img-1"),
        ("img-1.jpg", "img-1"),
        ("img-a123456789.jpg", "img-a123456789"),
        ("a/b", "a/b"),
        ("https://photos.example/", ""),
        ("https://photos.example", ""),
    ],
)
def test_an_id_is_found(text: str, found: str) -> None:
    """The id is what a file's name, a path or a link ends in; what is none of these is an id."""
    assert image_id(text) == found


@pytest.mark.parametrize("own", [ID, UPPER, "ABC", "img-1"])
@pytest.mark.parametrize("filename", ["", "IMG_0001.JPG", "Ann & Bo.jpg"])
def test_names_on_the_disk_lead_back(own: str, filename: str) -> None:
    """A name that a photo has on the disk has its id in it, unless the id has no shape to be cut out by."""
    name = photo_name(image_id=own, filename=filename, extension=".jpg")
    if not filename or own in {ID, UPPER}:
        assert image_id(name) == own
