"""`--shard K/N`: a part of the photos for each of N machines. Pure.

Which part a photo falls into depends on its id alone: not on the order of a list, and not on what is added to it.
"""

import hashlib
import re
from dataclasses import dataclass

from ninepic_cli.errors import UsageError
from ninepic_cli.quoting import quoted

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts; `number` counts from 1."""

    number: int
    count: int

    @classmethod
    def of(cls, text: str) -> "Shard":
        """The part that a text such as `3/8` names.

        Raises:
            UsageError: it names none.
        """
        found = _FORM.fullmatch(text)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count:
            hint = "the first of eight parts is 1/8, the last 8/8"
            raise UsageError(f"--shard {quoted(text)} names no part of the photos", hint=hint)
        return cls(number, count)

    def has(self, image_id: str) -> bool:
        """Whether the photo falls into this part, and so into no other."""
        digest = hashlib.sha256(image_id.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[-8:]) % self.count == self.number - 1
