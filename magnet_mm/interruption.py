# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What happens to files and worker processes when a run is told to stop, or its process dies."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def exit_on_sigterm() -> None:
    """Let SIGTERM end the process as Ctrl-C does: files are tidied up, workers stopped.

    By default SIGTERM ends it at once. Exit code 143, as a shell reports it. Nothing is changed
    outside the main thread and where somebody has set a handler of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)


def _stop(*_: Any) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would report the workers as crashed
    for child in multiprocessing.active_children():
        if child.daemon:  # waiting for a busy loader worker takes torch five seconds
            child.terminate()
    sys.exit(128 + signal.SIGTERM)


class EndsWithParent:
    """A data loader's ``worker_init_fn`` that ends the worker when the main process ends.

    Without it a worker notices seconds later that nobody reads what it loads. Linux only;
    elsewhere it does nothing more than ``then``.

    Args:
        then: What the data loader called before, with the number of the worker.
    """

    def __init__(self, then: Callable[[int], Any] | None = None) -> None:
        self.parent = os.getpid()
        self.then = then

    def __call__(self, worker: int) -> None:
        """In the worker."""
        if sys.platform == 'linux':
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != self.parent:  # it ended before the line above
                os._exit(1)
        if self.then is not None:
            self.then(worker)
