SELECT window.start AS ws, device, count(*) AS n FROM readings GROUP BY window(ts, '1 minute'), device HAVING count(*) > 1
