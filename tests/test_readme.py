"""The README against the program: nothing that it has is left out, and its examples do what they say."""

import configparser
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main

import ninepic_cli
from ninepic_cli.cli.app import app
from ninepic_cli.config.schema import SETTINGS
from ninepic_cli.errors import ExitStatus
from ninepic_cli.inputs.filters import Shard
from ninepic_cli.sandbox import Fault, Sandbox, World
from tests.support.command import Ninepic, Result, completed

ROOT = Path(ninepic_cli.__file__).parent.parent
README = (ROOT / "README.md").read_text()


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
        for path in (ROOT / "ninepic_cli").glob("*.py")
        for name in re.findall(r"NINEPIC_[A-Z_]+|SSL_CERT_FILE|HTTPS_PROXY|NO_PROXY", path.read_text())
    }
    - {"NINEPIC_"}
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_it_names_every_command(name: str) -> None:
    """Each command of the program stands in the README; those of `config` in one row."""
    word = name.rpartition(" ")[2]
    assert re.search(rf"`{name}\b|config [a-z/]*\b{word}\b", README)


@pytest.mark.parametrize("option", OPTIONS)
def test_it_names_every_option(option: str) -> None:
    """Each option of the program stands in the README."""
    assert re.search(rf"`{option}[` =]|{option}\b", README)


@pytest.mark.parametrize("variable", VARIABLES)
def test_it_names_every_variable(variable: str) -> None:
    """Each variable that the program reads stands in the README."""
    assert f"`{variable}" in README


@pytest.mark.parametrize("setting", [setting.shown for setting in SETTINGS.values() if setting.variable])
def test_it_names_every_setting(setting: str) -> None:
    """Each setting of the settings file stands in the README."""
    assert f"`{setting}`" in README


@pytest.mark.parametrize("status", sorted(ExitStatus))
def test_it_names_every_exit_status(status: ExitStatus) -> None:
    """Each exit status has a row in the README."""
    assert f"\n| {int(status)} | " in README


@pytest.mark.parametrize("option", ["--output", "--jobs", "--existing", "--retries", "--timeout", "--give-up-after"])
def test_its_defaults_are_the_true_ones(option: str) -> None:
    """The table of options has the defaults of the program."""
    row = re.findall(rf"^\| [^|]*`{option}[` ].*\| (.*) \|$", README, re.MULTILINE)[0]
    (help_text,) = {each.help for each in COMMANDS["ninepic bib"].params if option in each.opts}
    told = re.search(r"\[default: ([^;\]]+)", help_text)
    assert told
    assert re.search(rf"(?<![\w.]){re.escape(told[1])}(?![\w.])", row)


BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
PLAN = next(text for language, text in BLOCKS if language == "json")


class Reader:
    """Somebody who does what the README says, in a folder of their own, where the service is the sandbox."""

    def __init__(self, ninepic: Ninepic, box: Sandbox) -> None:
        self.home = ninepic.home
        self.environment = {**ninepic.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        ids = list(box.world.photos)
        for name, text in {
            "bibs.txt": "7\n0042\n",
            "ids.txt": "\n".join(ids[:5]),
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
    """What an example is there for: words of it, how many photos, what it says or leaves in which file."""

    words: str
    photos: int
    file: str = ""
    text: str = ""
    status: int = 0


EFFECTS = [
    Effect("ninepic config set", 46, ".config/ninepic/config.toml", "event_id = 456", status=5),
    Effect("run.jsonl", 4, "run.jsonl", "http_400", status=1),
    Effect("case $?", 3, "again.txt", "0042"),
    Effect("for pause", 5, "again.txt"),
    Effect("start.csv", 3, status=5),
    Effect("ninepic all", 46, status=5),
    Effect("requests.log", 200, "requests.log", '"status": 206'),
    Effect("sandbox", 47),
]


def _effect(script: str) -> Effect:
    return next(effect for effect in EFFECTS if effect.words in script)


@pytest.mark.parametrize("script", SHELL, ids=[_effect(text).words for text in SHELL])
def test_its_examples_work(reader: Reader, script: str) -> None:
    """Each example in shell, as it stands there, does what it is there for."""
    result, effect = reader.does(script), _effect(script)
    assert (result.status, reader.photos()) == (effect.status, effect.photos), result.err
    if effect.file:
        text = (reader.home / effect.file).read_text()
        assert effect.text in text if effect.text else text == ""
    if "paths.txt" in script:
        assert all((reader.home / path).is_file() for path in (reader.home / "paths.txt").read_text().splitlines())


@pytest.mark.parametrize("script", [text for text in SHELL if "ninepic sandbox" in text])
def test_its_examples_end_with_the_sandbox(reader: Reader, script: str) -> None:
    """Where the sandbox refuses to start, an example ends, and asks no other service for photos."""
    result = reader.does(script.replace("ninepic sandbox", "ninepic sandbox --port nowhere"), 20)
    assert "usage error: --port" in result.err
    assert reader.photos() == 0


def _scheduled() -> list[str]:
    """The commands that cron and systemd are given."""
    cron = next(text for language, text in BLOCKS if language == "crontab").split(maxsplit=5)[5].strip()
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
def test_what_it_schedules_works(reader: Reader, command: str, tmp_path: Path) -> None:
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
    """Its line for GNU parallel (which need not be there) starts eight shards; each photo is fetched exactly once."""
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
    """Its SLURM script and its Kubernetes job fetch the part that the engine's counter names; 4 is no failed job."""
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
