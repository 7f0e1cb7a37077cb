"""The entry point: what can be answered at once is answered before anything else is imported."""

import sys

from ninepic_cli import __version__


def run() -> None:
    """The console script."""
    try:
        from ninepic_cli.system.streams import open_standard_streams  # noqa: PLC0415 (an interrupt may come already)

        open_standard_streams()
        if sys.argv[1:] in (["-V"], ["--version"]) and _is_said(f"ninepic {__version__}\n"):
            return
        from ninepic_cli.cli.main import run as enter  # noqa: PLC0415 (not needed for the answer above)

        enter()
    except KeyboardInterrupt:
        import signal  # noqa: PLC0415 (not needed otherwise)

        from ninepic_cli.cli.main import die_by  # noqa: PLC0415

        die_by(signal.SIGINT)


def _is_said(text: str) -> bool:
    """Whether it could be written; the door knows what to do where not."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True


if __name__ == "__main__":
    run()
