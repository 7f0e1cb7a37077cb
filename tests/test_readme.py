"""The documents against the program: nothing that it has is left out, and their examples do what they say."""

import configparser
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZipFile

import pytest
import typer.main

import ninepic_cli
from ninepic_cli.cli.app import app
from ninepic_cli.cli.reference import Page, pages
from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.errors import ExitStatus
from ninepic_cli.inputs.filters import Shard
from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Result, completed

ROOT = Path(ninepic_cli.__file__).parent.parent
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs/reference.md").read_text()
GUIDES = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md")) if path.name != "reference.md"]
OTHERS = [(ROOT / name).read_text() for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS = "\n".join([README, *GUIDES, REFERENCE, *OTHERS])


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below one, with its whole name."""
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {word}")


COMMANDS = dict(commands(typer.main.get_command(app), "ninepic"))
OPTIONS = sorted(
    {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in parameter.opts
        if "-" in option
    }
)
VARIABLES = sorted(
    {
        name
        for path in (ROOT / "ninepic_cli").rglob("*.py")
        for name in re.findall(r"\bNINEPIC_[A-Z_]+|SSL_CERT_FILE|HTTPS_PROXY|NO_PROXY", path.read_text())
    }
    - {"NINEPIC_"}
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_it_names_every_command(name: str) -> None:
    """Each command of the program stands in the README's table; those of `config` in one row."""
    word = name.rpartition(" ")[2]
    assert re.search(rf"`{name}\b|config [a-z/]*\b{word}\b", README)


@pytest.mark.parametrize("option", OPTIONS)
def test_they_name_every_option(option: str) -> None:
    """Each option of the program stands in a document."""
    assert re.search(rf"`{option}[` =]", DOCUMENTS)


@pytest.mark.parametrize("variable", VARIABLES)
def test_they_name_every_variable(variable: str) -> None:
    """Each variable that the program reads stands in a document."""
    assert f"`{variable}" in DOCUMENTS


@pytest.mark.parametrize("setting", [setting.display_name for setting in SETTINGS.values()])
def test_they_name_every_setting(setting: str) -> None:
    """Each setting of the settings file stands in a document."""
    assert f"`{setting}`" in DOCUMENTS


@pytest.mark.parametrize("status", sorted(ExitStatus))
def test_it_names_every_exit_status(status: ExitStatus) -> None:
    """Each exit status has a row in the README."""
    assert f"\n| {int(status)} | " in README


def test_it_is_short() -> None:
    """The README is what somebody reads before the first photo."""
    assert len(README.splitlines()) <= 150


def test_it_opens_with_the_picture_of_the_bars() -> None:
    """Before its first section the README shows the bars, in words too for those who do not see them."""
    shown = re.search(r"^!\[([^\]]+)\]\(docs/bars\.svg\)$", README.partition("\n## ")[0], re.MULTILINE)
    assert shown
    assert len(shown[1].split()) > 10


def test_its_first_screen_leads_to_a_zip(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """Who types the first lines of the README, in order, has a ZIP of a runner's photos."""
    lines = re.findall(r"^    (.+)$", "\n".join(README.splitlines()[:35]), re.MULTILINE)[:4]
    assert [line.split()[0] for line in lines] == ["python3", ".venv/bin/pip", *[".venv/bin/ninepic"] * 2]
    assert lines[2].endswith(" config init")
    sandbox(World.generate(photos=3, size=40_000))
    assert ninepic(*lines[3].split()[1:]).status == 0
    assert _content(ninepic.home / lines[3].split()[-1]) == "3 photos"


def test_their_links_lead_somewhere() -> None:
    """Each link of a document to another file, or to a heading of one, leads to what is there."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", path.read_text()):
            target = (path.parent / file) if file else path
            assert target.exists(), f"{path.name}: {file}"
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if anchor else ()
            assert not anchor or anchor in {_anchor(heading) for heading in headings}, f"{path.name}: {anchor}"


def test_the_files_they_name_exist() -> None:
    """Each file and folder that CONTRIBUTING names is there, from the root or from the package."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    names = re.findall(r"(?<![\w/.])(?:\w+/)+(?:\w+\.py)?(?![\w/])", text)
    assert len(names) > 30
    assert [name for name in names if not _is_there(name)] == []


def _is_there(name: str) -> bool:
    return "PACKAGE" in name or (ROOT / name).exists() or (ROOT / "ninepic_cli" / name).exists()


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


BLOCKS = [block for text in (README, *GUIDES) for block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)]
SHELL = [text for language, text in BLOCKS if language == "sh"]
PLAN = next(text for language, text in BLOCKS if language == "json")


class Reader:
    """Somebody who does what the documents say, in a folder of their own, where the service is the sandbox."""

    def __init__(self, ninepic: Ninepic, box: Sandbox) -> None:
        self.home = ninepic.home
        self.environment = {**ninepic.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        ids = list(box.world.photos)
        for name, text in {
            "bibs.txt": "7\n0042\n",
            "ids.txt": "\n".join(ids[:5]),
            "again.txt": "\n".join(ids[:5]),
            "key.txt": "9pic-sandbox-key\n",
            "start.csv": "bib,name\n7,Ann\n0042,Bo Li\n",
            "plan.json": PLAN,
        }.items():
            (self.home / name).write_text(text)

    def does(self, script: str, timeout_s: float = 120, **environment: str) -> Result:
        """Run lines of shell in which no sleep is long."""
        return completed(
            ["bash", "-c", f"sleep() {{ command sleep 0.2; }}\n{script}"],
            cwd=self.home,
            env={**self.environment, **environment},
            given="9pic-sandbox-key\n",
            timeout=timeout_s,
        )

    def photos(self) -> int:
        """How many photos are somewhere below the folders of the examples."""
        return sum(path.is_file() for folder in ("photos", "archive") for path in (self.home / folder).rglob("*"))


@pytest.fixture
def reader(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> Reader:
    """Somebody with a sandbox in which one photo cannot be had at once."""
    world = World.generate(photos=47, size=40_000)
    return Reader(ninepic, sandbox(world, faults=[Fault(path=list(world.photos)[2], nth=1, status=400)]))


class Effect(NamedTuple):
    """What an example is there for: words of it, how many photos, what it leaves in which file, what it prints."""

    words: str
    photos: int
    file: str = ""
    text: str = ""
    status: int = 0
    out: str = ""


EFFECTS = [
    Effect("ninepic config set", 46, ".config/ninepic/config.toml", "event_id = 456", status=5),
    Effect("start.csv", 3, status=5),
    Effect("md5sum --quiet", 47, "bad.txt", ".jpg"),  # a file of them is the list of checksums
    Effect("ninepic all --spread", 46, "again.txt", "-", status=5),
    Effect("ninepic images --from-file again.txt --spread", 4, "again.txt", "-", status=5),
    Effect("ninepic all --dry-run", 0, out="47"),
    Effect("run.jsonl", 4, "run.jsonl", "http_400", status=1),
    Effect("case $?", 3, "again.txt", "0042"),
    Effect("for pause", 5, "again.txt"),
    Effect("--log-file ninepic.log", 47, "ninepic.log", "46 downloaded"),
    Effect("ninepic all --event 456", 46, status=5),
    Effect("requests.log", 200, "requests.log", '"status": 206'),
    Effect("sandbox", 47),
]


def _effect(script: str) -> Effect:
    return next(effect for effect in EFFECTS if effect.words in script)


def _content(path: Path) -> str:
    if path.suffix != ".zip":
        return path.read_text()
    with ZipFile(path) as archive:
        return f"{len(archive.namelist())} photos"


@pytest.mark.parametrize("script", SHELL, ids=[_effect(text).words for text in SHELL])
def test_their_examples_work(reader: Reader, script: str) -> None:
    """Each example in shell, as it stands there, does what it is there for."""
    result, effect = reader.does(script), _effect(script)
    assert (result.status, reader.photos()) == (effect.status, effect.photos), result.err
    assert effect.out in result.out
    if effect.file:
        text = _content(reader.home / effect.file)
        assert effect.text in text if effect.text else text == ""
    if "paths.txt" in script:
        assert all((reader.home / path).is_file() for path in (reader.home / "paths.txt").read_text().splitlines())


PAGES = list(pages(typer.main.get_command(app)))


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_examples_of_man_pages_work(ninepic: Ninepic, sandbox: Callable[..., Sandbox], page: Page) -> None:
    """Each example of a man page can be run as it stands there; of some identifiers the sandbox has nothing (4)."""
    reader = Reader(ninepic, sandbox(World.generate(photos=20, size=40_000)))
    (reader.home / ".config/fish/completions").mkdir(parents=True)
    for example in page.examples:
        for left in ("photos", ".config/ninepic"):
            shutil.rmtree(reader.home / left, ignore_errors=True)
        settings = ["event-id 456"] + ["api-key < key.txt"] * ("config get" in page.name)
        assert reader.does("\n".join(f"ninepic config set {each}" for each in settings)).status == 0
        script = "\n".join(example.lines)
        if "config" in script and "init" in script:
            assert "terminal" in reader.does(script).err
        elif "sandbox.env" in script:
            reader.does(f"{UNTIL_SERVED}\n{script}\nkill %1")
            assert reader.photos() == 47
        elif "ninepic sandbox" in script:
            assert reader.does(script.replace("ninepic", "timeout -s TERM 3 ninepic")).out.count("export ") == 4
        else:
            result = reader.does(script)
            assert result.status in {ExitStatus.OK, ExitStatus.MISSING}, result.err


UNTIL_SERVED = "sleep() { until [ -s sandbox.env ]; do command sleep 0.1; done; }"


def test_they_name_every_field_of_json(reader: Reader) -> None:
    """Each field of a JSON line, and of the sandbox's log, stands in the reference."""
    result = reader.does("ninepic events --json; ninepic event --json; ninepic bib 1234 --json -o photos")
    assert {line["type"] for line in result.json} == {"event", "photo", "identifier", "summary"}
    script = next(text for text in SHELL if "requests.log" in text)
    reader.does(script)
    log = [json.loads(line) for line in (reader.home / "requests.log").read_text().splitlines()]
    assert log
    names = {name for line in [*result.json, *log] for name in line}
    assert {name for name in names if not re.search(rf"^- .*`{name}`.*: ", REFERENCE, re.MULTILINE)} == set()


@pytest.mark.parametrize("script", [text for text in SHELL if "ninepic sandbox" in text])
def test_their_examples_end_with_the_sandbox(reader: Reader, script: str) -> None:
    """Where the sandbox refuses to start, an example ends, and asks no other service for photos."""
    result = reader.does(script.replace("ninepic sandbox", "ninepic sandbox --port nowhere"), 20)
    assert "error: invalid --port" in result.err
    assert reader.photos() == 0


def _scheduled() -> list[str]:
    """The commands that cron and systemd are given."""
    (cron,) = {text.split(maxsplit=5)[5].strip() for language, text in BLOCKS if language == "crontab"}
    text = next(text for language, text in BLOCKS if language == "ini")
    units = {}
    for part in re.split(r"^# /etc/systemd/system/", text, flags=re.MULTILINE)[1:]:
        name, _, body = part.partition("\n")
        units[name] = configparser.ConfigParser(strict=True, interpolation=None)
        units[name].optionxform = str  # type: ignore[assignment, method-assign]
        units[name].read_string(body)
    assert set(units) == {"ninepic.service", "ninepic.timer"}
    assert units["ninepic.timer"]["Timer"]["OnCalendar"]
    statuses = units["ninepic.service"]["Service"]["SuccessExitStatus"].split()
    assert [ExitStatus(int(status)) for status in statuses] == [ExitStatus.MISSING, ExitStatus.INCOMPLETE]
    return [cron, units["ninepic.service"]["Service"]["ExecStart"]]


@pytest.mark.parametrize("command", _scheduled(), ids=["cron", "systemd"])
def test_what_they_schedule_works(reader: Reader, command: str, tmp_path: Path) -> None:
    """The commands for cron and systemd work in the environment that these give, and say nothing about success."""
    for name in ("NINEPIC_API_KEY", "NINEPIC_ORG_ID", "NINEPIC_EVENT_ID", "NINEPIC_BASE_URL"):
        value = shlex.quote(reader.environment[name])
        setting = name.removeprefix("NINEPIC_").lower()
        line = (
            f"printf %s {value} | ninepic config set api_key"
            if "KEY" in name
            else f"ninepic config set {setting} {value}"
        )
        assert reader.does(line).status == 0
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/bibs.txt").write_text("7\n")
    line = command.replace("/opt/ninepic/bin/ninepic", str(Path(sys.executable).parent / "ninepic"))
    result = completed(
        ["/bin/sh", "-c", line.replace("/srv/", f"{tmp_path}/srv/")],
        env={"HOME": str(reader.home), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "photos"},
        cwd=Path("/"),
    )
    assert (result.status, result.out, result.err) == (0, "", "")
    assert len(list((tmp_path / "srv/photos/7").glob("*.jpg"))) == 1


PARALLEL = """parallel() {
  shift 2  # -j 8: here all at once
  local words=() jobs=() status=0
  while [ "$1" != ::: ]; do words+=("$1"); shift; done
  shift
  for each; do "${words[@]//\\{\\}/$each}" & jobs+=($!); done
  for job in "${jobs[@]}"; do wait "$job" || status=$?; done
  return $status
}
"""
MACHINES = [text for language, text in BLOCKS if language == "bash" and "--shard" in text]
JOB = next(text for language, text in BLOCKS if language == "yaml")


def _of_part(world: World, number: int) -> set[str]:
    return {f"{image_id}.jpg" for image_id in world.photos if Shard(number, 8).has(image_id)}


def test_eight_processes_share_an_event(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """The line for GNU parallel (which need not be there) starts eight shards; each photo is fetched exactly once."""
    box = sandbox(World.generate(photos=120, size=40_000))
    reader = Reader(ninepic, box)
    (script,) = [text for text in MACHINES if "parallel" in text]
    script = script.replace("/mnt/", f"{reader.home}/").replace("ninepic all", "ninepic all --json")
    result = reader.does(PARALLEL + script)
    assert (result.status, result.err, reader.photos()) == (0, "", 120)
    lines = [json.loads(line) for line in result.out.splitlines()]
    found = [line["image_id"] for line in lines if line["type"] == "photo" and line["status"] == "downloaded"]
    assert len([line for line in lines if line["type"] == "photo"]) == 120
    assert sorted(found) == sorted(box.world.photos)
    assert [line["exit_code"] for line in lines if line["type"] == "summary"] == [0] * 8
    assert len(box.requests_to("store")) == 120


def test_a_machine_of_many(ninepic: Ninepic, sandbox: Callable[..., Sandbox]) -> None:
    """The SLURM script and the Kubernetes job fetch the part that the engine's counter names; 4 is no failed job."""
    world = World.generate(photos=40, size=40_000)
    lacking = next(each for each in world.photos if Shard(8, 8).has(each))
    world.photos[lacking].has_original = False
    reader = Reader(ninepic, sandbox(world))
    archive = reader.home / "archive"
    (script,) = [text for text in MACHINES if "SLURM" in text]
    tasks = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "8"}
    result = reader.does(script.replace("/scratch/", f"{reader.home}/"), 120, **tasks)
    assert (result.status, result.err) == (0, "")
    assert {path.name for path in archive.iterdir()} == _of_part(world, 1)
    (script,) = re.findall(r"args:\n +- '(.*)'\n", JOB)
    script = script.replace("/archive", str(archive))
    result = reader.does(f"sh -c {shlex.quote(script)}", JOB_COMPLETION_INDEX="7")
    assert (result.status, result.err) == (0, "")
    assert {path.name for path in archive.iterdir()} == _of_part(world, 1) | _of_part(world, 8) - {f"{lacking}.jpg"}
    result = reader.does(f"sh -c {shlex.quote(script)}", JOB_COMPLETION_INDEX="7", NINEPIC_API_KEY="wrong")
    (statuses,) = re.findall(r"onExitCodes: {operator: In, values: \[([0-9, ]+)\]}", JOB)
    assert str(result.status) in statuses.split(", ")
