SELECT device, session_window.start AS st, session_window.end AS en, count(*) AS n, max(temperature) AS m FROM readings GROUP BY device, session_window(ts, '10 seconds')
