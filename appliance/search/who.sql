-- near --
-- Where rows lie that may be of the asked address: few columns are read, and few of these rows.
-- `key` is the `nat_key` of all whose source became the asked end, null where they have no one key.
SELECT filename, file_row_number, session, peer_session FROM read_parquet($files)
WHERE src_ip = $address AND ($port IS NULL OR src_port = CAST($port AS INTEGER))
    AND time < $until AND coalesce(time_end, time) >= $from
UNION
SELECT filename, file_row_number, session, peer_session FROM read_parquet($files)
WHERE nat_key = $key AND time < $until AND coalesce(time_end, time) >= $from
UNION
SELECT filename, file_row_number, session, peer_session FROM read_parquet($files)
WHERE $key IS NULL AND nat_src_ip = $address AND ($port IS NULL OR nat_src_port = CAST($port AS INTEGER))
    AND time < $until AND coalesce(time_end, time) >= $from
UNION
SELECT filename, file_row_number, session, peer_session FROM read_parquet($files)
WHERE dst_ip = $address AND ($port IS NULL OR dst_port = CAST($port AS INTEGER))
    AND time < $until AND coalesce(time_end, time) >= $from
UNION
SELECT filename, file_row_number, session, peer_session FROM read_parquet($files)
WHERE nat_dst_ip = $address AND ($port IS NULL OR nat_dst_port = CAST($port AS INTEGER))
    AND time < $until AND coalesce(time_end, time) >= $from;

-- flows --
-- Flows that ran in [from, until) with the asked address at either end, before or after NAT, each with
-- the person at that end; with `by_other`, any flow of the other end: the asked address is one that
-- only a NAT further out knows. Null stands for what was not asked. Of few flows who_ends.py tells the
-- same.
WITH sides AS (
    SELECT
        filename, file_row_number, time, time_end, site, clock,
        src_ip, src_port, dst_ip, dst_port, nat_src_ip, nat_src_port, nat_dst_ip, nat_dst_port,
        person, session, method, via, peer_person, peer_session, peer_method, peer_via, candidates,
        unnest(['src', 'dst']) AS side
    FROM read_parquet($files)
    WHERE time < $until AND coalesce(time_end, time) >= $from
        AND ($proto IS NULL OR protocol = CAST($proto AS INTEGER))
),
here AS (
    SELECT
        *,
        CASE WHEN side = 'src' THEN src_ip ELSE dst_ip END AS plain_ip,
        CASE WHEN side = 'src' THEN src_port ELSE dst_port END AS plain_port,
        CASE WHEN side = 'src' THEN nat_src_ip ELSE nat_dst_ip END AS nat_ip,
        CASE WHEN side = 'src' THEN nat_src_port ELSE nat_dst_port END AS nat_port,
        CASE WHEN side = 'src' THEN dst_ip ELSE src_ip END AS far_ip,
        CASE WHEN side = 'src' THEN dst_port ELSE src_port END AS far_port,
        CASE WHEN side = 'src' THEN nat_dst_ip ELSE nat_src_ip END AS far_nat_ip,
        CASE WHEN side = 'src' THEN nat_dst_port ELSE nat_src_port END AS far_nat_port,
        CASE
            WHEN plain_ip = $address AND ($port IS NULL OR plain_port = CAST($port AS INTEGER))
                THEN FALSE
            WHEN nat_ip = $address AND ($port IS NULL OR nat_port = CAST($port AS INTEGER))
                THEN TRUE
            WHEN $by_other THEN TRUE
        END AS translated
    FROM sides
),
ends AS (
    SELECT
        *,
        time <= $at AND coalesce(time_end, time) >= $at AS running,
        CASE
            WHEN via IS NOT NULL
                THEN (side = 'src') <> (via IN ('src_ip', 'nat_src_ip', 'src_block'))
            WHEN peer_via IS NOT NULL
                THEN (side = 'src') = (peer_via IN ('src_ip', 'nat_src_ip', 'src_block'))
            ELSE FALSE
        END AS at_peer_end,
        at_peer_end AND person IS NOT NULL AS behind_peer
    FROM here
    WHERE translated IS NOT NULL
        AND ($other IS NULL OR far_ip = $other OR far_nat_ip = $other)
        AND ($other_port IS NULL
            OR far_port = CAST($other_port AS INTEGER)
            OR far_nat_port = CAST($other_port AS INTEGER))
)
SELECT
    filename, file_row_number, time, time_end, site, clock, side, translated, running, behind_peer,
    plain_ip, nat_ip,
    CASE WHEN at_peer_end THEN peer_person ELSE person END AS who,
    CASE WHEN at_peer_end THEN peer_session ELSE session END AS their_session,
    CASE WHEN at_peer_end THEN peer_method ELSE method END AS how,
    candidates AS doubt,
    FALSE AS late
FROM ends;

-- learnt --
-- The same, where sessions learnt after sealing name those whom the row does not; the query above
-- stands in braces.
WITH held AS (
    SELECT
        unnest(CAST($late_sites AS VARCHAR[])) AS site,
        unnest(CAST($late_addresses AS VARCHAR[])) AS address,
        unnest(CAST($late_starts AS BIGINT[])) AS start_us,
        unnest(CAST($late_ends AS BIGINT[])) AS end_us,
        unnest(CAST($late_persons AS VARCHAR[])) AS person,
        unnest(CAST($late_sessions AS VARCHAR[])) AS session,
        unnest(CAST($late_methods AS VARCHAR[])) AS method
)
SELECT
    flow.* REPLACE (
        coalesce(flow.who, held.person) AS who,
        coalesce(flow.their_session, held.session) AS their_session,
        coalesce(flow.how, held.method) AS how,
        flow.who IS NULL AND held.person IS NOT NULL AS late
    )
FROM ({flows}) AS flow
LEFT JOIN held
    ON flow.who IS NULL
    AND held.site = flow.site
    AND (held.address = flow.plain_ip OR held.address = flow.nat_ip)
    AND epoch_us(flow.time) >= held.start_us
    AND epoch_us(flow.time) < held.end_us;

-- groups --
-- Either of the two above, counted by person, and where the few of each lie that are nearest to the
-- instant.
SELECT
    site, side, translated, who, their_session, how, doubt, late, behind_peer,
    min(plain_ip) AS inside_ip,
    count(*) AS flows,
    count(*) FILTER (WHERE running) AS running,
    epoch_us(min(time)) AS first_us,
    epoch_us(max(coalesce(time_end, time))) AS last_us,
    count(*) FILTER (WHERE coalesce(clock, 'ok') <> 'ok') AS odd_clocks,
    min_by(
        {
            'filename': filename, 'file_row_number': file_row_number,
            'time': time, 'running': running, 'plain_ip': plain_ip, 'nat_ip': nat_ip
        },
        (NOT running, abs(epoch_us(time) - epoch_us(CAST($at AS TIMESTAMPTZ))), time),
        20
    ) AS nearest
FROM ({flows}) AS flow
GROUP BY ALL
ORDER BY running DESC, flows DESC, who
LIMIT 1001;

-- uplinks --
-- The addresses that the box had outside, each with what the outside said it sees.
SELECT site, interface, ip, max_by(nat_ip, time) AS nat_ip
FROM read_parquet($files)
WHERE kind = 'uplink' AND ip IS NOT NULL AND time >= $since AND time < $until
GROUP BY site, interface, ip
HAVING max_by(event, time) <> 'release'
ORDER BY site, interface, ip
LIMIT 100;

-- leases --
-- What was told of the machines that had the address, the newest first.
SELECT
    site, kind, event, ip, mac,
    epoch_us(time) AS time_us,
    epoch_us(start) AS start_us,
    epoch_us(expires) AS expires_us
FROM read_parquet($files)
WHERE ip = $address AND mac IS NOT NULL AND time < $until
    AND kind IN (SELECT unnest(CAST($kinds AS VARCHAR[])))
ORDER BY time DESC
LIMIT 20000;

-- blocks --
-- To whom a NAT had lent the asked port at the instant: of each block what was told last.
SELECT
    site, ip, port_first, port_last,
    epoch_us(max(time)) AS since_us
FROM read_parquet($files)
WHERE kind = 'block' AND nat_ip = $address AND ip IS NOT NULL AND time <= $at
    AND port_first <= CAST($port AS INTEGER) AND port_last >= CAST($port AS INTEGER)
GROUP BY site, ip, port_first, port_last
HAVING max_by(event, time) IN ('add', 'renew')
ORDER BY since_us DESC
LIMIT 10;

-- sessions --
-- Everything that was told, in order, of some sessions.
SELECT
    site, session, event, method, person, account, full_name, proofing, ip, addresses, mac, nas,
    nas_port, ssid, cause,
    epoch_us(time) AS time_us,
    epoch_us(start) AS start_us,
    epoch_us(expires) AS expires_us,
    epoch_us(received) AS received_us
FROM read_parquet($files)
WHERE session IN (SELECT unnest(CAST($sessions AS VARCHAR[])))
ORDER BY time, received;
