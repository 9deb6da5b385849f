SELECT device, count(*) AS n, count(temperature) AS nt, min(temperature) AS mn, max(temperature) AS mx, sum(temperature) AS s FROM readings GROUP BY device
