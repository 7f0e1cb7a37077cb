"""Text from elsewhere and quantities, put so that a person can read them. Imports nothing of ours."""


def plain(text: str, limit: int = 200) -> str:
    """The text as one line that does nothing to a terminal, of at most `limit` characters.

    White space of any kind becomes single spaces; control and direction characters, lone surrogates and the like
    are shown as escapes, so that what an attacker wrote can be seen and not felt.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(char if char.isprintable() else _escaped(char) for char in line)
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def encodable(text: str, encoding: str) -> str:
    """The text with what the encoding cannot say shown as escapes, so that its width is known before it is written."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """The number with its noun: "1 photo", "1,234 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size_text(size: float) -> str:
    """A number of bytes, in units of 1000: "612.3 MB"."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def time_text(seconds: float) -> str:
    """A length of time in its two largest units: "0.8 s", "41 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    large, small = (f"{hours} h", f"{minutes_left} min") if hours else (f"{minutes} min", f"{rest} s")
    return large if small.startswith("0 ") else f"{large} {small}"
