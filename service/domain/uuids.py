"""UUIDs in the two versions of RFC 9562 that the service uses."""

import random
import time


def time_ordered_uuid() -> str:
    """A random UUID of version 7. It begins with the time, so that new rows share pages of the index."""
    # It must be unique, not secret, and a system call for each would take longer than the rest.
    milliseconds = time.time_ns() // 1_000_000
    return uuid_of(f"{milliseconds:012x}{random.getrandbits(80):020x}", version=7)


def uuid_of(digits: str, version: int) -> str:
    """The first 32 hexadecimal digits as a UUID; RFC 9562 reserves one digit and two bits for version and variant."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
