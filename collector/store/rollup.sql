-- flows --
-- What each person did per minute, by service: for histograms and facets over months. Ports from
-- 32768 on are the clients' own, a new one each time: they count as none.
WITH counted AS (
    SELECT
        epoch_us(time) // 60000000 AS minute,
        person,
        protocol,
        CASE WHEN dst_port < 32768 THEN dst_port END AS dst_port,
        method,
        certainty,
        count(*) AS flows,
        CAST(sum(packets) AS BIGINT) AS packets,
        CAST(sum(bytes) AS BIGINT) AS bytes
    FROM read_parquet(?)
    GROUP BY ALL
)
SELECT * REPLACE (to_timestamp(minute * 60) AS minute) FROM counted ORDER BY minute, person

-- other --
-- Any other log: rows per minute and source.
WITH counted AS (
    SELECT epoch_us(time) // 60000000 AS minute, source, count(*) AS rows
    FROM read_parquet(?)
    GROUP BY ALL
)
SELECT * REPLACE (to_timestamp(minute * 60) AS minute) FROM counted ORDER BY minute, source
