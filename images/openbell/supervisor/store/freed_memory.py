"""Returns memory to the machine after a long history has been read."""

import ctypes
import gc


def release_freed_memory() -> None:
    """Return freed memory to the kernel, where the C library can (glibc); later collections skip the objects that exist now."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
