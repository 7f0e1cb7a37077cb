"""A call that cannot be understood: what the command-line library says of it, in our words, and what was meant."""

import shlex
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import is_link, is_picture, looks_like_bib, looks_like_id
from ninepic_cli.redact import redact_secrets
from ninepic_cli.text import one_line

_DOWNLOADS = frozenset({"bib", "selfie", "image", "images"})


def usage_error(error: Any, argv: Sequence[str]) -> UsageError | None:
    """Our error for one of the command-line library's about the call; None for any other."""
    if not hasattr(error, "format_message") or getattr(error, "exit_code", None) != 2:
        return None
    found = _translate(error, argv)
    # A word that stands in the wrong place may be a link, whose signature is not to be seen.
    return UsageError(redact_secrets(found.message), hint=redact_secrets(found.hint or ""))


def _translate(error: Any, argv: Sequence[str]) -> UsageError:
    command = _command_path(error, argv)
    match type(error).__name__:
        case "NoSuchOption":
            return _unknown_option_error(error, command, argv)
        case "BadOptionUsage":
            message = f"{error.option_name} needs a value"
        case "MissingParameter":
            message = f"{_parameter_name(error)} is missing"
        case "BadParameter":
            message = f"{_parameter_name(error)}: {error.message}"
        case _:
            message = error.format_message().rstrip(".")
            if "No such command" in message:
                return _unknown_command_error(message.split("'")[1], error.ctx)
            if "extra argument" in message and command == "ninepic image":
                hint = f"for several: ninepic images {one_line(' '.join(argv[1:]), 100)}"
                return UsageError("image takes one id", hint=hint)
    return UsageError(message, hint=f"run: {command} --help")


def _command_path(error: Any, argv: Sequence[str]) -> str:
    """The command that was called, as far as it was understood."""
    if error.ctx is not None:
        return str(error.ctx.command_path)
    return f"ninepic {argv[0]}" if argv and argv[0] in _DOWNLOADS else "ninepic"


def _parameter_name(error: Any) -> str:
    """The option or argument that an error is about, as the help has it."""
    parameter = error.param
    if parameter is None:
        return "an option"
    is_option = parameter.param_type_name == "option"
    return max(parameter.opts, key=len) if is_option else parameter.metavar or str(parameter.name)


def _unknown_option_error(error: Any, command: str, argv: Sequence[str]) -> UsageError:
    """A word that is no option: misspelt, or an identifier that starts with a dash."""
    option = error.option_name
    known = [name for each in error.ctx.command.params for name in each.opts if name.startswith("--")]
    matches = get_close_matches(option, known, n=1)
    hint = f"did you mean {matches[0]}? All options: {command} --help" if matches else f"run: {command} --help"
    bundle = next((word for word in argv if word[:1] == "-" and word[:2] != "--" and option[1:2] in word), None)
    if len(option) == 2 and bundle and command.rpartition(" ")[2] in _DOWNLOADS:
        hint = f"if {bundle} is an identifier, write -- before it: {command} -- {bundle}; else run: {command} --help"
    return UsageError(f"there is no option {one_line(option, 100)}", hint=hint)


def _unknown_command_error(word: str, context: Any) -> UsageError:
    """A word that is no command: misspelt, or an identifier without its command."""
    command = context.command_path
    matches = get_close_matches(word, list(context.command.commands), n=2)
    hint = f"run: {command} --help"
    if matches:
        hint = f"did you mean {' or '.join(f'{command} {each}' for each in matches)}? All commands: {command} --help"
    elif command == "ninepic":
        hint = _missing_command_hint(word) or hint
    return UsageError(f"there is no command {one_line(word, 100)}", hint=hint)


def _missing_command_hint(word: str) -> str | None:
    """What to call for a word that is something to fetch, and stands where a command should."""
    bibs = [each.strip() for each in word.split(",") if each.strip()]
    if bibs and all(map(looks_like_bib, bibs)):
        return f"for the photos of bib {' and '.join(bibs)}: ninepic bib {' '.join(bibs)}"
    if looks_like_id(word):
        return f"for a photo: ninepic image {word}; for a face search: ninepic selfie {word}"
    if is_link(word):
        return "for the photo that a link leads to: ninepic image 'LINK'"
    if is_picture(word):
        return f"for the photo of that name: ninepic image {shlex.quote(one_line(word, 100))}"
    return None
