SELECT window.start AS ws, device, count(*) AS n FROM readings WHERE ts < TIMESTAMP '2026-01-01 00:01:00' GROUP BY window(ts, '10 seconds'), device
