"""Names that no file should have."""

import unicodedata
import uuid
from pathlib import Path

NOT_ON_WINDOWS = frozenset('<>:"/\\|?*')
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"]
)
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def flaws(name: str) -> list[str]:
    """What is wrong with a name, on any system."""
    checks = {
        "empty": not name,
        "not Unicode": any(unicodedata.category(char) == "Cs" for char in name),
        "too long": len(name.encode(errors="surrogatepass")) > 255,
        "not NFC": unicodedata.normalize("NFC", name) != name,
        "forbidden character": not NOT_ON_WINDOWS.isdisjoint(name),
        "unseen character": any(unicodedata.category(char) in UNSEEN for char in name),
        "leading dot or dash": name.startswith((".", "-")),
        "trailing dot or space": name.endswith((".", " ")),
        "way up": ".." in name,
        "device": name.partition(".")[0].strip().upper() in DEVICES,
        "not one component": len(Path(name).parts) != 1 or Path("folder", name).parent != Path("folder"),
    }
    return [flaw for flaw, is_there in checks.items() if is_there]


def image_id(number: int) -> str:
    """An image id as the service has them."""
    return str(uuid.UUID(int=number * 0x1_0000_0001_0000_0001, version=4))
