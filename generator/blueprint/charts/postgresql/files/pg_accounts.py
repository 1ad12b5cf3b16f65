"""Roles and databases as the values and the Secrets want them, made and kept by the primary's agent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pg_scram
import psycopg2
from psycopg2 import sql


@dataclass(frozen=True)
class Database:
    """A database, its owner and the owner's password."""

    name: str
    owner: str
    password: str


@contextmanager
def primary(sockets: str, user: str) -> Iterator[Any]:
    """A cursor of this pod's own PostgreSQL in autocommit. Raises psycopg2.Error.

    What is made here is made anew wherever it is missing, so no statement waits for a standby.
    """
    options = "-c synchronous_commit=local -c statement_timeout=20000 -c lock_timeout=5000"
    connection = psycopg2.connect(host=sockets, user=user, dbname="postgres", connect_timeout=5, options=options)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def is_primary(cursor: Any) -> bool:
    """Whether this PostgreSQL takes writes."""
    cursor.execute("SELECT NOT pg_is_in_recovery()")
    return bool(cursor.fetchone()[0])


def keep_passwords(cursor: Any, passwords: dict[str, str]) -> list[str]:
    """Give every role of `passwords` that is there its password where it has another; returns whose changed."""
    there = [role for role in passwords if _exists(cursor, role)]
    return [role for role in there if _set_password(cursor, role, passwords[role])]


def keep_database(cursor: Any, wanted: Database) -> list[str]:
    """Make the database, its owner and the owner's password what they should be; returns what was done."""
    done = []
    if not _exists(cursor, wanted.owner):
        cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(wanted.owner)))
        done.append(f"made the role {wanted.owner}")
    if _set_password(cursor, wanted.owner, wanted.password):
        done.append(f"set the password of {wanted.owner}")
    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (wanted.name,))
    if cursor.fetchone() is None:
        # Template 0: whatever somebody put into template1 has no place here.
        make = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        cursor.execute(make.format(sql.Identifier(wanted.name), sql.Identifier(wanted.owner)))
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(wanted.name)))
        done.append(f"made the database {wanted.name}")
    return done


def _exists(cursor: Any, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return cursor.fetchone() is not None


def _set_password(cursor: Any, role: str, password: str) -> bool:
    cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (role,))
    if pg_scram.matches(password, cursor.fetchone()[0]):
        return False
    change = sql.SQL("ALTER ROLE {} PASSWORD {}")
    cursor.execute(change.format(sql.Identifier(role), sql.Literal(pg_scram.verifier(password))))
    return True
