SELECT window(w, '30 seconds').start AS ws, sum(n) AS n FROM (SELECT window AS w, device, count(*) AS n FROM readings GROUP BY window(ts, '10 seconds'), device) GROUP BY window(w, '30 seconds')
