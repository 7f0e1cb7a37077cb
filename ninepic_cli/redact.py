"""Keys cut out of anything that is shown."""

_VISIBLE_LENGTH = 5
_SHORT_KEY_LENGTH = 10


def mask_key(key: str) -> str:
    """A key as it may be shown: its first five characters, none of a short one."""
    return f"{key[:_VISIBLE_LENGTH]}***" if len(key) >= _SHORT_KEY_LENGTH else "***"
