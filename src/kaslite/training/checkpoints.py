"""The checkpoints of a run: which there are, which is good, and when the next one may be written.

Not for: what is in one; nor how it lies in its file, that is `kaslite.training.checkpoint_file`.
"""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

from kaslite.errors import NewerFormatError, StorageError, UsageError
from kaslite.training.checkpoint_file import HALF_WRITTEN, read_tree, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger("kaslite")

_NAME = re.compile(r"epoch_(\d{6,})\.safetensors")
_MARGIN = 1.5  # a write may take this much longer than the longest of the last three


@final
class Checkpoints:
    """The last few checkpoints of one run, in one folder; one writer at a time.

    Args:
        folder: made at the first write.
        keep: how many are kept.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        if keep < 1:
            raise UsageError(f"keep is {keep}, but at least 1 checkpoint has to be kept.")
        self._folder = folder
        self._keep = keep

    def write(self, epoch: int, tree: Any) -> Path:
        """Write the checkpoint of an epoch, then remove what it makes needless.

        That is: all but the last ones, what a killed process left half-written, and checkpoints of later epochs. Those
        were damaged, or else the run would have gone on from them.

        Raises:
            UsageError: if something in the tree cannot be stored.
            StorageError: if the folder cannot be written to; the earlier checkpoints are there then.
        """
        path = self._folder / f"epoch_{epoch:06d}.safetensors"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for half in self._folder.glob(f"epoch_*{HALF_WRITTEN}"):
                half.unlink(missing_ok=True)
            write_tree(path, tree)
            for other in self._needless(epoch):
                other.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot write to the folder of checkpoints {self._folder}: {error.strerror}.") from error
        return path

    def latest(self) -> tuple[Path, Any] | None:
        """Return the newest checkpoint that reads well, and its tree; ``None`` if there is none.

        A damaged one is passed over, with a warning that says what is used instead.

        Raises:
            NewerFormatError: if the newest that reads well was written by a newer kaslite.
        """
        damages = []
        found = None
        for _, path in sorted(self._there(), reverse=True):
            try:
                found = path, read_tree(path)
            except NewerFormatError:
                raise
            except StorageError as error:
                damages.append(error)
            else:
                break
        for damage in damages:
            _log.warning("%s Using %s instead.", damage, found[0].name if found else "none, since no older one reads well,")
        return found

    def _there(self) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob("epoch_*"):
            if name := _NAME.fullmatch(path.name):
                yield int(name[1]), path

    def _needless(self, epoch: int) -> list[Path]:
        there = sorted(self._there(), reverse=True)
        later = [path for other, path in there if other > epoch]
        return later + [path for _, path in there[len(later) :]][self._keep :]


@final
class Cadence:
    """Says when a checkpoint may be written, so that writing them takes at most a share of the time.

    The time that a write will take is told from the last ones, with a margin, so that it may vary and grow.

    Args:
        share: of the wall time since this object was made, in (0, 1).
        first_write_s: what the first write is thought to take, in seconds. If it takes longer, the share is passed once, and
            nothing is written until it is kept again.
        clock: returns seconds.
    """

    def __init__(
        self, share: float = 0.02, *, first_write_s: float = 0.01, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not 0 < share < 1:
            raise UsageError(f"share is {share}, but it has to lie between 0 and 1, both excluded.")
        self._share = share
        self._first_write_s = first_write_s
        self._clock = clock
        self._began_s = clock()
        self._spent_s = 0.0
        self._last_writes_s: deque[float] = deque(maxlen=3)

    def due(self) -> bool:
        """Return whether a checkpoint that is written now keeps the share."""
        next_write_s = _MARGIN * max(self._last_writes_s, default=self._first_write_s)
        return self._spent_s + next_write_s <= self._share * (self._clock() - self._began_s)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Measure the write that is carried out inside."""
        started_s = self._clock()
        try:
            yield
        finally:
            taken_s = self._clock() - started_s
            self._spent_s += taken_s
            self._last_writes_s.append(taken_s)
