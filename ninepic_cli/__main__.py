"""The entry point: `--version` is answered before anything else is imported."""

import sys

from ninepic_cli import __version__


def run() -> None:
    """The console script."""
    try:
        from ninepic_cli.system.streams import open_standard_streams  # noqa: PLC0415 (an interrupt may come already)

        open_standard_streams()
        if sys.argv[1:] in (["-V"], ["--version"], ["version"]) and _print_version():
            return
        from ninepic_cli.cli.main import run_and_exit  # noqa: PLC0415 (not needed for the version)

        run_and_exit(sys.argv[1:])
    except KeyboardInterrupt:
        import signal  # noqa: PLC0415 (not needed otherwise)

        from ninepic_cli.cli.main import die_by_signal  # noqa: PLC0415

        die_by_signal(signal.SIGINT)


def _print_version() -> bool:
    """Whether it could be written; where not, the command line's own option says it again, and why it cannot."""
    try:
        sys.stdout.write(f"ninepic {__version__}\n")
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True


if __name__ == "__main__":
    run()
