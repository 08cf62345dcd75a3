"""A store that several machines share: PostgreSQL by psycopg 3, which is an extra and loaded only here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from du_infra.errors import SpecError, ToolMissing
from du_infra.release.secrets import read_source
from du_infra.spec.container import SecretSource

PREFIX = "postgresql"
_RETRY_FOR_SECONDS, _RETRY_AFTER = 5.0, 0.5
_ASK_AFTER_SECONDS = 0.1
_SETTINGS = "-c lock_timeout=15s -c statement_timeout=60s -c idle_in_transaction_session_timeout=15s"
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "du-infra",
    # A peer that was cut off is noticed within 15 s, whatever it was doing.
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    # Prepared statements outlive a migration badly, and do not pass every pooler.
    "prepare_threshold": None,
}


_engines: dict[tuple[str, SecretSource | None, Path, int], Engine] = {}
_making = threading.Lock()


def engine_of(url: str, password: SecretSource | None, folder: Path, *, connections: int = 5) -> Engine:
    """The one engine of this process for a database: all regions share its connections.

    ``password``: where it is; it is read for each new connection, so that another one counts at once. Raises SpecError
    for what is no URL, ToolMissing where the driver is not installed.
    """
    key = (url, password, folder, connections)
    with _making:
        if key not in _engines:
            _engines[key] = _made(url, password, folder, connections)
        return _engines[key]


def close() -> None:
    """End every connection of this process; the next one who asks gets new ones."""
    with _making:
        for engine in _engines.values():
            engine.dispose()
        _engines.clear()


def _made(url: str, password: SecretSource | None, folder: Path, connections: int) -> Engine:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        todo = "pip install 'du-infra[postgres]'"
        raise ToolMissing("the driver for PostgreSQL is not installed", where="state", todo=todo) from error
    options: dict[str, Any] = {"pool_size": connections, "max_overflow": connections, "pool_use_lifo": True}
    options |= {"pool_timeout": 30, "hide_parameters": True, "use_native_hstore": False}
    engine = create_engine(_parsed(url), **options)
    read = None if password is None else lambda: read_source("state_password", password, folder).rstrip("\r\n")
    _connects(engine, shown(url), read)
    _explains(engine, shown(url))
    _outlives_restarts(engine)
    return engine


def shown(url: str) -> str:
    """The URL for people: without options, and without a password if one should ever be in it."""
    return _parsed(url).set(query={}, drivername=PREFIX).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url).set(drivername=f"{PREFIX}+psycopg")
    except (ArgumentError, ValueError):
        raise SpecError(
            "this is no address of a PostgreSQL", where="state", todo="write postgresql://USER@HOST/DATABASE"
        ) from None


def _connects(engine: Engine, where: str, password: Callable[[], str] | None) -> None:
    """Nothing has been asked of a server before there is a connection, so that making one can be tried again."""
    import psycopg

    from du_infra.store.complaints import cannot_connect, passes_soon

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, record: object, args: list[Any], wanted: dict[str, Any]) -> DBAPIConnection:
        given = {**_DEFAULTS, **wanted}
        given["options"] = " ".join(filter(None, [_SETTINGS, wanted.get("options")]))
        if password:
            given["password"] = password()
        deadline = time.monotonic() + _RETRY_FOR_SECONDS
        while True:
            try:
                return dialect.connect(*args, **given)
            except psycopg.Error as error:
                if not passes_soon(error) or time.monotonic() + _RETRY_AFTER > deadline:
                    raise cannot_connect(error, where) from None
            time.sleep(_RETRY_AFTER)


def _outlives_restarts(engine: Engine) -> None:
    """A connection that the server may have lost while nobody used it is asked whether it is well, else made anew.

    Not each time: a server is away for longer than a busy connection is not used, and asking doubles what it has to do.
    """
    import psycopg

    @event.listens_for(engine, "checkin")
    def used(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def look(connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get("used", time.monotonic()) < _ASK_AFTER_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise InvalidatePoolError from error


def _explains(engine: Engine, where: str) -> None:
    """Every statement that fails says so in our words."""
    import psycopg

    from du_infra.store.complaints import failed

    @event.listens_for(engine, "handle_error")
    def explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, psycopg.Error):
            words = failed(error, where, cut=context.is_disconnect)
            if words:
                raise words from None
