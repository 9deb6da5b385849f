SELECT window.start AS ws, window.end AS we, count(*) AS n FROM readings GROUP BY window(ts, '20 seconds', '10 seconds', '-3 seconds')
