"""Commands, options and help text; wires the parts together."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ninepic_cli import __version__
from ninepic_cli.cli import completion, config
from ninepic_cli.cli.help import Group
from ninepic_cli.cli.options import (
    ListOptions,
    Options,
    PartOptions,
    PingOptions,
    QueryOptions,
    argument,
    command,
    option,
)
from ninepic_cli.cli.reference import ACCOUNT, DOWNLOAD, TRY, WHAT, WHERE
from ninepic_cli.errors import UsageError
from ninepic_cli.models import Credentials, Method
from ninepic_cli.system.output import print_warning

if TYPE_CHECKING:
    from ninepic_cli.commands.events import QuestionOptions

app = typer.Typer(
    name="ninepic",
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_WELCOME = """\
ninepic downloads the original photos of 9Pic events: whole, resumable, scriptable.

Try it without an account:   ninepic demo
Set up your account:         ninepic config init
Download photos:             ninepic bib 1234 -o ./photos

All commands and options:    ninepic --help"""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, option("-V, --version", "Show the version.", is_eager=True)] = False,
) -> None:
    """Download the original photos of 9Pic events: whole, resumable, scriptable.

    Data goes to standard output, messages to standard error. Running a command again downloads only what is missing.

    Examples:
        # try it without an account
        ninepic demo
        # one runner's photos
        ninepic bib 1234 --event 456 -o ./photos
        # many runners' photos, one directory each
        ninepic bib --from-file bibs.txt --folders -o ./photos
    """
    if version:
        typer.echo(f"ninepic {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        from ninepic_cli.system.program import adapt_calls  # noqa: PLC0415 (only needed here)

        typer.echo(adapt_calls(_WELCOME))


@command(app, panel=DOWNLOAD)
def bib(
    bibs: Annotated[list[str] | None, argument("BIB", "Bib numbers.", WHAT)] = None,
    *,
    source: ListOptions,
    folders: bool = False,
    options: Options,
) -> int:
    """Download the originals of one or more bib numbers.

    Examples:
        # one runner's photos
        ninepic bib 1234 --event 456 -o ./photos
        # a list of runners, one directory each; bibs that failed are written to a list for the next run
        ninepic bib --from-file bibs.txt --folders -o ./photos --failed-to again.txt
        # a bib that starts with a dash
        ninepic bib -o ./photos -- -12
    """
    from ninepic_cli.cli.request import download_list  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_list(Method.BIB, bibs, source, PartOptions(), options, is_in_folders=folders)


@command(app, panel=DOWNLOAD)
def selfie(
    request_ids: Annotated[list[str] | None, argument("REQUEST_ID", "Request IDs of face searches.", WHAT)] = None,
    *,
    source: ListOptions,
    folders: bool = False,
    options: Options,
) -> int:
    """Download the originals of one or more face searches.

    Examples:
        # the photos found by a face search
        ninepic selfie 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456 -o ./photos
        # only list them
        ninepic selfie 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --dry-run
    """
    from ninepic_cli.cli.request import download_list  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_list(Method.SELFIE, request_ids, source, PartOptions(), options, is_in_folders=folders)


@command(app, panel=DOWNLOAD)
def image(image_id: Annotated[str, argument("IMAGE_ID", "Image ID of the photo.", WHAT)], *, options: Options) -> int:
    """Download one original by its image ID.

    Examples:
        ninepic image 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456
        # print its path, for a script
        ninepic image 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --json | jq -r 'select(.type == "photo") | .path'
    """
    from ninepic_cli.cli.request import download_list  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_list(Method.IMAGE, [image_id], ListOptions(), PartOptions(), options)


@command(app, panel=DOWNLOAD)
def images(
    image_ids: Annotated[list[str] | None, argument("IMAGE_ID", "Image IDs of the photos.", WHAT)] = None,
    *,
    source: ListOptions,
    parts: PartOptions,
    options: Options,
) -> int:
    """Download many originals by their image IDs.

    Examples:
        # a list of image IDs, one per line
        ninepic images --from-file ids.txt --event 456 -o ./photos
        # replace the list by the IDs that failed: repeat until it is empty
        ninepic images --from-file ids.txt --failed-to ids.txt -o ./photos
        # the third of eight machines
        ninepic images --from-file ids.txt --shard 3/8 -o ./photos
    """
    from ninepic_cli.cli.request import download_list  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_list(Method.IMAGES, image_ids, source, parts, options)


@command(app, "all", DOWNLOAD)
def all_(*, since: str | None = None, until: str | None = None, parts: PartOptions, options: Options) -> int:
    """Download every original of an event.

    Photos are downloaded in order of capture time, those without one last. Running it again downloads photos added
    since. The file of --failed-to has image IDs, for `ninepic images`.

    Examples:
        ninepic all --event 456 -o ./photos
        # 100,000 photos, in 256 directories
        ninepic all --event 456 --spread -o ./photos
        # how many photos are still missing
        ninepic all --event 456 --dry-run | wc -l
        # photos of one morning, in local time
        ninepic all --event 456 --since 2025-09-14T06:00+02:00 --until 2025-09-14T12:00+02:00 -o ./photos
    """
    from ninepic_cli.cli.request import download_event  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_event(since, until, parts, options)


@command(app, panel=ACCOUNT)
def ping(*, options: PingOptions) -> int:
    """Check API key, organisation and event, and report which of them is wrong.

    Examples:
        ninepic ping
        ninepic ping --org 123 --event 456
        # what to send to support, also where the check fails
        ninepic ping -v
        # how far this machine's clock is off
        ninepic ping --json | jq .clock_offset_seconds
    """
    from ninepic_cli.commands.events import QuestionOptions  # noqa: PLC0415 (help does not need it)
    from ninepic_cli.commands.ping import PingRequest, check  # noqa: PLC0415 (as above)

    request = PingRequest({"event_id": options.event, "org_id": options.org}, options.config, options.profile)
    asked = QuestionOptions(options.timeout, 0, options.timeout, options.json, options.quiet, options.verbose)
    check(request, asked, os.environ)
    return 0


@command(app, panel=ACCOUNT)
def events(*, options: QueryOptions) -> int:
    r"""List the organisation's events.

    Prints a table on a terminal, else tab-separated lines: ID, date, status and name.

    Examples:
        ninepic events
        # IDs of the events in 2025
        ninepic events | awk -F '\t' '$2 ~ /^2025/ { print $1 }'
    """
    from ninepic_cli.commands.events import list_events  # noqa: PLC0415 (help does not need it)

    return _ask(list_events, _load_credentials(None, options, needs_event=False), options)


@command(app, panel=ACCOUNT)
def event(
    event_id: Annotated[
        str | None,
        argument(
            "ID",
            "Event ID, a positive integer. [default: the configured one]",
            WHAT,
            autocompletion=completion.event_ids,
        ),
    ] = None,
    *,
    event: str | None = None,
    options: QueryOptions,
) -> int:
    """Show an event: its searches and its number of photos.

    Examples:
        ninepic event 456
        # print the number of photos, for a script
        ninepic event 456 --json | jq .photos
    """
    from ninepic_cli.commands.events import show_event  # noqa: PLC0415 (help does not need it)

    if event_id is not None and event not in {None, event_id}:
        raise UsageError("two events given", hint="omit ID or --event")
    if event_id is not None:
        from ninepic_cli.config.schema import SETTINGS  # noqa: PLC0415 (help does not need it)

        SETTINGS["event_id"].parse(event_id, name="event")
    return _ask(show_event, _load_credentials(event if event_id is None else event_id, options), options)


app.add_typer(config.app, rich_help_panel=ACCOUNT)


@command(app, panel=TRY)
def demo(
    output: Annotated[
        Path, option("-o, --output DIR", "Target directory, created if missing. [default: ./ninepic-demo]", WHERE)
    ] = Path("ninepic-demo"),
    *,
    no_progress: bool = False,
) -> int:
    """Try a download without an account or network.

    Downloads 47 photos from a mock of the service inside this command.

    Examples:
        ninepic demo
    """
    from ninepic_cli.commands.sandbox import run_demo  # noqa: PLC0415 (help does not need it)

    return run_demo(output, bars=not no_progress)


@command(app, panel=TRY)
def sandbox(  # noqa: PLR0913, PLR0917 (each is an option)
    photos: Annotated[int, option("--photos N", "Number of photos. [default: 47]", min=0, max=1_000_000)] = 47,
    size: Annotated[
        int, option("--size BYTES", "Size of each photo. [default: 200000]", min=40_000, max=1 << 30)
    ] = 200_000,
    link_life: Annotated[
        float, option("--link-life SECONDS", "Lifetime of links. [default: 3600]", min=0.1, max=604800)
    ] = 3600.0,
    rate: Annotated[
        float,
        option("--rate N", "Request rate above which the API returns 429, per second; 0 for none. [default: 0]", min=0),
    ] = 0.0,
    latency: Annotated[
        float, option("--latency SECONDS", "Delay of each response. [default: 0]", min=0, max=3600)
    ] = 0.0,
    failures: Annotated[
        float, option("--failures SHARE", "Share of photo requests that fail, 0 to 1. [default: 0]", min=0, max=1)
    ] = 0.0,
    seed: Annotated[int, option("--seed N", "Seed for photos and failures. [default: 1]")] = 1,
    port: Annotated[
        int, option("--port PORT", "Port of the API; 0 for any free port. [default: 0]", min=0, max=65535)
    ] = 0,
    faults: Annotated[
        Path | None, option("--faults FILE", "Fault plan, a JSON list (see man ninepic-sandbox).")
    ] = None,
    log: Annotated[Path | None, option("--log FILE", "Append one JSON object per request to FILE.")] = None,
) -> int:
    """Run a mock server of the service on loopback, for people writing scripts.

    Prints the variables to export on standard output, and its bibs and face searches on standard error. Runs until
    interrupted.

    Examples:
        ninepic sandbox > sandbox.env &
        sleep 1; . ./sandbox.env; ninepic bib 1234 -o ./photos
        # links that expire during the download, and storage that fails now and then
        ninepic sandbox --photos 300 --link-life 5 --failures 0.05
    """
    from ninepic_cli.commands.sandbox import SandboxOptions, serve  # noqa: PLC0415 (help does not need it)

    return serve(SandboxOptions(photos, size, link_life, rate, latency, failures, seed, port, faults, log))


@command(app, "completions", TRY)
def completions_(
    shell: Annotated[
        str, argument("SHELL", "bash, zsh, fish or powershell.", autocompletion=lambda: list(completion.FILES))
    ],
) -> int:
    """Print the completion script for a shell.

    Only needed if your installation has not set up completions.

    Examples:
        # in ~/.bashrc; for zsh, the same with zsh in ~/.zshrc
        source <(ninepic completions bash)
        # fish, once
        ninepic completions fish > ~/.config/fish/completions/ninepic.fish
    """
    typer.echo(completion.script(shell), nl=False)
    return 0


@command(app, "help", TRY)
def help_(
    words: Annotated[
        list[str] | None, argument("COMMAND", "Command to show the help of.", WHAT, autocompletion=completion.commands)
    ] = None,
) -> int:
    """Show the help of a command, as --help.

    Examples:
        ninepic help bib
        ninepic help config set
    """
    return int(app([*(words or ()), "--help"], prog_name="ninepic", standalone_mode=False) or 0)


@command(app, panel=TRY)
def version() -> int:
    """Show the version, as --version.

    Examples:
        ninepic version
    """
    typer.echo(f"ninepic {__version__}")
    return 0


def _load_credentials(event_id: str | None, options: QueryOptions, *, needs_event: bool = True) -> Credentials:
    """Who asks, about which event."""
    from ninepic_cli.config.settings import load_settings  # noqa: PLC0415 (help does not need it)

    given = {"event_id": event_id, "org_id": options.org}
    settings = load_settings(given, environ=os.environ, config=options.config, profile=options.profile)
    for warning in () if options.quiet else settings.warnings:
        print_warning(warning)
    return settings.require_credentials(event=needs_event)


def _ask(
    question: "Callable[[Credentials, QuestionOptions, Mapping[str, str]], None]",
    credentials: Credentials,
    options: QueryOptions,
) -> int:
    from ninepic_cli.commands.events import QuestionOptions  # noqa: PLC0415 (help does not need it)

    asked = QuestionOptions(
        timeout_s=options.timeout,
        retries=options.retries,
        give_up_after_s=options.give_up_after,
        json=options.json,
        quiet=options.quiet,
        verbose=options.verbose,
    )
    question(credentials, asked, os.environ)
    return 0


def call(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; returns its exit status.

    Raises:
        NinepicError: it could not do its work.
    """
    if (status := completion.answer_shell(app)) is not None:
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
        from ninepic_cli.cli.usage import usage_error  # noqa: PLC0415 (not needed for a call that is right)

        if usage := usage_error(error, argv):
            raise usage from None
        raise
