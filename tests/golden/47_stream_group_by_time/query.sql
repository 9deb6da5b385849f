SELECT ts, device, count(*) AS n FROM readings GROUP BY ts, device
