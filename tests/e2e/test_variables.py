"""Settings as containers, variables files and services hand them over."""

import json

import pytest

from ninepic_cli.sandbox import World
from tests.support.command import Ninepic, Start


class TestVariablesFiles:
    """Variables as containers, `.env` files with CRLF and services hand them over."""

    @pytest.mark.parametrize("form", ['"{}"', "'{}'", "{}\r", '"{}"\r', " '{}' \r\n", "\ufeff{}", '" {}"'])
    def test_quotes_and_line_ends_are_not_part_of_a_value(self, ninepic: Ninepic, sandbox: Start, form: str) -> None:
        """Quotation marks around a variable and a CR at its end go, whichever variable it is."""
        sandbox(World.generate(photos=4, size=20_000))
        config = ninepic.home / "my.toml"
        config.write_text("[profiles.acme]\njobs = 2\n")
        ninepic.use({"NINEPIC_PROFILE": "acme", "NINEPIC_OUTPUT": "photos", "NINEPIC_CONFIG": str(config)})
        ninepic.use({"NINEPIC_JOBS": "3", "NINEPIC_DEBUG": "1"})
        names = [name for name in ninepic.environment if name.startswith("NINEPIC_")]
        ninepic.use({name: form.format(ninepic.environment[name]) for name in names})
        result = ninepic("bib", "7")
        assert result.status == 0, result.err
        left = {path.name.strip() for path in ninepic.home.iterdir()} - {".config"}
        assert left == {"my.toml", "photos"}
        assert len([path for path in ninepic.home.rglob("*.jpg") if path.parent.name == "photos"]) == 1
        assert "at\n" in ninepic("bib", "7", "--jobs", "0").err  # where the error came from

    @pytest.mark.parametrize("value", ["photos\r", "photos\r\n", '"photos"', "'photos'\r"])
    def test_a_folder_has_no_line_end(self, ninepic: Ninepic, sandbox: Start, value: str) -> None:
        """A folder is named without a CR, whether an option, the variable or the file gave it."""
        sandbox(World.generate(photos=4, size=20_000))
        assert ninepic("bib", "7", "-o", value).status == 0
        assert ninepic("bib", "7", NINEPIC_OUTPUT=value).status == 0
        config = ninepic.home / "my.toml"
        config.write_text(f"output = {json.dumps(value)}\n")
        assert ninepic("bib", "7", "--config", config).status == 0
        assert ninepic("config", "set", "output", value, "--config", config).status == 0
        assert 'output = "photos"' in config.read_text()
        assert {path.name for path in ninepic.home.iterdir()} == {"my.toml", "photos"}

    @pytest.mark.parametrize("form", ['"{}"', "'{}'", "{}\r", '"{}"\r'])
    def test_a_key_has_no_quotes(self, ninepic: Ninepic, sandbox: Start, form: str) -> None:
        """Quotation marks around a key go, from the file, from standard input and from a command as well."""
        box = sandbox(World.generate(photos=4, size=20_000))
        key = ninepic.environment.pop("NINEPIC_API_KEY")
        config = ninepic.home / "my.toml"
        config.write_text(f"api_key = {json.dumps(form.format(key))}\n")
        assert ninepic("ping", "--config", config).status == 0
        assert ninepic("config", "set", "api-key", given=form.format(key)).status == 0
        assert ninepic("config", "get", "api-key", "--reveal").out == f"{key}\n"
        (ninepic.home / "key").write_text(form.format(key))
        config.write_text('api_key_command = "cat key"\n')
        assert ninepic("ping", "--config", config).status == 0
        assert len(box.requests) == 2

    @pytest.mark.parametrize("name", ["EVENT_ID", "ORG_ID", "JOBS", "API_KEY", "BASE_URL", "PROFILE", "OUTPUT"])
    def test_what_is_wrong_all_the_same_names_the_variable(self, ninepic: Ninepic, sandbox: Start, name: str) -> None:
        """A value that quotation marks are not around but in is refused with its variable."""
        box = sandbox(World.generate(photos=4, size=20_000))
        ninepic.use({f"NINEPIC_{name}": "~nobody-9pic/'1 \x01 2\""})
        result = ninepic("bib", "7")
        assert (result.status, f"NINEPIC_{name}" in result.err, box.requests) == (2, True, [])
