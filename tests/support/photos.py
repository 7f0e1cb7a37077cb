"""Photos as the service lists them, for tests of the parts."""

from ninepic_cli.models import Method, Photo


def photo(image_id: str, bib: str = "7", method: Method = Method.BIB) -> Photo:
    """A photo of a bib, or of another search."""
    return Photo(image_id, f"{image_id}.jpg", ".jpg", bib, method, 1)


def photos(count: int) -> list[Photo]:
    """Photos with the ids 0, 1, 2 and so on."""
    return [photo(str(number)) for number in range(count)]
