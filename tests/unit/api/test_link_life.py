"""How long a link lives, by its own words and the clock of its arrival."""

import math
import time

import pytest

from ninepic_cli.api.links import parse_link


@pytest.mark.parametrize(
    ("query", "life_s", "spare_s"),
    [
        ("?X-Amz-Expires=7&a=b", 7, 0.7),
        ("?a=b&X-Amz-Expires=600", 600, 60),
        ("?X-Amz-Expires=86400&X-Amz-Signature=1", 86400, 60),
    ],
)
def test_a_link_is_renewed_before_it_expires(query: str, life_s: float, spare_s: float) -> None:
    """A link is renewed a minute before it expires, or a tenth of its life where that is less."""
    link = parse_link(f"https://s.test/a.jpg{query}")
    assert 0 <= time.monotonic() + life_s - link.expires_at_s < 5
    assert link.expires_at_s - link.renew_at_s == pytest.approx(spare_s)


@pytest.mark.parametrize("query", ["", "?X-Amz-Expires=0", "?X-Amz-Expires=soon", "?NotX-Amz-Expires=7"])
def test_a_link_that_does_not_say_how_long_it_lives(query: str) -> None:
    """A link without a life that could be believed is used until storage refuses it."""
    assert (link := parse_link(f"https://s.test/a.jpg{query}")).renew_at_s == link.expires_at_s == math.inf
