"""Processes that programs start for work that takes long."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process when the one that started it is gone; killed, that could not tell it to."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
