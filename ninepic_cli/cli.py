"""Commands, options and help text; wires the parts together."""

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from ninepic_cli import __version__, completions, config
from ninepic_cli.errors import UsageError
from ninepic_cli.photo import Method
from ninepic_cli.say import say

if TYPE_CHECKING:
    from ninepic_cli.run import Task

_Choice = TypeVar("_Choice", bound=Enum)

app = typer.Typer(
    name="ninepic",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(config.app)

# Defaults stand in the help texts, where they can be said in words.
_option = partial(typer.Option, show_default=False)

_WELCOME = """\
ninepic downloads the original photos of 9Pic events: whole, resumable, scriptable.

See it work, without an account:   ninepic demo
Tell it who you are:               ninepic config set api-key
                                   ninepic config set org-id ID
                                   ninepic config set event-id ID
Fetch somebody's photos:           ninepic bib 1234 -o ./photos

All commands and options:          ninepic --help"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options that the four download commands share, as they were given; None where not given."""

    event: Annotated[
        str | None,
        _option(
            "-e",
            "--event",
            metavar="ID",
            help="Event. [NINEPIC_EVENT_ID, config event_id]",
            autocompletion=completions.events,
        ),
    ] = None
    org: Annotated[str | None, _option("--org", metavar="ID", help="Organisation. [NINEPIC_ORG_ID, config org_id]")] = (
        None
    )
    output: Annotated[
        str | None,
        _option(
            "-o",
            "--output",
            metavar="DIR",
            help="Target folder, made if missing. [NINEPIC_OUTPUT, config output, default .]",
        ),
    ] = None
    name: Annotated[
        str | None,
        _option(
            "--name",
            metavar="TEMPLATE",
            help="File name under DIR: {filename}, or {identifier}/{filename} for a folder each. "
            "[default: folders where several bibs or searches are asked for]",
        ),
    ] = None
    jobs: Annotated[
        str | None,
        _option("-j", "--jobs", metavar="N", help="Photos in flight, 1-64. [NINEPIC_JOBS, config jobs, default 8]"),
    ] = None
    existing: Annotated[
        str,
        _option(
            "--existing",
            metavar="skip|verify|overwrite",
            help="A photo that is there already: leave it; ask the store whether it is still the same; fetch it again. "
            "[default: skip]",
            autocompletion=completions.existing,
        ),
    ] = "skip"
    retries: Annotated[
        int, _option("--retries", metavar="N", min=0, max=1000, help="Further tries of a request. [default: 6]")
    ] = 6
    timeout: Annotated[
        float,
        _option(
            "--timeout", metavar="SECONDS", min=0.1, max=86400, help="No byte for so long fails a try. [default: 30]"
        ),
    ] = 30.0
    give_up_after: Annotated[
        float,
        _option(
            "--give-up-after",
            metavar="SECONDS",
            min=0,
            max=31536000,
            help="A host that answers nothing usable for so long ends the run. [default: 600]",
        ),
    ] = 600.0
    dry_run: Annotated[bool, _option("--dry-run", help="Print where each photo would go; fetch and write nothing.")] = (
        False
    )
    failed_to: Annotated[
        Path | None,
        _option(
            "--failed-to", metavar="FILE", help="Write what has to be asked for again there, one identifier a line."
        ),
    ] = None
    json: Annotated[bool, _option("--json", help="One JSON object a line on standard output.")] = False
    quiet: Annotated[bool, _option("-q", "--quiet", help="Errors only.")] = False
    verbose: Annotated[bool, _option("-v", "--verbose", help="Tell each request's outcome.")] = False
    no_progress: Annotated[bool, _option("--no-progress", help="No bars.")] = False
    config: Annotated[str | None, _option("--config", metavar="FILE", help="Settings file. [NINEPIC_CONFIG]")] = None


FromFile = Annotated[
    str | None,
    _option("--from-file", metavar="FILE", help="More of them, one a line; - is standard input."),
]


def _with_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the shared options: each field of Options becomes a parameter of its own."""
    hints = get_type_hints(Options, include_extras=True)
    names = [field.name for field in fields(Options)]

    def called(**given: Any) -> int:
        return command(
            **{k: v for k, v in given.items() if k not in names}, options=Options(**{k: given[k] for k in names})
        )

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "options"]
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Options)
    ]
    called.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, _option("-V", "--version", is_eager=True, help="Show the version.")] = False,
) -> None:
    """Download the original photos of 9Pic events."""
    if version:
        typer.echo(f"ninepic {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(_WELCOME)


@app.command()
@_with_options
def bib(
    bibs: Annotated[list[str] | None, typer.Argument(metavar="BIB", show_default=False, help="Bib numbers.")] = None,
    *,
    from_file: FromFile = None,
    options: Options,
) -> int:
    """Originals of one or more bib numbers.

    Example: ninepic bib 1234 --event 456 -o ./photos
    """
    return _download(Method.BIB, bibs, from_file, options)


@app.command()
@_with_options
def selfie(
    request_ids: Annotated[
        list[str] | None, typer.Argument(metavar="REQUEST_ID", show_default=False, help="Face searches.")
    ] = None,
    *,
    from_file: FromFile = None,
    options: Options,
) -> int:
    """Originals of one or more face searches.

    Example: ninepic selfie 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456 -o ./photos
    """
    return _download(Method.SELFIE, request_ids, from_file, options)


@app.command()
@_with_options
def image(
    image_id: Annotated[str, typer.Argument(metavar="IMAGE_ID", show_default=False, help="A photo's id.")],
    *,
    options: Options,
) -> int:
    """One original.

    Example: ninepic image 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456
    """
    return _download(Method.IMAGE, [image_id], None, options)


@app.command()
@_with_options
def images(
    image_ids: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGE_ID", show_default=False, help="Photos' ids.")
    ] = None,
    *,
    from_file: FromFile = None,
    options: Options,
) -> int:
    """Many originals, by their ids.

    Example: ninepic images --from-file ids.txt --event 456 -o ./photos
    """
    return _download(Method.IMAGES, image_ids, from_file, options)


@app.command()
def ping(
    event: Annotated[
        str | None,
        _option("-e", "--event", metavar="ID", help="Event. [NINEPIC_EVENT_ID]", autocompletion=completions.events),
    ] = None,
    org: Annotated[str | None, _option("--org", metavar="ID", help="Organisation. [NINEPIC_ORG_ID]")] = None,
    timeout: Annotated[
        float, _option("--timeout", metavar="SECONDS", min=0.1, max=86400, help="Patience. [default: 30]")
    ] = 30.0,
    config: Annotated[str | None, _option("--config", metavar="FILE", help="Settings file. [NINEPIC_CONFIG]")] = None,
) -> int:
    """Check key, organisation and event."""
    from ninepic_cli.run import ping as asked  # noqa: PLC0415 (help does not need it)
    from ninepic_cli.settings import gather  # noqa: PLC0415

    settings = gather({"event_id": event, "org_id": org}, environ=os.environ, config=config)
    for warning in settings.warnings:
        say(f"ninepic: warning: {warning}")
    access = settings.require_access()
    asked(access, timeout_s=timeout, environ=os.environ)
    say(f"ok: the key is good for organisation {access.org_id} and event {access.event_id}")
    return 0


@app.command()
def demo(
    output: Annotated[
        Path,
        _option("-o", "--output", metavar="DIR", help="Folder. [default: ./ninepic-demo]"),
    ] = Path("ninepic-demo"),
    *,
    no_progress: Annotated[bool, _option("--no-progress", help="No bars.")] = False,
) -> int:
    """See the main job at work, without an account."""
    from ninepic_cli.demo import show  # noqa: PLC0415 (help does not need it)

    return show(output, bars=not no_progress)


@app.command()
def sandbox(  # noqa: PLR0913, PLR0917 (each is an option)
    photos: Annotated[int, _option(metavar="N", min=0, max=1_000_000, help="Photos. [default: 47]")] = 47,
    size: Annotated[
        int, _option(metavar="BYTES", min=40_000, max=1 << 30, help="Size of each photo. [default: 200000]")
    ] = 200_000,
    link_life: Annotated[
        float, _option(metavar="SECONDS", min=0.1, max=604800, help="Life of links. [default: 3600]")
    ] = 3600.0,
    rate: Annotated[
        float, _option(metavar="N", min=0, help="Requests a second before the API says 429; 0: any. [default: 0]")
    ] = 0.0,
    latency: Annotated[
        float, _option(metavar="SECONDS", min=0, max=3600, help="Delay of every answer. [default: 0]")
    ] = 0.0,
    failures: Annotated[
        float, _option(metavar="SHARE", min=0, max=1, help="Share of photo requests that fail. [default: 0]")
    ] = 0.0,
    seed: Annotated[int, _option(metavar="N", help="Other photos, other failures. [default: 1]")] = 1,
    port: Annotated[
        int, _option(metavar="PORT", min=0, max=65535, help="Port of the API; 0: a free one. [default: 0]")
    ] = 0,
    faults: Annotated[
        Path | None, _option(metavar="FILE", help="What goes wrong, and when: a JSON list (see the README).")
    ] = None,
    log: Annotated[Path | None, _option(metavar="FILE", help="Add a line of JSON there for each request.")] = None,
) -> int:
    """Serve a stand-in of the service on loopback.

    For people writing scripts; prints the variables to export.

    Example: ninepic sandbox > sandbox.env & sleep 1; . ./sandbox.env; ninepic bib 1234
    """
    from ninepic_cli.demo import Scene, serve  # noqa: PLC0415 (help does not need it)

    return serve(Scene(photos, size, link_life, rate, latency, failures, seed, port, faults, log))


@app.command("completions")
def completions_(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL",
            show_default=False,
            help="bash, zsh, fish or powershell.",
            autocompletion=completions.shells,
        ),
    ],
) -> int:
    """Print a shell's completion script.

    Example: source <(ninepic completions bash)
    """
    typer.echo(completions.script(shell), nl=False)
    return 0


def call(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; returns its exit status.

    Raises:
        NinepicError: it could not do its work.
    """
    status = completions.answer(app)
    if status is not None:
        return status
    try:
        return int(app(list(argv), prog_name="ninepic", standalone_mode=False) or 0)
    except typer.Abort:
        return 130
    except SystemExit:  # how the command-line library takes a reader that has gone
        raise BrokenPipeError from None
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(str(error), err=True)
            return 2
        usage = _usage_error(error, argv)
        if usage is None:
            raise
        raise usage from None


def _usage_error(error: Exception, argv: Sequence[str]) -> UsageError | None:
    """Our error for one of the command-line library's; None for any other."""
    if not hasattr(error, "format_message") or getattr(error, "exit_code", None) != 2:
        return None
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "ninepic")
    hint = f"run: {command} --help"
    option = getattr(error, "option_name", None) or ""
    words = [word for word in argv if word[:1] == "-" and word[:2] != "--" and option[1:2] in word]
    if len(option) == 2 and words and command.rpartition(" ")[2] in {"bib", "selfie", "image", "images"}:
        taken = words[0]
        hint = f"if {taken} is an identifier, write -- before it: {command} -- {taken}; else run: {command} --help"
    return UsageError(error.format_message().rstrip("."), hint=hint)


def _task(method: Method, identifiers: Sequence[str], options: Options, *, has_file: bool) -> "Task":
    from ninepic_cli.folder import Layout  # noqa: PLC0415 (help does not need what it takes to fetch)
    from ninepic_cli.run import Task  # noqa: PLC0415
    from ninepic_cli.transfer import Existing  # noqa: PLC0415

    is_spread = method in {Method.BIB, Method.SELFIE} and (has_file or len(identifiers) > 1)
    return Task(
        method,
        identifiers,
        layout=_choice(Layout, options.name or ("{identifier}/{filename}" if is_spread else "{filename}"), "--name"),
        existing=_choice(Existing, options.existing, "--existing"),
        retries=options.retries,
        timeout_s=options.timeout,
        give_up_after_s=options.give_up_after,
        dry_run=options.dry_run,
        failed_to=options.failed_to,
        json=options.json,
        quiet=options.quiet,
        verbose=options.verbose,
        bars=not options.no_progress,
    )


def _choice(kind: type[_Choice], text: str, option: str) -> _Choice:
    try:
        return kind(text)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)
        raise UsageError(f"{option} {text} is not one of: {known}", hint=f"choose one, or leave {option} out") from None


def _download(method: Method, arguments: Sequence[str] | None, from_file: str | None, options: Options) -> int:
    from ninepic_cli.query import check_writable, collect_identifiers  # noqa: PLC0415 (help does not need it)
    from ninepic_cli.run import run  # noqa: PLC0415 (nor what it takes to fetch)
    from ninepic_cli.settings import gather  # noqa: PLC0415

    stdin = sys.stdin.buffer if sys.stdin is not None else BytesIO()
    identifiers = collect_identifiers(arguments or (), from_file, stdin=stdin)
    if options.failed_to:
        check_writable(identifiers)
    task = _task(method, identifiers, options, has_file=from_file is not None)
    given = {"event_id": options.event, "org_id": options.org, "output": options.output, "jobs": options.jobs}
    settings = gather(given, environ=os.environ, config=options.config)
    if not task.quiet:
        for warning in settings.warnings:
            say(f"ninepic: warning: {warning}")
    return run(task, settings, environ=os.environ)
