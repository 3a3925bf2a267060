"""Other values in the place of real ones: same length in characters and bytes, same kinds of characters, same shape.

The same value becomes the same value everywhere, different ones become different ones, also for a collation that takes
no notice of case: text up to 64 letters and digits, and every number, is permuted among all of its shape by a Feistel
network over HMAC (the idea of NIST SP 800-38G, with cycle walking for sizes that are no square). Longer text is shifted
letter by letter by a stream that depends on all of it, where two values meet with odds that need no thought. The key is
made for one run and kept nowhere.
"""

import datetime as dt
import functools
import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final

ROUNDS: Final = 6
MOST_BITS: Final = 240  # of what is permuted at once: half of it is far below what one HMAC gives
LONG: Final = 64
LONG_BYTES: Final = 30
SMALL: Final = 1 << 32  # below, a permutation keeps a value now and then; there it is made not to
BLOCK: Final = 128
STREAM: Final = 32
_CACHED: Final = 1 << 15
_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?([eE][+-]?\d+)?")
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?!\d)")
_IPV4: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(/\d+)?")
_IPV6: Final = re.compile(r"([0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}:?)((?:\d{1,3}\.){3}\d{1,3})?(/\d+)?")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{4}\1[0-9a-fA-F]{12}")
_JSON_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?', re.DOTALL)
_JSON_ESCAPE: Final = re.compile(r"(\\u[0-9a-fA-F]{4}|\\.)", re.DOTALL)

Place = tuple[str, int, bool]
"""The alphabet that a character is of, its place there, and whether it is a capital."""


class Substitution:
    """The substitution of one run."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        days = int.from_bytes(self._mac(b"days")[:4], "big") % 336
        self._back = dt.timedelta(days=30 + days)
        self._short = functools.lru_cache(_CACHED)(self._permuted)

    def text(self, value: str, codec: str = "utf-8") -> str:
        """Letters become letters of the same kind and case, digits become digits; everything else stays."""
        kept = value.rstrip(" ")  # most collations take no notice of spaces at the end
        changed = self._short(kept, codec) if len(kept) <= LONG else self._streamed(kept, codec)
        return changed + value[len(kept) :]

    def document(self, value: str, codec: str = "utf-8") -> str:
        """JSON: the texts in it, never the names; what stands behind a backslash stays."""

        def other(found: re.Match[str]) -> str:
            if found[2]:
                return found[0]
            parts = _JSON_ESCAPE.split(found[1])
            plain = self.text("".join(parts[::2]), codec)
            for place in range(0, len(parts), 2):
                parts[place], plain = plain[: len(parts[place])], plain[len(parts[place]) :]
            return f'"{"".join(parts)}"'

        return _JSON_STRING.sub(other, value)

    def email(self, value: str, codec: str = "utf-8") -> str:
        """An address of the same shape; the last part of its domain stays."""
        local, at, domain = value.rpartition("@")
        if not at:
            return self.text(value, codec)
        name, dot, top = domain.rpartition(".")
        return f"{self.text(local, codec)}@{self.text(name, codec)}{dot}{top if dot else self.text(top, codec)}"

    def password(self, value: str, codec: str = "utf-8") -> str:
        """A hash as Django writes it keeps its algorithm and cost; salt and hash are others."""
        parts = value.split("$")
        if len(parts) < 3:  # noqa: PLR2004 - algorithm, salt, hash
            return self.text(value, codec)
        hashed = [part if part.isdigit() else self.text(part, codec) for part in parts[-2:]]
        return "$".join([*parts[:-2], *hashed])

    def number(self, value: str, highest: int | None = None) -> str:
        """A number with as many digits before and behind its point, not above the highest, with the same sign."""
        found = _NUMBER.fullmatch(value)
        if not found:
            return value
        sign, whole, fraction, power = found.groups(default="")
        zeros = whole[: len(whole) - max(1, len(whole.lstrip("0")))]
        whole = whole[len(zeros) :]
        size, digits = len(whole), 10 ** len(fraction)
        low = 10 ** (size - 1) if size > 1 or sign or fraction else 0
        high = 10**size - 1
        if fraction and int(whole) == 0:  # a column may have no place before the point
            low = high = 0
        if highest is not None:
            high = min(high, highest + (1 if sign else 0))
        if not low <= int(whole) <= high:
            return value
        place = (int(whole) - low) * digits + int(fraction or 0)
        found_whole, found_fraction = divmod(self._other(place, (high - low + 1) * digits, b"number"), digits)
        point = f".{found_fraction:0{len(fraction)}}" if fraction else ""
        return f"{sign}{zeros}{found_whole + low}{point}{power}"

    def shift(self, value: str, earliest: dt.date = dt.date.min) -> str:
        """A date moved by as many days as every other date of this run; the time of day stays."""
        found = _DATE.match(value)
        if not found:
            return value
        try:
            day = dt.date(int(found[1]), int(found[2]), int(found[3]))
            moved = day - self._back if day - earliest > self._back else day + self._back
        except (ValueError, OverflowError):  # a zero date, and the last year there is
            return value
        return f"{moved.isoformat()}{value[found.end() :]}"

    def address(self, value: str, codec: str = "utf-8") -> str:
        """An IP address whose groups have as many digits."""
        if found := _IPV4.fullmatch(value):
            return f"{self._ipv4([found[place] for place in range(1, 5)])}{found[5] or ''}"
        if found := _IPV6.fullmatch(value):
            last = self._ipv4(found[2].split(".")) if found[2] else ""
            return f"{self._ipv6(found[1])}{last}{found[3] or ''}"
        return self.text(value, codec)

    def uuid(self, value: str, codec: str = "utf-8") -> str:
        """A UUID of the same version and form."""
        if not _UUID.fullmatch(value):
            return self.text(value, codec)
        digits = value.replace("-", "")
        free = digits[:12] + digits[13:16] + digits[17:]
        made = f"{self._other(int(free, 16), 16**30, b'uuid'):030x}"
        made = f"{made[:12]}{digits[12]}{made[12:15]}{digits[16]}{made[15:]}"
        if "-" in value:
            made = "-".join((made[:8], made[8:12], made[12:16], made[16:20], made[20:]))
        return made.upper() if value.isupper() else made.lower()

    def binary(self, value: bytes) -> bytes:
        """As many bytes."""
        if len(value) <= LONG_BYTES:
            return self._other(int.from_bytes(value, "big"), 256 ** len(value), b"bytes").to_bytes(len(value), "big")
        stream = hashlib.shake_256(self._mac(b"bytes", value)).digest(len(value))
        mixed = int.from_bytes(value, "big") ^ int.from_bytes(stream, "big")
        return mixed.to_bytes(len(value), "big")

    # --- text ------------------------------------------------------------------------------------------------------

    def _permuted(self, value: str, codec: str) -> str:
        places = [place_of(letter, codec) for letter in value]
        radices = [len(place[0]) for place in places if place]
        wanted = iter(self._mixed([place[1] for place in places if place], radices))
        return "".join(
            _cased(place[0][next(wanted)], capital=place[2]) if place else letter
            for letter, place in zip(value, places, strict=True)
        )

    def _mixed(self, digits: Sequence[int], radices: Sequence[int]) -> list[int]:
        """Digits with a radix each, as one number, permuted in parts; each depends on those before."""
        found: list[int] = []
        before, start = b"", 0
        while start < len(digits):
            number, size, end = 0, 1, start
            while end < len(digits) and size.bit_length() <= MOST_BITS:
                number, size = number * radices[end] + digits[end], size * radices[end]
                end += 1
            other = self._other(number, size, b"text" + before)
            part: list[int] = []
            for radix in reversed(radices[start:end]):
                other, digit = divmod(other, radix)
                part.append(digit)
            found += reversed(part)
            before, start = self._mac(b"before", before, number.to_bytes(32, "big")), end
        return found

    def _streamed(self, value: str, codec: str) -> str:
        # What differs in case only stays so: the stream is that of the folded text.
        stream = self._mac(b"stream", "".join(map(_folded, value)).encode("utf-8", "surrogatepass"))
        letters = list(value)
        for place, shift in enumerate(stream):
            letters[place::STREAM] = value[place::STREAM].translate(_shifted(shift, codec))
        return "".join(letters)

    def _ipv4(self, groups: Sequence[str]) -> str:
        bounds = [{1: (0, 9), 2: (10, 99)}.get(len(group), (100, 255)) for group in groups]
        if any(not low <= int(group) <= high for group, (low, high) in zip(groups, bounds, strict=True)):
            return ".".join(groups)
        digits = [int(group) - low for group, (low, _high) in zip(groups, bounds, strict=True)]
        found = self._mixed(digits, [high - low + 1 for low, high in bounds])
        return ".".join(str(digit + low) for digit, (low, _high) in zip(found, bounds, strict=True))

    def _ipv6(self, value: str) -> str:
        """Zeros before a group's first other digit stay: they decide how short the address is written."""
        groups = list(re.finditer(r"(?<![0-9a-f])0*([1-9a-f][0-9a-f]*)", value, re.IGNORECASE))
        starts = {group.start(1) for group in groups}
        free = [place for group in groups for place in range(group.start(1), group.end())]
        digits = [int(value[place], 16) - (place in starts) for place in free]
        found = self._mixed(digits, [16 - (place in starts) for place in free])
        letters = list(value)
        for place, digit in zip(free, found, strict=True):
            letters[place] = f"{digit + (place in starts):x}"
        made = "".join(letters)
        return made.upper() if value.isupper() else made

    # --- numbers ---------------------------------------------------------------------------------------------------

    def _other(self, number: int, size: int, tweak: bytes) -> int:
        """A permutation of the numbers below a size."""
        if size < 2:  # noqa: PLR2004 - one number has no other
            return number
        if size >= SMALL:
            return self._walk(number, size, tweak, self._forth)
        # One step on a ring of all of them, in an order that nobody knows: none stays where it is.
        return self._walk((self._walk(number, size, tweak, self._back_again) + 1) % size, size, tweak, self._forth)

    def _walk(self, number: int, size: int, tweak: bytes, way: Callable[[int, int, bytes], int]) -> int:
        side = math.isqrt(size - 1) + 1
        number = way(number, side, tweak)
        while number >= size:
            number = way(number, side, tweak)
        return number

    def _forth(self, number: int, side: int, tweak: bytes) -> int:
        left, right = divmod(number, side)
        for turn in range(ROUNDS):
            left, right = right, (left + self._turn(turn, right, tweak)) % side
        return left * side + right

    def _back_again(self, number: int, side: int, tweak: bytes) -> int:
        left, right = divmod(number, side)
        for turn in reversed(range(ROUNDS)):
            left, right = (right - self._turn(turn, left, tweak)) % side, left
        return left * side + right

    def _turn(self, turn: int, half: int, tweak: bytes) -> int:
        return int.from_bytes(hmac.digest(self._key, b"%d|%d|%b" % (turn, half, tweak), "sha256"), "big")

    def _mac(self, *parts: bytes) -> bytes:
        return hmac.digest(self._key, b"|".join(parts), "sha256")


@functools.lru_cache(_CACHED)
def place_of(letter: str, codec: str) -> Place | None:
    """Where a character stands among those that it may become; None for what stays.

    Those are the letters, or digits, of the same 128 characters of Unicode that take as many bytes: a script stays what
    it is, and so does the length. Capitals share the places of their small letters; what has no pair is among its like.
    """
    small, length = _folded(letter), _length(letter, codec)
    alphabet = _alphabet(ord(letter) // BLOCK, _kind(letter), codec, length) if length else ""
    return (alphabet, alphabet.index(small), small != letter) if small in alphabet and len(alphabet) > 1 else None


@functools.cache
def _alphabet(block: int, kind: str, codec: str, length: int) -> str:
    letters = map(chr, range(block * BLOCK, (block + 1) * BLOCK))
    return "".join(
        one for one in letters
        if kind and _kind(one) == kind and _folded(one) == one and _length(one, codec) == length
        and _length(_cased(one, capital=True), codec) == length
    )  # fmt: skip


def _kind(letter: str) -> str:
    if letter.isdecimal():
        return "digit"
    if not letter.isalpha():
        return ""
    return "paired" if _paired(letter) else "alone"


def _paired(letter: str) -> bool:
    """Whether a letter has exactly one other, large or small, among the same 128."""
    small, capital = letter.lower(), letter.upper()
    return (
        len(small) == len(capital) == 1
        and small != capital
        and letter in {small, capital}
        and small.upper() == capital
        and capital.lower() == small
        and ord(small) // BLOCK == ord(capital) // BLOCK
    )


def _folded(letter: str) -> str:
    return letter.lower() if _paired(letter) else letter


def _cased(letter: str, *, capital: bool) -> str:
    return letter.upper() if capital and _paired(letter) else letter


def _length(letter: str, codec: str) -> int:
    try:
        return len(letter.encode(codec))
    except UnicodeEncodeError:
        return 0


class _Shifted(dict[int, int]):
    """A table for `str.translate` that is filled as characters come."""

    def __init__(self, by: int, codec: str) -> None:
        self.by, self.codec = by, codec

    def __missing__(self, code: int) -> int:
        place = place_of(chr(code), self.codec)
        if place is None:
            self[code] = code
        else:
            alphabet, at, capital = place
            # Never by nothing: a letter stays only where it has no other.
            step = 1 + self.by % (len(alphabet) - 1)
            self[code] = ord(_cased(alphabet[(at + step) % len(alphabet)], capital=capital))
        return self[code]


@functools.cache
def _shifted(by: int, codec: str) -> _Shifted:
    return _Shifted(by, codec)
