"""The command line from outside: what is accepted, what comes out where, and how it ends."""

import json
import os
import re
import shlex
import threading
import time
from pathlib import Path

import pytest

from ninepic_cli import __version__
from ninepic_cli.sandbox import Fault, World
from ninepic_cli.sandbox.data import OTHER_REQUEST_ID, REQUEST_ID
from tests.support.command import Ninepic, Result, Start
from tests.support.files import files_in

NOWHERE = {"NINEPIC_API_KEY": "9pk_0123456789", "NINEPIC_ORG_ID": "1", "NINEPIC_BASE_URL": "http://127.0.0.1:9"}
STATUS = ["code", "error"]
STORED = ["filename", "path", "bytes", "md5", "attempts", "seconds"]
COUNTS = ["downloaded", "skipped", "failed", "missing", "identifiers_missing", "identifiers_failed", "bytes"]
PHOTO_KEYS = {"type", "status", "image_id", "identifier", *STORED, *STATUS}
IDENTIFIER_KEYS = {"type", "identifier", "status", "found", *STATUS}
SUMMARY_KEYS = {"type", *COUNTS, "seconds", "exit_code", *STATUS}


def small(photos: int = 14) -> World:
    """A world whose photos cost next to nothing."""
    return World.generate(photos=photos, size=4000)


def said(result: Result) -> list[str]:
    """What was said to people, line by line."""
    return result.err.splitlines()


class TestUsage:
    """Calls that have to be corrected."""

    def test_a_missing_key_is_not_a_usage_error(self, ninepic: Ninepic) -> None:
        """Without a key the run ends with exit 3, a summary, and how to set it up; nothing is made."""
        ninepic.use({**NOWHERE, "NINEPIC_API_KEY": " "})
        result = ninepic("bib", "7", "--event", "3", "-o", "out", "--json")
        assert result.status == 3
        assert "NINEPIC_API_KEY" in result.err
        assert "ninepic config init" in result.err
        assert result.json[-1] == {
            **dict.fromkeys(COUNTS, 0),
            "type": "summary",
            "identifiers_failed": 1,
            "exit_code": 3,
            "seconds": result.json[-1]["seconds"],
            "code": "not_allowed",
            "error": result.json[-1]["error"],
        }
        assert result.json[-1]["error"] in result.err
        assert list(files_in(ninepic.home)) == []

    def test_an_identifier_behind_two_dashes_is_taken_as_it_is(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path
    ) -> None:
        """A bib that starts with a dash can be asked for in the way that the error names."""
        world = small()
        world.bibs["-123"] = world.bibs["7"]
        sandbox(world)
        result = ninepic("bib", "-o", tmp_path / "out", "--", "-123")
        assert (result.status, len(files_in(tmp_path / "out"))) == (0, 1), result.err


class TestFromFile:
    """Identifiers from a file, a FIFO or standard input."""

    IDS = b"\xef\xbb\xbf# runners\r\n  7  \r\n\r\n0042\r7\r\n   # not this one\r\n A/12"

    @pytest.mark.parametrize(
        "data", [IDS, IDS.decode("utf-8-sig").encode("utf-16"), b"7\n0042\nA/12\n0042\n"], ids=["crlf", "utf-16", "lf"]
    )
    def test_a_file_is_read_however_it_was_written(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, data: bytes
    ) -> None:
        """Byte-order marks, line ends, blanks, comments, duplicates and a missing last line end do not matter."""
        box = sandbox(small())
        (tmp_path / "ids.txt").write_bytes(data)
        result = ninepic("bib", "--from-file", tmp_path / "ids.txt", "-o", tmp_path / "out", "--dry-run", "--json")
        assert result.status == 0, result.err
        asked = [json.loads(request.body)["identifier"] for request in box.requests_to("api")]
        assert asked == ["7", "0042", "A/12"]

    def test_standard_input_and_a_fifo_are_files_too(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """`-` reads standard input, a FIFO is read like a file, and both come behind the command line."""
        box = sandbox(small())
        first = ninepic("bib", "0042", "--from-file", "-", "-o", tmp_path / "out", "--dry-run", given="7\r\n0042")
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(b"7\n",))
        writer.start()
        second = ninepic("bib", "0042", "--from-file", fifo, "-o", tmp_path / "out", "--dry-run")
        writer.join()
        assert (first.status, second.status, first.out) == (0, 0, second.out)
        assert [json.loads(request.body)["identifier"] for request in box.requests_to("api")] == ["0042", "7"] * 2

    def test_a_file_without_identifiers_is_nothing_to_do(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """An empty list is done at once: exit 0, and so says the summary."""
        (tmp_path / "ids.txt").write_text("# nobody\n\n")
        result = ninepic("bib", "--from-file", tmp_path / "ids.txt", "-o", tmp_path / "out", "--json")
        assert (result.status, result.err.strip()) == (0, "nothing to do")
        assert [line["type"] for line in result.json] == ["summary"]
        assert not (tmp_path / "out").exists()


class TestFirstWords:
    """What the command says before anything is asked of it."""

    def test_alone_it_shows_the_next_steps(self, ninepic: Ninepic) -> None:
        """Without arguments it says what it is and what to do next, and that is no error."""
        result = ninepic()
        assert (result.status, result.err) == (0, "")
        for step in ("demo", "config init", "bib", "--help"):
            assert f"  {shlex.join(ninepic.command)} {step}" in result.out

    @pytest.mark.parametrize("args", [["-h"], ["--help"], ["bib", "-h"], ["images", "--help"], ["config", "--help"]])
    def test_help_is_data(self, ninepic: Ninepic, args: list[str]) -> None:
        """Help that was asked for goes to standard output, in plain text."""
        result = ninepic(*args, COLUMNS="80", FORCE_COLOR="1")
        assert (result.status, result.err) == (0, "")
        assert "\nUsage: ninepic" in result.out
        assert "\x1b" not in result.out

    @pytest.mark.parametrize("args", [["-V"], ["--version"], ["--version", "bib"]])
    def test_the_version_is_data(self, ninepic: Ninepic, args: list[str]) -> None:
        """The version goes to standard output."""
        assert ninepic(*args) == Result(0, f"ninepic {__version__}\n", "")

    @pytest.mark.parametrize("args", [["--version"], ["--help"], ["bib", "--help"], [], ["bib", "--nonsense"]])
    def test_the_http_library_is_not_loaded_for_it(self, ninepic: Ninepic, args: list[str]) -> None:
        """Help, version and usage errors do not wait for what only a download needs."""
        done = _imports(ninepic, args)
        assert "ninepic_cli" in done
        assert [name for name in ("httpx", "httpcore", "pydantic", "rich", "ninepic_cli.sandbox") if name in done] == []

    @pytest.mark.parametrize("args", [["config", "list"], ["bib", "1234", "--dry-run"]])
    def test_settings_are_read_without_what_writes_them(self, ninepic: Ninepic, args: list[str]) -> None:
        """Only a command that changes the settings file loads the library that keeps its comments."""
        assert "ninepic_cli.config.file" in (done := _imports(ninepic, args))
        assert "tomlkit" not in done

    def test_the_version_loads_next_to_nothing(self, ninepic: Ninepic) -> None:
        """The version is known before the command-line library is."""
        assert [
            name
            for name in ("typer", "rich", "pydantic", "json", "signal", "traceback")
            if name in _imports(ninepic, ["--version"])
        ] == []


def _imports(ninepic: Ninepic, args: list[str]) -> set[str]:
    """The modules that a call imports."""
    python, *rest = ninepic.command
    result = ninepic.by(python, "-X", "importtime", *rest)(*args)
    return {line.rpartition("|")[2].strip() for line in result.err.splitlines() if line.startswith("import time:")}


class TestAsWritten:
    """The calls that people copy."""

    def test_a_face_search_with_everything_on_the_command_line(self, ninepic: Ninepic, sandbox: Start) -> None:
        """`ninepic selfie <request_id> --event 456 -o ./photos` fetches the search's photos."""
        world = small()
        sandbox(world)
        result = ninepic("selfie", OTHER_REQUEST_ID, "--event", "456", "-o", "./photos", NINEPIC_EVENT_ID="")
        assert (result.status, result.out) == (0, ""), result.err
        photos = ninepic.home / "photos"
        assert list(files_in(photos)) == sorted(f"{each}.jpg" for each in world.searches[OTHER_REQUEST_ID])
        assert "12 downloaded" in said(result)[-1]
        assert said(result)[-1].endswith(f" -> {photos}")
        assert len(said(result)) == 1

    def test_a_list_with_the_event_from_elsewhere(self, ninepic: Ninepic, sandbox: Start) -> None:
        """`ninepic images --from-file ids.txt` takes the event from the environment, else from the settings file."""
        world = small()
        box = sandbox(world)
        (ninepic.home / "ids.txt").write_text("\n".join(world.photos))
        assert ninepic("images", "--from-file", "ids.txt").status == 0
        assert list(files_in(ninepic.home)) == sorted([*(f"{each}.jpg" for each in world.photos), "ids.txt"])

        del ninepic.environment["NINEPIC_EVENT_ID"]
        assert ninepic("config", "set", "event-id", "456").status == 0
        assert ninepic("images", "--from-file", "ids.txt").status == 0
        assert {request.path for request in box.requests_to("api")} == {"/api/v1/ext/123/event/456/original-photos"}

    def test_nothing_but_home_and_path_is_needed(self, ninepic: Ninepic, sandbox: Start) -> None:
        """With a settings file made by the command, an empty environment will do, as under cron."""
        world = small()
        box = sandbox(world)
        for name in list(box.environment):
            del ninepic.environment[name]
        assert set(ninepic.environment) == {"HOME", "PATH"}
        assert ninepic("config", "set", "api-key", given=f"{world.api_key}\n").status == 0
        for name, value in {"org-id": "123", "event-id": "456", "base-url": box.base_url, "output": "~/race"}.items():
            assert ninepic("config", "set", name, value).status == 0
        result = ninepic("bib", "0042")
        assert result.status == 0, result.err
        assert list(files_in(ninepic.home / "race")) == sorted(f"{each}.jpg" for each in world.bibs["0042"])
        assert not any(world.api_key in str(vars_) for vars_ in (result.out, result.err))

    def test_the_option_wins_over_environment_and_file(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Event, organisation and folder: option before environment before settings file."""
        sandbox(small())
        settings = tmp_path / "settings.toml"
        right = {"org": "123", "event": "456"}
        for source in ("file", "variable", "option"):
            wrong = {"org": "9", "event": "9", "output": str(tmp_path / "wrong")}
            good = {**right, "output": str(tmp_path / f"from-{source}")}
            given = good if source == "file" else wrong
            settings.write_text("org_id = {org}\nevent_id = {event}\noutput = '{output}'\n".format_map(given))
            settings.chmod(0o600)
            given = {"file": dict.fromkeys(wrong, ""), "variable": good, "option": wrong}[source]
            environment = {"ORG_ID": given["org"], "EVENT_ID": given["event"], "OUTPUT": given["output"]}
            ninepic.use({f"NINEPIC_{name}": value for name, value in environment.items()})
            options = [f"--{name}={value}" for name, value in good.items()] if source == "option" else []
            result = ninepic("bib", "7", "--config", settings, *options)
            assert (result.status, len(files_in(tmp_path / f"from-{source}"))) == (0, 1), result.err
        assert not (tmp_path / "wrong").exists()


class TestOutput:
    """What is written where."""

    def test_a_dry_run_prints_paths_and_changes_nothing(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Each photo that would be fetched is one line; the store is not asked, and nothing is written."""
        world = small()
        ids = world.bibs["12 B"]
        box = sandbox(world)
        left = tmp_path / "left.txt"
        result = ninepic("bib", "12 B", "-o", "photos", "--dry-run", "--failed-to", left)
        assert result.status == 0, result.err
        assert result.out.splitlines() == [f"photos/{each}.jpg" for each in ids]
        assert said(result)[-1].startswith("dry run: 8 would be downloaded")
        assert (list(files_in(ninepic.home)), left.exists(), (ninepic.home / "photos").exists()) == ([], False, False)

        (ninepic.home / "photos").mkdir()
        (ninepic.home / "photos" / f"{ids[0]}.jpg").write_bytes(world.photo_bytes(ids[0]))
        result = ninepic("bib", "12 B", "-o", "photos", "--dry-run", "--json")
        assert [line["image_id"] for line in result.photos("listed")] == ids[1:]
        assert [line["image_id"] for line in result.photos("skipped")] == ids[:1]
        assert list(files_in(ninepic.home)) == [f"photos/{ids[0]}.jpg"]
        assert box.requests_to("store") == []

    def test_json_lines_have_these_keys(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Photo, identifier and summary lines say all that was promised, and nothing else is on standard output."""
        world = small()
        ids = world.bibs["12 B"]
        world.photos[ids[1]].has_original = False
        world.photos[ids[2]].has_object = False
        sandbox(world, faults=[Fault(path=ids[3], status=403), Fault(path=ids[4], status=410)])
        result = ninepic("bib", "12 B", "nobody", "-o", tmp_path / "out", "--json")
        assert result.status == 5, result.err
        photos = {line["image_id"]: line for line in result.json if line["type"] == "photo"}
        assert {frozenset(line) for line in photos.values()} == {frozenset(PHOTO_KEYS)}
        good = tmp_path / "out" / f"{ids[0]}.jpg"
        assert photos[ids[0]] | {"seconds": 0} == {
            "type": "photo",
            "status": "downloaded",
            "image_id": ids[0],
            "identifier": "12 B",
            "filename": good.name,
            "path": str(good),
            "bytes": 4000,
            "md5": world.md5(world.photos[ids[0]]),
            "attempts": 1,
            "seconds": 0,
            "code": None,
            "error": None,
        }
        assert [(photos[each]["status"], photos[each]["code"], photos[each]["attempts"]) for each in ids[1:5]] == [
            ("missing", "not_found", 0),
            ("missing", "not_found", 1),
            ("failed", "forbidden", 1),
            ("failed", "http_410", 1),
        ]
        identifiers = {line["identifier"]: line for line in result.json if line["type"] == "identifier"}
        assert {frozenset(line) for line in identifiers.values()} == {frozenset(IDENTIFIER_KEYS)}
        assert {name: (line["status"], line["found"]) for name, line in identifiers.items()} == {
            "12 B": ("failed", 8),
            "nobody": ("missing", 0),
        }
        assert identifiers["12 B"]["code"] in {"forbidden", "http_410"}
        assert identifiers["nobody"]["code"] == "not_found"
        *_, last = result.json
        assert (last["type"], set(last)) == ("summary", SUMMARY_KEYS)
        assert [line["type"] for line in result.json].count("summary") == 1
        assert {name: last[name] for name in SUMMARY_KEYS - {"seconds", "type"}} == {
            "downloaded": 4,
            "skipped": 0,
            "failed": 2,
            "missing": 2,
            "identifiers_missing": 1,
            "identifiers_failed": 1,
            "bytes": 16_000,
            "exit_code": 5,
            "code": None,
            "error": None,
        }

    def test_the_identifier_of_a_listed_photo_is_its_id(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """For `image` and `images` there are no identifier lines, and a photo's identifier is the id asked for."""
        world = small(3)
        ids = list(world.photos)
        sandbox(world)
        for args in (["image", ids[0]], ["images", *ids, "unknown"]):
            result = ninepic(*args, "-o", tmp_path / "out", "--json")
            assert [line["type"] for line in result.json] == ["photo"] * (len(args) - 1) + ["summary"]
            assert {line["image_id"] for line in result.json[:-1]} == set(args[1:])
            assert all(line["identifier"] == line["image_id"] for line in result.json[:-1])

    def test_the_summary_comes_also_when_nobody_answers(self, ninepic: Ninepic, tmp_path: Path) -> None:
        """A service that cannot be reached is exit 6, with a summary line, and a reason for people."""
        ninepic.use({**NOWHERE, "NINEPIC_EVENT_ID": "3"})
        result = ninepic("bib", "7", "-o", tmp_path / "out", "--json", "--retries", "1")
        assert result.status == 6, result.err
        assert (result.json[-1]["type"], result.json[-1]["exit_code"]) == ("summary", 6)
        assert "connection" in result.err
        assert not (tmp_path / "out").exists()

    def test_failures_are_the_last_lines(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """Behind the summary stand the first twenty failures by id with the reason, then how many more there are."""
        world = small(40)
        ids = sorted(world.photos)
        box = sandbox(world, faults=[Fault(path=each, status=403) for each in ids[:2]])
        result = ninepic("bib", "1234", "-o", tmp_path / "out")
        summary, *failures = said(result)
        assert (result.status, "38 downloaded" in summary, "2 failed" in summary) == (5, True, True)
        assert [line.split(": ")[1] for line in failures] == ids[:2]
        assert all("403" in line for line in failures)

        box.faults = [Fault(status=403)]
        result = ninepic("bib", "1234", "-o", tmp_path / "other")
        _, *failures, last = said(result)
        assert [line.split(": ")[1] for line in failures] == ids[:20]
        assert last == "and 20 more"

    def test_quiet_is_silent_unless_something_failed(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """`-q` says nothing of success, nor of what is not there to be had, and tells of failures."""
        world = small()
        box = sandbox(world)
        assert ninepic("bib", "0042", "-q", "-o", tmp_path / "out") == Result(0, "", "")
        assert ninepic("bib", "nobody", "-q", "-o", tmp_path / "out") == Result(4, "", "")
        box.faults = [Fault(path=world.bibs["7"][0], status=403)]
        result = ninepic("bib", "7", "-q", "-o", tmp_path / "out")
        assert (result.status, world.bibs["7"][0] in said(result)[-1]) == (5, True)
        assert "config init" in ninepic("bib", "7", "-q", NINEPIC_API_KEY="").err

    def test_verbose_tells_of_each_request(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """`-v` gives a line for every request, with Cloudflare's name for it and without any secret."""
        world = small()
        ids = world.bibs["0042"]
        sandbox(world, faults=[Fault(path=ids[0], status=500, nth=1), Fault(path=ids[1], status=403)])
        result = ninepic("bib", "0042", "-v", "-o", tmp_path / "out", NINEPIC_DEBUG="1")
        told = [line[21:] for line in said(result) if re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line)]
        answers = [line for line in told if re.match(r"\d{3} attempt \d+ ", line)]
        assert [line[:3] for line in answers if "bib 0042" in line] == ["200"]
        assert sorted(line[:13] for line in answers if ids[0] in line) == ["200 attempt 2", "500 attempt 1"]
        assert [line[:13] for line in answers if ids[1] in line] == ["403 attempt 1"]
        assert all(re.search(r"ray [0-9a-f]{16}-FRA", line) for line in answers if "photo" in line)
        assert any("attempt 1 failed (HTTP 500), retrying in" in line for line in told)
        assert [word for word in ("X-Amz", "Signature", world.api_key, "http://") if word in result.err] == []

    @pytest.mark.parametrize("flags", [[], ["--json"], ["-v"]])
    def test_no_codes_reach_a_file(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, flags: list[str]) -> None:
        """Whatever the environment says of colours, a pipe gets text, few lines and no bars."""
        sandbox(small())
        ninepic.use({"FORCE_COLOR": "1", "CI": "true", "GITHUB_ACTIONS": "true", "COLUMNS": "20", "TERM": "xterm"})
        result = ninepic("bib", "0042", "-o", tmp_path / "out", *flags)
        assert (result.status, "\x1b" in result.err + result.out, "\r" in result.err) == (0, False, False)
        assert flags == ["-v"] or len(said(result)) == 1
        assert "--json" in flags or result.out == ""

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_a_stream_that_knows_few_characters_is_no_obstacle(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, encoding: str
    ) -> None:
        """On an ASCII or cp1252 stream everything is said, and JSON stays UTF-8."""
        world = small(1)
        name = "写真-é\u202e.jpg"
        world.photos[world.bibs["7"][0]].filename = name
        sandbox(world, faults=[Fault(status=403)])
        python = {"PYTHONIOENCODING": f"{encoding}:strict", "PYTHONUTF8": "0"}
        for flags in (["-v"], ["--json"]):
            process = ninepic.start(
                *("bib", "7", "Läufer", "-o", tmp_path / "ausgäbe", *flags),
                env=ninepic.environment | python,
                text=False,
            )
            out, raw = process.communicate(timeout=60)
            err = raw.decode(encoding)
            assert (process.returncode, "Traceback" in err) == (5, False), err
            assert f"ausg{'ä' if encoding == 'cp1252' else ''}" in err, err
        lines = [json.loads(line) for line in out.decode("utf-8").splitlines()]
        path = tmp_path / "ausgäbe" / f"写真-é-{world.bibs['7'][0]}.jpg"
        assert [line["path"] for line in lines if line["type"] == "photo"] == [str(path)]


class TestStreams:
    """Standard streams that are closed or go away."""

    def test_a_reader_that_goes_away_costs_the_output_only(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path
    ) -> None:
        """`--json | head -1` leaves all photos on disk, and no traceback."""
        world = small(30)
        sandbox(world)
        result = ninepic.in_shell(
            'ninepic bib 1234 -o "$OUT" --json -j 2 | head -1; exit ${PIPESTATUS[0]}',
            by="bash",
            OUT=str(tmp_path / "out"),
        )
        assert (result.status, "Traceback" in result.err) == (0, False), result.err
        assert json.loads(result.out)["type"] == "photo"
        assert len(files_in(tmp_path / "out")) == 30
        assert "30 downloaded" in result.err

    def test_a_dry_run_ends_with_its_reader(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """`--dry-run | head -1` stops asking for pages, and is no error."""
        box = sandbox(small(600), latency_s=0.1)
        result = ninepic.in_shell(
            'ninepic bib 1234 -o "$OUT" --dry-run | head -1; exit ${PIPESTATUS[0]}',
            by="bash",
            OUT=str(tmp_path / "out"),
        )
        assert (result.status, "Traceback" in result.err) == (0, False), result.err
        assert result.out.startswith(str(tmp_path / "out"))
        assert len(box.requests_to("api")) < 10

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    @pytest.mark.parametrize("flags", ["", "--json -v"])
    def test_closed_streams_do_no_harm(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, closed: str, flags: str
    ) -> None:
        """A run without standard input, output or error downloads all the same, and its photos are whole."""
        world = small(4)
        sandbox(world)
        result = ninepic.in_shell(f'ninepic bib 1234 -o "$OUT" {flags} {closed}', OUT=str(tmp_path / "out"))
        assert (result.status, "Traceback" in result.err) == (0, False), result.err
        found = {path.stem: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert found == {each: world.photo_bytes(each) for each in world.photos}

    @pytest.mark.parametrize("call", ["", "--version", "--help", "config path", "bib --from-file /dev/null --event 3"])
    def test_short_answers_need_no_streams(self, ninepic: Ninepic, call: str) -> None:
        """With closed streams, or a reader that is gone already, the short answers end well and in silence."""
        for streams in ("<&- >&- 2>&-", "<&- >&-"):
            result = ninepic.in_shell(f"ninepic {call} {streams}")
            assert (result.status, result.out) == (0, "")
            assert result.err in {"", "nothing to do\n"}
        reading, writing = os.pipe()
        os.close(reading)
        process = ninepic.start(*call.split(), stdout=writing)
        os.close(writing)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "nothing to do\n" if "bib" in call else "")

    @pytest.mark.parametrize("call", ["", "--version", "--help", "config path"])
    def test_a_full_disk_is_not_a_bug(self, ninepic: Ninepic, call: str) -> None:
        """Standard output that takes nothing is this machine's trouble: exit 7 and a reason."""
        result = ninepic.in_shell(f"ninepic {call} > /dev/full")
        assert (result.status, "no space left" in result.err) == (7, True), result.err
        assert [word for word in ("Traceback", "Exception ignored", "internal error") if word in result.err] == []

    @pytest.mark.parametrize("flag", ["--json", "--dry-run"])
    def test_data_that_cannot_be_written_is_not_a_success(
        self, ninepic: Ninepic, sandbox: Start, tmp_path: Path, flag: str
    ) -> None:
        """Where the file for the data is cut short by a full disk, the photos come and the exit status is 7."""
        sandbox(small(4))
        result = ninepic.in_shell(f'ninepic bib 1234 -o "$OUT" {flag} > /dev/full', OUT=str(tmp_path / "out"))
        assert (result.status, "no space left" in result.err) == (7, True), result.err
        assert len(files_in(tmp_path / "out")) == (4 if flag == "--json" else 0)

    def test_json_lines_come_as_they_happen(self, ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
        """A reader has a photo's line while the others are still on their way."""
        world = small(3)
        sandbox(world, faults=[Fault(path=list(world.photos)[2], delay_s=3)])
        process = ninepic.start("bib", "1234", "-o", tmp_path / "out", "--json")
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        at = time.monotonic()
        rest = [json.loads(line) for line in process.communicate(timeout=30)[0].splitlines()]
        assert (first["type"], rest[-1]["type"], process.returncode) == ("photo", "summary", 0)
        assert time.monotonic() - at > 1.5


def test_a_face_search_of_several_pages_arrives(ninepic: Ninepic, sandbox: Start, tmp_path: Path) -> None:
    """More photos than a page holds arrive all, also where answers come without the envelope."""
    world = small(130)
    sandbox(world, flat=True)
    result = ninepic("selfie", REQUEST_ID, "-o", tmp_path / "out", "-j", "16")
    assert (result.status, len(files_in(tmp_path / "out"))) == (0, 130), result.err


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1" + "0" * 5000, "-1" + "0" * 400], ids=len)
@pytest.mark.parametrize("command", ["bib 7 --retries", "sandbox --photos", "sandbox --port"])
def test_a_number_without_end(ninepic: Ninepic, command: str, number: str) -> None:
    """A number with more digits than any option takes is a usage error."""
    result = ninepic(*command.split(), number, timeout=20)
    assert (result.status, "ninepic: error: " in result.err) == (2, True), result.err[-300:]
