"""A call that cannot be understood: what the command-line library says of it, in our words, and what was meant."""

import re
import shlex
from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from ninepic_cli.errors import UsageError
from ninepic_cli.inputs.identifiers import is_link, is_picture, looks_like_bib, looks_like_id
from ninepic_cli.redact import mask_if_key
from ninepic_cli.text import one_line, quoted

_DOWNLOADS = frozenset({"bib", "selfie", "image", "images"})
_SURE = 0.8  # how alike a word and an option are that is surely meant
_KEY_HINT = "the key is never an option, others can see it: set NINEPIC_API_KEY, or run: ninepic config set api-key"
_KEY_OPTIONS = frozenset({"--key", "--api-key", "--apikey", "--token"})
_OF_OTHER_TOOLS = {  # options that other tools have, and what they are here
    "--force": "--existing overwrite",
    "--overwrite": "--existing overwrite",
    "--verify": "--existing verify",
    "--output-dir": "--output",
}
_SETUP = frozenset({"login", "init", "auth", "configure"})
_EVENT = re.compile(r"[0-9]{1,18}")


def usage_error(error: Any, argv: Sequence[str]) -> UsageError | None:
    """Our error for one of the command-line library's about the call; None for any other."""
    if not hasattr(error, "format_message") or getattr(error, "exit_code", None) != 2:
        return None
    command = _command_path(error, argv)
    hint = f"run: {command} --help"
    match type(error).__name__:
        case "NoSuchOption":
            return _unknown_option_error(error, command, argv)
        case "BadOptionUsage":
            return _option_usage_error(error, hint)
        case "MissingParameter":
            message = f"missing {_parameter_name(error)}"
        case "BadParameter":
            message = f"invalid {_parameter_name(error)} {error.message}"
        case _:
            message = error.format_message().rstrip(".")
            if "No such command" in message:
                return _unknown_command_error(message.split("'")[1], error.ctx)
            if "extra argument" in message:
                return _extra_argument_error(message, error.ctx, command, argv)
    return UsageError(message, hint=hint)


def _command_path(error: Any, argv: Sequence[str]) -> str:
    """The command that was called, as far as it was understood."""
    if error.ctx is not None:
        return str(error.ctx.command_path)
    return f"ninepic {argv[0]}" if argv and argv[0] in _DOWNLOADS else "ninepic"


def _parameter_name(error: Any) -> str:
    """The option or argument that an error is about, as the help has it."""
    parameter = error.param
    if parameter is None:
        return "option"
    is_option = parameter.param_type_name == "option"
    return max(parameter.opts, key=len) if is_option else parameter.metavar or str(parameter.name)


def _option_usage_error(error: Any, hint: str) -> UsageError:
    """An option without its value, or with one that it does not take."""
    if "does not take a value" in error.message:
        return UsageError(f"{error.option_name} takes no value", hint=f"write only {error.option_name}")
    return UsageError(f"missing value for {error.option_name}", hint=hint)


def _extra_argument_error(message: str, context: Any, command: str, argv: Sequence[str]) -> UsageError:
    """More arguments than the command takes: several ids, or an event that belongs behind its option."""
    if command == "ninepic image":
        hint = f"for several, run: ninepic images {one_line(' '.join(argv[1:]), 100)}"
        return UsageError("image takes one image ID", hint=hint)
    words = message.rpartition(" (")[2].removesuffix(")")
    hint = f"run: {command} --help"
    if _EVENT.fullmatch(words) and "--event" in _options(context):
        hint = f"for event {words}, run: {command} --event {words}"
    if command.startswith("ninepic config"):
        words = " ".join(map(mask_if_key, words.split()))
    return UsageError(f"unexpected argument {quoted(words)}", hint=hint)


def _options(context: Any) -> list[str]:
    return [name for each in context.command.params for name in each.opts if name.startswith("--")]


def _unknown_option_error(error: Any, command: str, argv: Sequence[str]) -> UsageError:
    """A word that is no option: misspelt, before its command, or an identifier that starts with a dash."""
    option = error.option_name
    bundle = next((word for word in argv if word[:1] == "-" and word[:2] != "--" and option[1:2] in word), None)
    word = bundle if bundle and len(option) == 2 and bundle[:2] == option else option
    hint = _other_option_hint(error.ctx, option, command, argv)
    if hint is None:
        hint = _similar_option_hint(_options(error.ctx), one_line(word, 100), command)
    return UsageError(f"unknown option {one_line(word, 100)}", hint=hint)


def _other_option_hint(context: Any, option: str, command: str, argv: Sequence[str]) -> str | None:
    """What to do instead of an option of other tools, or of the command behind it; None for any other."""
    if option in _KEY_OPTIONS:
        return _KEY_HINT
    below = getattr(context.command, "commands", {})
    later = next((name for name in argv if name in below), None)
    if later is not None and any(option in parameter.opts for parameter in below[later].params):
        return f"options follow the command: {command} {later} {option} ..."
    other = _OF_OTHER_TOOLS.get(option, "")
    return f"use {other}" if other.partition(" ")[0] in _options(context) else None


def _similar_option_hint(options: Sequence[str], word: str, command: str) -> str:
    """The option that may have been meant, and how an identifier is written that looks like one."""
    matches = [name for name in options if word.startswith(name)] or get_close_matches(word, options, n=1)
    meant = f"did you mean {matches[0]}?" if matches else ""
    is_sure = matches and SequenceMatcher(None, word, matches[0]).ratio() >= _SURE
    if command.rpartition(" ")[2] not in _DOWNLOADS or is_sure:
        return meant or f"run: {command} --help"
    if meant:
        return f"{meant} If it is an identifier: {command} -- {word}"
    return f"if it is an identifier: {command} -- {word}; else run: {command} --help"


def _unknown_command_error(word: str, context: Any) -> UsageError:
    """A word that is no command: misspelt, or an identifier without its command."""
    command = context.command_path
    matches = get_close_matches(word, list(context.command.commands), n=2)
    hint = f"run: {command} --help"
    if command == "ninepic" and word in _SETUP:
        hint = "to set up your account, run: ninepic config init"
    elif matches:
        hint = f"did you mean {' or '.join(f'{command} {each}' for each in matches)}? All commands: {command} --help"
    elif command == "ninepic":
        hint = _missing_command_hint(word) or hint
    shown = word if command == "ninepic" else mask_if_key(word)  # a photo's id may stand in a command's place, too
    return UsageError(f"unknown command {quoted(shown)}", hint=hint)


def _missing_command_hint(word: str) -> str | None:
    """What to call for a word that is something to fetch, and stands where a command should."""
    bibs = [each.strip() for each in word.split(",") if each.strip()]
    if bibs and all(map(looks_like_bib, bibs)):
        return f"for the photos of bib {' and '.join(bibs)}, run: ninepic bib {' '.join(bibs)}"
    if looks_like_id(word):
        return f"for a photo, run: ninepic image {word}; for a face search: ninepic selfie {word}"
    if is_link(word):
        return "for the photo of a link, run: ninepic image 'LINK'"
    if is_picture(word):
        return f"for the photo of that name, run: ninepic image {shlex.quote(one_line(word, 100))}"
    return None
