"""Keys and links cut out of anything that is shown: the service's texts and names may quote them."""

import re

# Compiled at first use, since help needs none of them. The first is a link's query, or a part of it, however often it
# was encoded; bounded, because a text may be long, and made up.
_SIGNATURE = r"(?i)\?[^\s?]*X-Amz-\S*|X-Amz-[A-Za-z0-9-]{1,40}['\"]?(?:\s*:\s*|=|%(?:25)*3D)['\"]?[^\s&'\"]*"
_QUERY_START = r"(?i)\?|%(?:25)*3f|\uff1f|(?:%(?:25)*[0-9a-f]{2}|[^0-9a-z])?x-amz-"
_ASSIGNMENT = r"(?i)=|%(?:25)*3d"
_VISIBLE_LENGTH = 5
_SHORT_KEY_LENGTH = 10


def mask_key(key: str) -> str:
    """A key as it may be shown: its first five characters, none of a short one."""
    return f"{key[:_VISIBLE_LENGTH]}***" if len(key) >= _SHORT_KEY_LENGTH else "***"


def mask_if_key(word: str) -> str:
    """A word that was given at a wrong place, as it may be shown: masked where it may be a key."""
    is_key = re.fullmatch(r"(?=.*[0-9])(?=.*[A-Za-z])[\w.~+-]{24,}=*", word)
    return mask_key(word) if is_key else word


def redact_secrets(text: str, *, key: str = "", mark: str = "***") -> str:
    """A text without the key, and without what signs a link; `mark` stands in their places."""
    return re.sub(_SIGNATURE, mark, text.replace(key, mark) if key else text)


def redact_filename(name: str) -> str:
    """A name for a file without the query of the link that it may have been cut out of."""
    found = re.search(_QUERY_START, name)
    is_query = found and re.search(_ASSIGNMENT, name[found.start() :])
    return redact_secrets(name[: found.start()] if found and is_query else name, mark="")
