"""What a K3s server has on its disk: authorities, tokens and a database as kine keeps it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_KINE = """CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
  create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB)"""
ROWS = ("/registry/namespaces/kube-system", "/registry/minions/demo-home-1")
TOKEN = f"K10{'cd' * 32}::server:0123456789abcdef"


def fill(home: Path, rows: tuple[str, ...] = ROWS) -> Path:
    """Lay everything into K3s's folder of a server; returns the database."""
    for name in ("tls/server-ca.crt", "tls/server-ca.key", "tls/client-ca.crt", "tls/client-ca.key"):
        put(home / name, f"the content of {name}")
    put(home / "tls/service.key", "a key")
    put(home / "tls/serving-kube-apiserver.crt", "made anew at every start")
    put(home / "tls/etcd/server-ca.crt", "etcd's authority")
    put(home / "cred/passwd", "password,server,server,")
    put(home / "token", TOKEN)
    database = home / "db/state.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute(_KINE)
        made.executemany("INSERT INTO kine (name, deleted) VALUES (?, 0)", [(row,) for row in rows])
        made.commit()
    return database


def put(path: Path, text: str) -> None:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
