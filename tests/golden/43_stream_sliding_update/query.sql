SELECT window.start AS ws, device, count(*) AS n, sum(temperature) AS s FROM readings GROUP BY window(ts, '20 seconds', '8 seconds'), device
