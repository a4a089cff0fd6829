-- What the webhook intake keeps beside the contract: ids of events, dead letters, and what was known when.
-- Run it after the schema; it may be run again:
--
--     sales-exporter schema --intake | psql --single-transaction --set ON_ERROR_STOP=1

CREATE SCHEMA IF NOT EXISTS sales_intake;

-- Each event is written once, in the transaction that writes its rows. The intake deletes ids after 30 days.
CREATE TABLE IF NOT EXISTS sales_intake.events (
    source     text NOT NULL,
    event_id   text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, event_id)
);
CREATE INDEX IF NOT EXISTS events_written_at ON sales_intake.events USING brin (written_at);

-- Which moment the value of a column is of, for rows that change: an event that comes late must not undo a later one.
CREATE TABLE IF NOT EXISTS sales_intake.as_of (
    relation text NOT NULL,
    key      text NOT NULL,
    name     text NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (relation, key, name)
);

-- Events that could not be taken (accepted is false; the payload is what was sent) or not be written (true; the payload
-- is the rows). `sales-exporter replay` tries them again. The payload may hold personal data: nobody else needs a right.
CREATE TABLE IF NOT EXISTS sales_intake.dead_letters (
    letter_id   text PRIMARY KEY,
    source      text NOT NULL,
    event_id    text,
    received_at timestamptz NOT NULL,
    accepted    boolean NOT NULL,
    reason      text NOT NULL,
    payload     bytea NOT NULL,
    attempts    integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS dead_letters_received_at ON sales_intake.dead_letters (received_at);
