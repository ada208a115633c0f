-- tables --
-- What lies on disk, whom sessions named, and what was learnt after sealing. Times are µs UTC.
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('part', 'segment')),
    site TEXT NOT NULL,
    log TEXT NOT NULL,
    seq INTEGER,
    schema_version INTEGER NOT NULL,
    spool_from INTEGER NOT NULL,
    spool_to INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    event_min INTEGER NOT NULL,
    event_max INTEGER NOT NULL,
    received_min INTEGER NOT NULL,
    received_max INTEGER NOT NULL,
    size INTEGER NOT NULL,
    gone_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_by_event ON files (log, event_max) WHERE gone_at IS NULL;
CREATE INDEX IF NOT EXISTS files_gone ON files (gone_at) WHERE gone_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS late_bindings (
    site TEXT NOT NULL,
    address TEXT NOT NULL,
    session TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL,
    person TEXT NOT NULL,
    method TEXT NOT NULL,
    learnt_frame INTEGER NOT NULL,
    PRIMARY KEY (site, address, session, start_us)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS late_by_person ON late_bindings (person);
CREATE TABLE IF NOT EXISTS persons (
    site TEXT NOT NULL,
    person TEXT NOT NULL,
    account TEXT NOT NULL,
    full_name TEXT NOT NULL,
    proofing TEXT NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    folded TEXT NOT NULL,
    PRIMARY KEY (site, person, account, full_name, proofing)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS persons_by_id ON persons (person);
CREATE TABLE IF NOT EXISTS mentions (
    name TEXT NOT NULL,
    site TEXT NOT NULL,
    session TEXT NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL,
    PRIMARY KEY (name, site, session)
) STRICT, WITHOUT ROWID;

-- add_file --
-- Takes a file in, or what is new about one that is there.
INSERT OR REPLACE INTO files (
    path, kind, site, log, seq, schema_version, spool_from, spool_to, rows,
    event_min, event_max, received_min, received_max, size, gone_at
) VALUES (
    :path, :kind, :site, :log, :seq, :schema_version, :spool_from, :spool_to, :rows,
    :event_min, :event_max, :received_min, :received_max, :size, NULL
);

-- retire --
-- Takes a file out of all new questions; running ones may still read it.
UPDATE files SET gone_at = :now_us WHERE path = :path AND gone_at IS NULL;

-- retire_parts --
-- The same for all parts: at start they are made anew.
UPDATE files SET gone_at = :now_us WHERE kind = 'part' AND gone_at IS NULL;

-- expired --
-- Files that were taken out so long ago that no question can still read them.
SELECT path FROM files WHERE gone_at <= :until_us ORDER BY path;

-- forget --
-- Drops a file that is no longer on disk.
DELETE FROM files WHERE path = :path;

-- files_by_event --
-- Files whose events meet [start_us, end_us), newest first. Sites are a JSON list or null.
SELECT path, kind, site, log, seq, schema_version, spool_from, spool_to, rows,
    event_min, event_max, received_min, received_max, size
FROM files
WHERE gone_at IS NULL AND log = :log
    AND (:sites IS NULL OR site IN (SELECT value FROM json_each(:sites)))
    AND event_max >= :start_us AND event_min < :end_us
ORDER BY event_max DESC, path DESC;

-- files_by_received --
-- Files whose times of receipt meet [start_us, end_us), newest first.
SELECT path, kind, site, log, seq, schema_version, spool_from, spool_to, rows,
    event_min, event_max, received_min, received_max, size
FROM files
WHERE gone_at IS NULL AND log = :log
    AND (:sites IS NULL OR site IN (SELECT value FROM json_each(:sites)))
    AND received_max >= :start_us AND received_min < :end_us
ORDER BY received_max DESC, path DESC;

-- add_late --
-- A binding learnt after sealing, or what is new about one.
INSERT OR REPLACE INTO late_bindings (
    site, address, session, start_us, end_us, person, method, learnt_frame
) VALUES (:site, :address, :session, :start_us, :end_us, :person, :method, :learnt_frame);

-- drop_late --
-- Takes back a binding that a later event put right.
DELETE FROM late_bindings
WHERE site = :site AND address = :address AND session = :session AND start_us = :start_us;

-- late_bindings --
-- Bindings that meet [start_us, end_us).
SELECT site, address, start_us, end_us, person, session, method, learnt_frame
FROM late_bindings
WHERE (:sites IS NULL OR site IN (SELECT value FROM json_each(:sites)))
    AND (:address IS NULL OR address = :address)
    AND (:person IS NULL OR person = :person)
    AND end_us > :start_us AND start_us < :end_us
ORDER BY start_us, site, address, session;

-- add_person --
-- A name as sessions told it; seen again, its time grows.
INSERT INTO persons (site, person, account, full_name, proofing, first_us, last_us, folded)
VALUES (:site, :person, :account, :full_name, :proofing, :first_us, :last_us, :folded)
ON CONFLICT (site, person, account, full_name, proofing) DO UPDATE SET
    first_us = min(first_us, excluded.first_us),
    last_us = max(last_us, excluded.last_us);

-- drop_person --
-- Forgets a name that no row needs any more.
DELETE FROM persons
WHERE site = :site AND person = :person AND account = :account AND full_name = :full_name
    AND proofing = :proofing;

-- persons --
-- Names by site, by ids (a JSON list) or by a piece of account or name, newest first.
SELECT site, person, account, full_name, proofing, first_us, last_us
FROM persons
WHERE (:site IS NULL OR site = :site)
    AND (:ids IS NULL OR person IN (SELECT value FROM json_each(:ids)))
    AND (:folded IS NULL OR instr(folded, :folded) > 0)
ORDER BY last_us DESC, site, person, account, full_name, proofing;

-- add_mention --
-- A session and what it was told with; told again, its time grows.
INSERT INTO mentions (name, site, session, first_us, last_us)
VALUES (:name, :site, :session, :first_us, :last_us)
ON CONFLICT (name, site, session) DO UPDATE SET
    first_us = min(first_us, excluded.first_us),
    last_us = max(last_us, excluded.last_us)
WHERE excluded.first_us < first_us OR excluded.last_us > last_us;

-- mentions --
-- Sessions told with any of some names (a JSON list), which meet [start_us, end_us): those that
-- began last.
SELECT name, site, session, first_us, last_us
FROM mentions
WHERE name IN (SELECT value FROM json_each(:names))
    AND (:sites IS NULL OR site IN (SELECT value FROM json_each(:sites)))
    AND last_us >= :start_us AND first_us < :end_us
ORDER BY first_us DESC, session, name
LIMIT :most;

-- mentions_before --
-- All that was told last before an instant.
SELECT name, site, session, first_us, last_us
FROM mentions
WHERE last_us < :before_us;

-- drop_mention --
-- Forgets with what a session was told.
DELETE FROM mentions WHERE name = :name AND site = :site AND session = :session;

-- paths --
-- Every file that is known, whether questions still go to it or not.
SELECT path FROM files;
