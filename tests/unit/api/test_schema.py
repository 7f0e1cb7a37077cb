"""Requests' bodies, and which identifiers go into one."""

import pytest

from ninepic_cli.api.schema import Query, queries
from ninepic_cli.models import Method


class TestQuery:
    """The request that a query becomes."""

    @pytest.mark.parametrize("method", [Method.BIB, Method.SELFIE, Method.IMAGE])
    def test_a_single_identifier_is_a_string(self, method: Method) -> None:
        """A bib, a request id or an image id is sent as a string."""
        assert Query(method, "0012").body() == {"method": method.value, "identifier": "0012"}

    def test_a_batch_is_a_list(self) -> None:
        """Many image ids are sent as a JSON array."""
        assert Query(Method.IMAGES, ("a", "b")).body() == {"method": "image_ids", "identifier": ["a", "b"]}

    @pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (60, [60]), (61, [60, 1]), (180, [60, 60, 60])])
    def test_batches_hold_at_most_sixty(self, count: int, sizes: list[int]) -> None:
        """Ids are cut into batches of the service's page size, the last one holding the rest; together they are all."""
        ids = [str(i) for i in range(count)]
        batches = queries(Method.IMAGES, ids)
        assert [len(batch.identifiers) for batch in batches] == sizes
        assert [name for batch in batches for name in batch.identifiers] == ids

    def test_image_ids_are_asked_for_in_batches(self) -> None:
        """The method with many identifiers yields one query for each batch."""
        ids = [str(i) for i in range(61)]
        assert queries(Method.IMAGES, ids) == [
            Query(Method.IMAGES, tuple(ids[:60])),
            Query(Method.IMAGES, ("60",)),
        ]

    @pytest.mark.parametrize("method", [Method.BIB, Method.SELFIE, Method.IMAGE])
    def test_other_methods_ask_one_by_one(self, method: Method) -> None:
        """Every bib, request id or single image is a query of its own."""
        assert queries(method, ["1", "2"]) == [Query(method, "1"), Query(method, "2")]
