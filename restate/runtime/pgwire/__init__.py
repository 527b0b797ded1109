"""The Postgres wire protocol 3.0, server side: bytes in, bytes and questions out. No I/O, no clock, no randomness.

    frames      bytes → frames (tag, body)                     received   a frame's body → what the client wants
    startup     the packets before the first frame             sent       what we say → bytes
    scram       the password exchange                          errors     SQLSTATE errors and warnings
    text        one string of SQL → statements                 commands   what a statement is; classify: which one
    settings    SET, SHOW, RESET                               engine     the questions that rows are got with
    session     one connection after its start: frames → bytes and questions

Theory. A client's messages are handled strictly one after the other. `Session.handle` is a generator: it appends to
`Session.output` and yields a question (`engine.Ask`) where it cannot go on without somebody who waits: plan this
statement, open it, give me its next rows. The shell answers with `send`, or with `throw(PgError)` when that failed, was
cancelled or took too long; whatever is to be decided is decided here. Prepared statements, portals and transactions are
the session's own: the engine knows nothing but statements, each of which sees fresh data.

Source of the wire facts: the PostgreSQL documentation, "Frontend/Backend Protocol", and what PostgreSQL 15 answered.
"""
