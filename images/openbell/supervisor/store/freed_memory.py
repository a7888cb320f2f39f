"""Returns memory to the machine after a long history has been read, and after pages of many bots were made."""

import ctypes
import gc


def release_freed_memory() -> None:
    """Return freed memory to the kernel; later collections skip the objects that exist now."""
    gc.collect()
    gc.freeze()
    return_freed_memory()


def return_freed_memory() -> None:
    """Return freed memory to the kernel, where the C library can (glibc): a few milliseconds."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
