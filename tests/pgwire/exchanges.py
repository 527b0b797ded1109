"""What clients send, and what PostgreSQL 15 answered: every rule of the protocol that a client can see.

    python -m tests.pgwire.exchanges PORT       ask a PostgreSQL 15 again (user tester, trust, UTC, read-only), and
                                                rewrite answers.json

Each exchange is a connection of its own. Statements are such as both understand.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from tests.support.pg_peer import (
    FLUSH,
    SYNC,
    TERMINATE,
    Replies,
    Said,
    bind,
    close,
    describe,
    execute,
    message,
    parse,
    query,
    startup,
)

ANSWERS = Path(__file__).with_name("answers.json")

THREE = "select n from (values (1), (2), (3)) as t(n)"
TEN = "select n from (values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) as t(n)"
ONE = "select 'one' as word"
ECHO = "select $1::text as word"


def run(sql: str, **options: bytes) -> bytes:
    """A statement by the unnamed portal, without its Sync."""
    return parse(sql) + bind() + describe() + execute()


EXCHANGES: dict[str, bytes] = {
    # Strings of SQL.
    "query": query(THREE),
    "query: none": query(""),
    "query: nothing but space and comments": query(" \n -- nothing\n /* /* nested */ */ ;; "),
    "query: several": query(f"{ONE}; {THREE}; {ONE};"),
    "query: several with an error": query(f"{ONE}; select nothing from nowhere; {ONE}") + query(ONE),
    "query: semicolons in quotes": query("select 'a;b' as word; select $$;$$ as word; select E'\\';' as word"),
    "query: quote without end": query("select 1; select 'abc"),
    "query: identifier without end": query('select "abc'),
    "query: comment without end": query("select 1 /* /* */"),
    "query: dollar quote without end": query("select $a$ $b$"),
    "query: table that is not there": query("select 1 from nowhere"),
    # Transactions.
    "transaction: commit": query("begin") + query(ONE) + query("commit"),
    "transaction: rollback": query("start transaction read only") + query("rollback") + query("abort"),
    "transaction: begin twice": query("begin") + query("begin") + query("end"),
    "transaction: none to end": query("commit") + query("rollback"),
    "transaction: failed": query("begin") + query("select 1 from nowhere") + query(ONE) + query("commit"),
    "transaction: failed and rolled back": query("begin; select 1 from nowhere") + query("rollback") + query(ONE),
    "transaction: failed in the extended protocol": (
        query("begin") + parse("select 1 from nowhere") + bind() + execute() + SYNC + run(ONE) + SYNC
        + query("rollback")
    ),
    "transaction: a string is one that nobody has begun": query(
        f"set local application_name to 'a'; declare c cursor for {ONE}; fetch c; show application_name"
    ) + query("show application_name") + query("fetch c"),
    "transaction: a string that fails takes its settings back": query(
        "set application_name to 'a'; select 1 from nowhere"
    ) + query("show application_name"),
    "transaction: begin in the middle of a string": query(
        "set application_name to 'a'; begin; set application_name to 'b'"
    ) + query("rollback; show application_name"),
    "transaction: commit in the middle of a string": query(
        "set application_name to 'a'; commit; select 1 from nowhere"
    ) + query("show application_name"),
    "transaction: savepoint in a string": query("select 'one' as word; savepoint a"),
    "transaction: discard in a string": query("select 'one' as word; discard all"),
    "transaction: savepoint takes settings back": query(
        "begin; set application_name to 'a'; savepoint s; set application_name to 'b'; rollback to s; show application_name"
    ) + query("select 1 from nowhere") + query("rollback to s; show application_name; commit"),
    "transaction: in the extended protocol": run("begin") + SYNC + run(ONE) + SYNC + run("commit") + SYNC,
    "savepoint": query("begin; savepoint a; savepoint b; release b; rollback to savepoint a; release savepoint a; commit"),
    "savepoint: saves from an error": (
        query("begin; savepoint a") + query("select 1 from nowhere") + query("rollback to a") + query(ONE) + query("commit")
    ),
    "savepoint: unknown": query("begin; release nothing") + query("rollback to nothing") + query("rollback"),
    "savepoint: outside": query("savepoint a") + query("release a") + query("rollback to a"),
    # Settings.
    "set: application_name": query("set application_name = 'x y'") + query("show application_name"),
    "set: reported ones come before ReadyForQuery": query(f"set application_name to 'a'; {ONE}; set timezone to 'Europe/Berlin'"),
    "set: same value again": query("set timezone to 'UTC'"),
    "set: time zone": query("set time zone 'Asia/Tokyo'; show time zone; set time zone default; show timezone"),
    "set: bad time zone": query("set timezone to 'Nowhere/Else'"),
    "set: bad encoding": query("set client_encoding to 'klingon'"),
    "set: names": query("set names 'UTF8'; show client_encoding"),
    "set: local": query("begin; set local application_name to 'a'; show application_name; commit; show application_name"),
    "set: local outside": query("set local application_name to 'a'") + query("show application_name"),
    "set: undone by rollback": query("begin; set application_name to 'a'") + query("rollback; show application_name"),
    "set: kept by commit": query("begin; set application_name to 'a'") + query("commit; show application_name"),
    "set: unchangeable": query("set server_version to '1'"),
    "set: value missing": query("set application_name to"),
    "set: in the extended protocol": run("set extra_float_digits = 3") + SYNC,
    "set: durations": query("set statement_timeout = 90000; show statement_timeout; set statement_timeout to '2min'; show statement_timeout"),
    "set: bad duration": query("set statement_timeout = 'soon'"),
    "set: custom": query("set my.own = 'value'; show my.own; reset my.own"),
    "set: transaction": query("set session characteristics as transaction isolation level serializable; show default_transaction_isolation"),
    "set: transaction isolation": query("begin; set transaction isolation level repeatable read; show transaction isolation level; commit; show transaction isolation level"),
    "reset": query("set application_name to 'a'; reset application_name; show application_name; reset all"),
    "show: described": run("show standard_conforming_strings") + SYNC,
    "show: with a limit": parse("show timezone") + bind() + execute(max_rows=1) + execute(max_rows=1) + execute() + SYNC,
    "show: again": parse("show timezone") + bind() + execute() + execute() + SYNC,
    "set: with a limit": parse("set timezone to 'UTC'") + bind() + execute(max_rows=1) + SYNC,
    "show: name as it is written": query("show DATESTYLE"),
    "show: unknown": query("show nothing_of_this_name"),
    "discard": query("discard all") + query("discard plans") + query("discard sequences"),
    "discard: in a transaction": query("begin; discard all") + query("rollback"),
    "nothing to listen to": query("unlisten *"),
    # Read-only.
    "write: create": query("create table t (a int)"),
    "write: create index": query("create unique index on t (a)"),
    "write: create view": query("create or replace view v as select 1"),
    "write: drop": query("drop table if exists t"),
    "write: alter": query("alter table t add b int"),
    "write: grant": query("grant select on t to public"),
    "write: comment": query("comment on table t is 'x'"),
    # Prepared statements.
    "extended": parse(THREE) + bind() + describe() + execute() + SYNC,
    "extended: empty": parse("") + bind() + describe() + execute() + SYNC,
    "extended: statement described": parse(ECHO, "s") + describe("S", "s") + SYNC,
    "extended: statement without rows described": parse("begin", "s") + describe("S", "s") + SYNC,
    "extended: parameter": parse(ECHO, oids=[25]) + bind([b"value"]) + execute() + SYNC,
    "extended: NULL": parse(ECHO) + bind([None]) + execute() + SYNC,
    "extended: binary result": parse(ECHO) + bind([b"value"], results=[1]) + describe() + execute() + SYNC,
    "extended: two statements": parse("select 1; select 2") + SYNC,
    "extended: statement known": parse(ONE, "s") + SYNC + parse(ONE, "s") + SYNC,
    "extended: unnamed statement again": parse(ONE) + parse(THREE) + bind() + execute() + SYNC,
    "extended: statement unknown": bind(statement="nothing") + SYNC + describe("S", "nothing") + SYNC,
    "extended: unnamed statement unknown": bind() + SYNC,
    "extended: portal unknown": execute("nothing") + SYNC + describe("P", "nothing") + SYNC,
    "extended: portal known": query("begin") + parse(ONE) + bind(portal="p") + bind(portal="p") + SYNC + query("rollback"),
    "extended: parameters missing": parse(ECHO, "s") + bind([], statement="s") + SYNC,
    "extended: too many parameters": parse(ONE, "s") + bind([b"1"], statement="s") + SYNC,
    "extended: wrong number of parameter formats": parse(ECHO) + bind([b"1"], formats=[0, 0]) + SYNC,
    "extended: wrong number of result formats": parse(ONE) + bind(results=[0, 1]) + SYNC,
    "extended: result formats of what gives no rows": parse("reset all") + bind(results=[0, 1]) + execute() + SYNC,
    "extended: write": parse("drop table t") + bind() + describe() + execute() + SYNC,
    "extended: unknown format": parse(ONE) + bind(results=[7]) + execute() + SYNC,
    "extended: skips to Sync after an error": (
        parse("select 1 from nowhere") + bind() + execute() + query(ONE) + SYNC + query(ONE)
    ),
    "extended: portal ends with its transaction": parse(ONE) + bind(portal="p") + SYNC + execute("p") + SYNC,
    "extended: statement survives": parse(ONE, "s") + SYNC + query("begin; rollback") + bind(statement="s") + execute() + SYNC,
    "extended: unnamed statement ends with a query": parse(ONE) + SYNC + query("") + bind() + SYNC,
    "extended: close": parse(ONE, "s") + close("S", "s") + bind(statement="s") + SYNC,
    "extended: close what is not there": close("S", "nothing") + close("P", "nothing") + SYNC,
    "extended: limit": query("begin") + parse(TEN) + bind() + execute(max_rows=4) + execute(max_rows=4) + execute(max_rows=4) + execute() + SYNC + query("commit"),
    "extended: limit that is the number of rows": query("begin") + parse(THREE) + bind() + execute(max_rows=3) + execute() + SYNC + query("commit"),
    "extended: limit across Sync": (
        query("begin") + parse(THREE) + bind(portal="p") + execute("p", 2) + SYNC + execute("p", 2) + SYNC
        + execute("p", 2) + SYNC + query("commit")
    ),
    "extended: run again what gives no rows": query("begin") + parse("set application_name to 'a'") + bind(portal="p") + execute("p") + execute("p") + SYNC + query("rollback"),
    "extended: pipeline": run(ONE) + run(THREE) + SYNC + run(ONE) + SYNC,
    "extended: pipeline with an error": run(ONE) + parse("select 1 from nowhere") + run(THREE) + SYNC + run(ONE) + SYNC,
    "extended: flush": parse(ONE) + FLUSH + bind() + FLUSH + execute() + FLUSH + SYNC,
    "extended: begin and query under one Sync": run("begin") + run(ONE) + SYNC + run("rollback") + SYNC,
    # SQL's own prepared statements.
    "deallocate": parse(ONE, "s") + SYNC + query("deallocate s") + query("deallocate prepare s") + query("deallocate all"),
    # Cursors.
    "cursor": query(f"begin; declare c cursor for {TEN}; fetch c; fetch 2 from c; fetch forward 3 in c; fetch all from c; fetch next from c; close c; commit"),
    "cursor: one string each": query("begin") + query(f"declare c no scroll cursor without hold for {TEN}") + query("fetch forward 4 from c") + query("move 3 in c") + query("move all from c") + query("fetch forward all from c") + query("commit"),
    "cursor: outside": query(f"declare c cursor for {TEN}"),
    "cursor: with hold": query(f"declare c cursor with hold for {THREE}") + query("fetch 2 from c") + query("fetch 2 from c") + query("close c"),
    "cursor: with hold, rolled back": query(f"begin; declare c cursor with hold for {THREE}; rollback; fetch c"),
    "cursor: with hold, committed": query(f"begin; declare c cursor with hold for {THREE}; fetch c; commit") + query(
        "begin; rollback"
    ) + query("fetch all from c"),
    "cursor: unknown": query("fetch from nothing") + query("close nothing"),
    "cursor: known": query(f"begin; declare c cursor for {ONE}; declare c cursor for {ONE}") + query("rollback"),
    "cursor: ends with its transaction": query(f"begin; declare c cursor for {ONE}; commit; fetch c"),
    "cursor: backward": query(f"begin; declare c no scroll cursor for {ONE}; fetch all from c; fetch backward 1 from c") + query("rollback"),
    "cursor: nothing more": query(f"begin; declare c cursor for {ONE}; fetch 0 from c; fetch 10 from c; fetch 10 from c; commit"),
    "cursor: close all": query(f"begin; declare c cursor for {ONE}; declare d cursor for {ONE}; close all") + query("fetch c") + query("rollback"),
    "cursor: quoted": query(f'begin; declare "My Cursor" cursor for {ONE}; fetch "My Cursor"; rollback'),
    "cursor: query that fails": query("begin; declare c cursor for select 1 from nowhere") + query("rollback"),
    "cursor: described as a portal": query(f"begin; declare c cursor for {ONE}") + describe("P", "c") + SYNC + execute("c") + SYNC + query("rollback"),
    "cursor: in the extended protocol": (
        run("begin") + run(f"declare c cursor for {TEN}") + SYNC + run("fetch 3 from c") + SYNC
        + run("move 2 from c") + SYNC + run("fetch all from c") + SYNC + run("close c") + run("commit") + SYNC
    ),
    "cursor: with a parameter": (
        run("begin") + parse(f"declare c cursor for {ECHO}", oids=[25]) + bind([b"value"]) + describe() + execute() + SYNC
        + run("fetch all from c") + SYNC + query("commit")
    ),
    "cursor: fetched in parts": query(f"begin; declare c cursor for {TEN}") + parse("fetch 5 from c") + bind() + execute(max_rows=3) + execute(max_rows=3) + SYNC + query("rollback"),
    "cursor: fetched twice by one portal": query(f"begin; declare c cursor for {TEN}") + parse("fetch 3 from c") + bind() + execute() + execute() + SYNC + query("rollback"),
    "cursor: over a portal": query("begin") + parse(TEN) + bind(portal="p") + SYNC + query("fetch 2 from p") + execute("p", 2) + SYNC + query("rollback"),
    # Messages.
    "message: function call": message("F", b"\0\0\0\1" + bytes(6)) + query(ONE),
    "message: copy without a copy": message("d", b"x") + message("c") + message("f", b"no\0") + query(ONE),
    "message: password out of place": message("p", b"secret\0"),
    "message: unknown": b"~\0\0\0\4",
    "message: bind that is cut off": parse(ONE) + message("B", b"\0\0\0\1") + SYNC + query(ONE),
    "message: query without an end": message("Q", b"select 1"),
    "message: not UTF-8": message("Q", b"select '\xff\xfe'\0") + query(ONE),
    "message: terminate": query(ONE) + TERMINATE + query(ONE),
    "message: describe of neither": message("D", b"Xname\0") + SYNC,
    "message: sync alone": SYNC + SYNC,
}  # fmt: skip
"""{name: what is sent after the start}"""

STARTS: dict[str, bytes] = {
    "start: minor version": startup(196608 + 2, user="tester", database="postgres"),
    "start: unknown options": startup(user="tester", database="postgres", **{"_pq_.a": "1", "_pq_.b": ""}),
    "start: version 2": startup(2 << 16, user="tester"),
    "start: version 4": startup(4 << 16, user="tester"),
    "start: no user": startup(database="postgres"),
    "start: bad encoding": startup(user="tester", database="postgres", client_encoding="klingon"),
    "start: encoding in quotes": startup(user="tester", database="postgres", client_encoding="'utf-8'"),
    "start: options": startup(
        user="tester", database="postgres", options="-c statement_timeout=5s --application-name=a\\ b"
    ),
    "start: time zone": startup(user="tester", database="postgres", TimeZone="Europe/Berlin"),
    "start: bad time zone": startup(user="tester", database="postgres", TimeZone="Nowhere/Else"),
}
"""{name: the whole of what is sent}"""

START = startup(user="tester", database="postgres")


def shown(said: Said) -> str | None:
    """What has to be the same; None for what may differ."""
    if said.tag == "S" and said.body.startswith(
        (b"server_version", b"in_hot", b"is_super", b"default_trans")
    ):
        return None
    if said.tag == "K":
        return "K"
    if said.tag in ("E", "N") and said.fields["C"] != "42P01":
        return f"{said} {said.fields['M']}"
    return str(said)


def conversation(sent: bytes, port: int) -> list[str]:
    """All that a server says to these bytes, after the greeting if the bytes are not the start themselves."""
    is_start = int.from_bytes(sent[:4], "big") == len(sent)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        # Not by the end of the stream: that is how a client looks that is gone, and what it has asked for is dropped.
        connection.sendall((sent if is_start else START + sent) + TERMINATE)
        replies, found = Replies(), list[Said]()
        try:
            while data := connection.recv(65536):
                replies.feed(data)
        except ConnectionResetError:
            pass
        found = replies.all()
    if not is_start:
        ready = next(n for n, said in enumerate(found) if said.tag == "Z")
        found = found[ready + 1 :]
    rest = [f"no message: {replies.rest!r}"] if replies.rest else []
    return [text for text in map(shown, found) if text is not None] + rest


def recorded() -> dict[str, list[str]]:
    """What PostgreSQL answered."""
    answers: dict[str, list[str]] = json.loads(ANSWERS.read_text())
    return answers


if __name__ == "__main__":
    everything = {name: conversation(sent, int(sys.argv[1])) for name, sent in (EXCHANGES | STARTS).items()}
    ANSWERS.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
