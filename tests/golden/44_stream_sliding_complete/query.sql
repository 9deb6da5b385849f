SELECT window.start AS ws, count(*) AS n, avg(temperature) AS a FROM readings GROUP BY window(ts, '20 seconds', '10 seconds') ORDER BY ws
