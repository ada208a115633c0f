-- flows --
-- Views in an exported database of flows. Times are UTC. What switches sampled (sFlow) is one
-- packet a row, and stands apart: the same link may tell flows as well.
CREATE MACRO is_packets(origin) AS coalesce(origin IN ('packet', 'discard'), FALSE);
CREATE VIEW by_person AS
SELECT
    site, full_name, account, person, is_packets(sampling_origin) AS packets_of_sflow,
    count(*) AS flows, sum(bytes) AS bytes, min(time) AS first_time, max(time) AS last_time
FROM flows
GROUP BY ALL
ORDER BY flows DESC;
CREATE VIEW by_destination AS
SELECT
    dst_ip, dst_port, protocol, is_packets(sampling_origin) AS packets_of_sflow,
    count(*) AS flows, sum(bytes) AS bytes
FROM flows
GROUP BY ALL
ORDER BY flows DESC;
CREATE VIEW by_hour AS
SELECT
    make_timestamp(epoch_us(time) // 3600000000 * 3600000000) AS hour_utc,
    is_packets(sampling_origin) AS packets_of_sflow,
    count(*) AS flows,
    sum(bytes) AS bytes
FROM flows
GROUP BY ALL
ORDER BY hour_utc

-- sessions --
-- The view in an exported database of sessions.
CREATE VIEW by_person AS
SELECT
    site, full_name, account, person,
    count(DISTINCT session) AS sessions, min(time) AS first_time, max(time) AS last_time
FROM sessions
GROUP BY ALL
ORDER BY sessions DESC

-- leases --
-- The view in an exported database of leases.
CREATE VIEW by_device AS
SELECT
    site, mac, any_value(hostname) AS hostname, ip,
    min(time) AS first_time, max(time) AS last_time, count(*) AS leases
FROM leases
GROUP BY site, mac, ip
ORDER BY last_time DESC

-- events --
-- The view in an exported database of syslog messages.
CREATE VIEW by_host AS
SELECT site, source, hostname, app_name, count(*) AS messages
FROM events
GROUP BY ALL
ORDER BY messages DESC
