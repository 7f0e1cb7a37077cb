"""Commands, options and help text; wires the parts together."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ninepic_cli import __version__
from ninepic_cli.cli import completion as completions
from ninepic_cli.cli import config
from ninepic_cli.cli.help import Command, Group
from ninepic_cli.cli.options import (
    NO_PROGRESS,
    Config,
    Event,
    Folders,
    ListOptions,
    Options,
    Org,
    PartOptions,
    Profile,
    QueryOptions,
    Since,
    Timeout,
    Until,
    option,
    with_options,
)
from ninepic_cli.cli.reference import ACCOUNT, DOWNLOAD, TRY, WHAT, WHERE
from ninepic_cli.models import Method
from ninepic_cli.system.output import print_err

app = typer.Typer(
    name="ninepic",
    cls=Group,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
_WELCOME = """\
ninepic downloads the original photos of 9Pic events: whole, resumable, scriptable.

See it work, without an account:   ninepic demo
Tell it who you are:               ninepic config init
Fetch somebody's photos:           ninepic bib 1234 -o ./photos

All commands and options:          ninepic --help"""


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, option("-V", "--version", is_eager=True, help="Show the version.")] = False,
) -> None:
    """Download the original photos of 9Pic events: whole, resumable, scriptable.

    Standard output carries data only, everything for people goes to standard error. Running a command again fetches
    what is missing and nothing else.

    Examples:
        # see it work, without an account
        ninepic demo
        # one runner's photos
        ninepic bib 1234 --event 456 -o ./photos
        # everybody's, each in a folder of their own
        ninepic bib --from-file bibs.txt --folders -o ./photos
    """
    if version:
        typer.echo(f"ninepic {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(_WELCOME)


@app.command(cls=Command, rich_help_panel=DOWNLOAD)
@with_options
def bib(
    bibs: Annotated[
        list[str] | None,
        typer.Argument(metavar="BIB", show_default=False, rich_help_panel=WHAT, help="Bib numbers."),
    ] = None,
    *,
    source: ListOptions,
    folders: Folders = False,
    options: Options,
) -> int:
    """Download the originals of one or more bib numbers.

    Examples:
        # one runner's photos
        ninepic bib 1234 --event 456 -o ./photos
        # a list of runners, each in a folder of their own; what failed goes into a list for the next run
        ninepic bib --from-file bibs.txt --folders -o ./photos --failed-to again.txt
        # a bib that starts with a dash
        ninepic bib -o ./photos -- -12
    """
    return _download(Method.BIB, bibs, source, options, folders=folders)


@app.command(cls=Command, rich_help_panel=DOWNLOAD)
@with_options
def selfie(
    request_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="REQUEST_ID", show_default=False, rich_help_panel=WHAT, help="Ids of face searches."),
    ] = None,
    *,
    source: ListOptions,
    folders: Folders = False,
    options: Options,
) -> int:
    """Download the originals of one or more face searches.

    Examples:
        # the photos that a selfie was found on
        ninepic selfie 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456 -o ./photos
        # only look what there is
        ninepic selfie 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --dry-run
    """
    return _download(Method.SELFIE, request_ids, source, options, folders=folders)


@app.command(cls=Command, rich_help_panel=DOWNLOAD)
@with_options
def image(
    image_id: Annotated[
        str, typer.Argument(metavar="IMAGE_ID", show_default=False, rich_help_panel=WHAT, help="A photo's id.")
    ],
    *,
    options: Options,
) -> int:
    """Download one original by its id.

    Examples:
        ninepic image 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --event 456
        # its path, for a script
        ninepic image 1b4e28ba-2fa1-11d2-883f-0016d3cca427 --json | jq -r 'select(.type == "photo") | .path'
    """
    return _download(Method.IMAGE, [image_id], ListOptions(), options)


@app.command(cls=Command, rich_help_panel=DOWNLOAD)
@with_options
def images(
    image_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE_ID", show_default=False, rich_help_panel=WHAT, help="Photos' ids."),
    ] = None,
    *,
    source: ListOptions,
    parts: PartOptions,
    options: Options,
) -> int:
    """Download many originals by their ids.

    Examples:
        # a list of ids, one a line
        ninepic images --from-file ids.txt --event 456 -o ./photos
        # what failed is written into the list itself: run it until nothing is left
        ninepic images --from-file ids.txt --failed-to ids.txt -o ./photos
        # on the third of eight machines
        ninepic images --from-file ids.txt --shard 3/8 -o ./photos
    """
    return _download(Method.IMAGES, image_ids, source, options, parts)


@app.command("all", cls=Command, rich_help_panel=DOWNLOAD)
@with_options
def all_(
    *,
    since: Since = None,
    until: Until = None,
    parts: PartOptions,
    options: Options,
) -> int:
    """Download every original of an event.

    Photos come in the order in which they were taken, those of unknown time last. Running it again fetches what has
    been added since. What --failed-to lists are ids of photos, for `ninepic images`.

    Examples:
        ninepic all --event 456 -o ./photos
        # 100,000 photos, in 256 folders
        ninepic all --event 456 --spread -o ./photos
        # how many are still to be fetched, and where they would go
        ninepic all --event 456 --dry-run | wc -l
        # of one morning, by the clock of the place
        ninepic all --event 456 --since 2025-09-14T06:00+02:00 --until 2025-09-14T12:00+02:00 -o ./photos
    """
    from ninepic_cli.cli.request import download_event  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_event(since, until, options, parts)


@app.command(cls=Command, rich_help_panel=ACCOUNT)
def ping(
    *, event: Event = None, org: Org = None, timeout: Timeout = 30.0, profile: Profile = None, config: Config = None
) -> int:
    """Check key, organisation and event, and say which of them is wrong.

    Examples:
        ninepic ping
        ninepic ping --org 123 --event 456
    """
    from ninepic_cli.commands.events import ping as asked  # noqa: PLC0415 (help does not need it)
    from ninepic_cli.config.settings import load_settings  # noqa: PLC0415

    settings = load_settings({"event_id": event, "org_id": org}, environ=os.environ, config=config, profile=profile)
    for warning in settings.warnings:
        print_err(f"ninepic: warning: {warning}")
    credentials = settings.require_credentials()
    asked(credentials, timeout_s=timeout, environ=os.environ)
    print_err(f"ok: the key is good for organisation {credentials.org_id} and event {credentials.event_id}")
    return 0


@app.command(cls=Command, rich_help_panel=ACCOUNT)
@with_options
def events(*, options: QueryOptions) -> int:
    r"""List the organisation's events.

    A table on a terminal; elsewhere a line for each event: id, date, status and name with tabs between.

    Examples:
        ninepic events
        # the ids of this year's
        ninepic events | awk -F '\t' '$2 ~ /^2025/ { print $1 }'
    """
    from ninepic_cli.cli.request import ask  # noqa: PLC0415
    from ninepic_cli.commands.events import list_events  # noqa: PLC0415 (help does not need it)

    return ask(list_events, options)


@app.command(cls=Command, rich_help_panel=ACCOUNT)
@with_options
def event(
    event_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            show_default=False,
            rich_help_panel=WHAT,
            help="Event, a whole number; the one that is set, unless given.",
            autocompletion=completions.event_ids,
        ),
    ] = None,
    *,
    event: Event = None,
    options: QueryOptions,
) -> int:
    """Show an event: which searches it has, and how many photos.

    Examples:
        ninepic event 456
        # the number of its photos, for a script
        ninepic event 456 --json | jq .photos
    """
    from ninepic_cli.cli.request import ask  # noqa: PLC0415
    from ninepic_cli.commands.events import show_event  # noqa: PLC0415 (help does not need it)

    return ask(show_event, options, event_id=event if event_id is None else event_id, event=True)


app.add_typer(config.app, rich_help_panel=ACCOUNT)


@app.command(cls=Command, rich_help_panel=TRY)
def demo(
    output: Annotated[
        Path,
        option(
            "-o",
            "--output",
            metavar="DIR",
            rich_help_panel=WHERE,
            help="Target folder, made if missing. [default: ./ninepic-demo]",
        ),
    ] = Path("ninepic-demo"),
    *,
    no_progress: Annotated[bool, NO_PROGRESS] = False,
) -> int:
    """See the main job at work: no account, no network.

    A stand-in of the service runs inside this command and hands out 47 photos.

    Examples:
        ninepic demo
    """
    from ninepic_cli.commands.sandbox import run_demo  # noqa: PLC0415 (help does not need it)

    return run_demo(output, bars=not no_progress)


@app.command(cls=Command, rich_help_panel=TRY)
def sandbox(  # noqa: PLR0913, PLR0917 (each is an option)
    photos: Annotated[int, option(metavar="N", min=0, max=1_000_000, help="Number of photos. [default: 47]")] = 47,
    size: Annotated[
        int, option(metavar="BYTES", min=40_000, max=1 << 30, help="Size of each photo. [default: 200000]")
    ] = 200_000,
    link_life: Annotated[
        float, option(metavar="SECONDS", min=0.1, max=604800, help="How long links live. [default: 3600]")
    ] = 3600.0,
    rate: Annotated[
        float,
        option(metavar="N", min=0, help="Requests a second before the API answers 429; 0 for any. [default: 0]"),
    ] = 0.0,
    latency: Annotated[
        float, option(metavar="SECONDS", min=0, max=3600, help="Delay of every answer. [default: 0]")
    ] = 0.0,
    failures: Annotated[
        float, option(metavar="SHARE", min=0, max=1, help="Share of photo requests that fail, 0 to 1. [default: 0]")
    ] = 0.0,
    seed: Annotated[int, option(metavar="N", help="Other photos, other failures. [default: 1]")] = 1,
    port: Annotated[
        int, option(metavar="PORT", min=0, max=65535, help="Port of the API; 0 for a free one. [default: 0]")
    ] = 0,
    faults: Annotated[
        Path | None, option(metavar="FILE", help="What goes wrong, and when: a JSON list (see man ninepic-sandbox).")
    ] = None,
    log: Annotated[Path | None, option(metavar="FILE", help="Add a line of JSON there for each request.")] = None,
) -> int:
    """Serve a stand-in of the service on loopback, for people writing scripts.

    It prints the variables to export on standard output, the bibs and searches that it knows on standard error, and
    serves until a signal ends it.

    Examples:
        ninepic sandbox > sandbox.env &
        sleep 1; . ./sandbox.env; ninepic bib 1234 -o ./photos
        # links that expire while the photos are fetched, and a store that fails now and then
        ninepic sandbox --photos 300 --link-life 5 --failures 0.05
    """
    from ninepic_cli.commands.sandbox import SandboxOptions, serve  # noqa: PLC0415 (help does not need it)

    return serve(SandboxOptions(photos, size, link_life, rate, latency, failures, seed, port, faults, log))


@app.command("completions", cls=Command, rich_help_panel=TRY)
def completions_(
    shell: Annotated[
        str,
        typer.Argument(
            metavar="SHELL",
            show_default=False,
            help="bash, zsh, fish or powershell.",
            autocompletion=completions.shell_names,
        ),
    ],
) -> int:
    """Print a shell's completion script.

    For installations that put none where the shell looks.

    Examples:
        # in ~/.bashrc, or in ~/.zshrc with zsh for bash
        source <(ninepic completions bash)
        # fish, once
        ninepic completions fish > ~/.config/fish/completions/ninepic.fish
    """
    typer.echo(completions.script(shell), nl=False)
    return 0


def call(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; returns its exit status.

    Raises:
        NinepicError: it could not do its work.
    """
    status = completions.answer_shell(app)
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
        from ninepic_cli.cli.usage import usage_error  # noqa: PLC0415 (not needed for a call that is right)

        usage = usage_error(error, argv)
        if usage is None:
            raise
        raise usage from None


def _download(
    method: Method,
    arguments: Sequence[str] | None,
    source: ListOptions,
    options: Options,
    parts: PartOptions | None = None,
    *,
    folders: bool = False,
) -> int:
    from ninepic_cli.cli.request import download_list, in_folders  # noqa: PLC0415 (help does not need what it takes to fetch)

    return download_list(
        method, arguments or (), source, in_folders(options) if folders else options, parts or PartOptions()
    )
