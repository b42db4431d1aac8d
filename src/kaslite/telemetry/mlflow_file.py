"""An MLflow store in a SQLite file: made whole or not at all, and asked whether it can be used, without MLflow's patience.

MLflow makes a store in a hundred steps: two programs that begin together break it, and so does the end of one of them in the
middle. Here it makes it in memory, which is quicker, too, and one transaction puts it into the file. Not for: what is in it.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from kaslite.errors import StorageError

SQLITE = "sqlite:///"
MOVE_AWAY = "move the file away, and the next run makes a new one"
"""What to do about a store that is broken."""

_WAITS_S = 60.0  # for another program that is making the store
_migrating = threading.Lock()  # MLflow's migrations know one store at a time


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a store; ``None`` if it is in none.

    >>> sqlite_file("sqlite:///mlflow.db"), sqlite_file("sqlite:///:memory:"), sqlite_file("http://there")
    (PosixPath('mlflow.db'), None, None)
    """
    path = uri.removeprefix(SQLITE)
    return None if path in {uri, "", ":memory:"} or "?" in path else Path(path)


def check_usable(file: Path) -> None:
    """Refuse a store that cannot be written to; one that is not there yet, or that somebody else writes to now, is usable.

    Raises:
        StorageError: with the reason.
    """
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            store.execute("ROLLBACK")
    except sqlite3.Error as error:
        if "locked" not in str(error):
            raise _not_usable(file, error) from error


def make_store(file: Path) -> None:
    """Make an empty store in a file that is not there, or empty; whoever else does the same at this time gets the same one.

    Raises:
        StorageError: if it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=_WAITS_S, isolation_level=None)) as store:
            if _has_tables(store):
                return
            statements = _empty_store()
            store.execute("BEGIN EXCLUSIVE")
            if not _has_tables(store):  # nobody was quicker
                for statement in statements:
                    store.execute(statement)
            store.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise _not_usable(file, error) from error


def _empty_store() -> list[str]:
    """Return the statements that make a store as this version of MLflow makes it."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with _migrating:
        made: Any = SqlAlchemyStore(f"{SQLITE}:memory:", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # type: ignore[no-untyped-call]
        with closing(made.engine.raw_connection()) as connection:
            dump = list(connection.driver_connection.iterdump())
    return [statement for statement in dump if statement not in {"BEGIN TRANSACTION;", "COMMIT;"}]


def _has_tables(store: sqlite3.Connection) -> bool:
    return store.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _not_usable(file: Path, error: Exception) -> StorageError:
    why = error.strerror if isinstance(error, OSError) else error
    remedy = (
        MOVE_AWAY if "not a database" in str(error) or "malformed" in str(error) else "make it a file that can be written to"
    )
    return StorageError(
        f"the store {file} cannot be used: {why}; {remedy}, or say in MLFLOW_TRACKING_URI where another one is."
    )
