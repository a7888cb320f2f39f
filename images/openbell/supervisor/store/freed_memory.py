"""Memory: what the reading of a long history has used goes back to the machine."""

import ctypes
import gc


def give_back() -> None:
    """Return freed memory to the kernel, where the C library can (glibc); what stays is looked through less often."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
