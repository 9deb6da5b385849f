"""Records what Spark makes of queries over small tables, for tests/spark/relations.jsonl.

    python3 -m venv venv && venv/bin/pip install 'pyspark==4.3.*'
    venv/bin/python tests/spark/relations.py > tests/spark/relations.jsonl

The first lines hold the tables: name, schema in DDL, rows. Each further line holds a query, and either Spark's schema and rows, or `error`
(Spark's error class). A row is a list of values: doubles as text (Python's repr), timestamps as microseconds, dates as days since
1970-01-01, structs and arrays as lists, maps as lists of pairs. ANSI mode, session time zone UTC. Needs Java 17 or later.
"""

import datetime
import json

from pyspark.sql import SparkSession

EPOCH = datetime.datetime(1970, 1, 1)


def at(seconds):
    return EPOCH + datetime.timedelta(seconds=1767225600 + seconds)


TABLES = {
    "readings": (
        "device STRING, ts TIMESTAMP, temperature DOUBLE, n INT",
        [
            ("a", at(0), 20.5, 1),
            ("a", at(60), 21.0, 2),
            ("a", at(120), None, 3),
            ("b", at(30), float("nan"), 1),
            ("b", at(90), -1.5, None),
            ("b", at(610), 7.25, 4),
            (None, at(45), 3.0, 5),
            ("c", None, 4.0, 6),
            ("c", at(700), 4.0, 6),
            ("d", at(50), 0.0, None),
        ],
    ),
    "devices": (
        "device STRING, room STRING, lim DOUBLE",
        [("a", "hall", 21.0), ("a", "roof", 19.0), ("b", "hall", None), (None, "none", 1.0), ("z", None, 5.0), ("c", "roof", 4.0)],
    ),
    "rooms": ("room STRING, floor INT", [("hall", 0), ("roof", 3), ("attic", 4), (None, 9)]),
    "nothing": ("device STRING, n INT", []),
    "nested": (
        "id INT, tags ARRAY<STRING>, props MAP<STRING, DOUBLE>, points ARRAY<STRUCT<x: INT, y: STRING>>",
        [
            (1, ["x", "y"], {"t": 1.5, "h": 2.0}, [(1, "p"), (2, None)]),
            (2, [], {}, []),
            (3, None, None, None),
            (4, [None, "z"], {"t": None}, [None, (7, "q")]),
        ],
    ),
    "wide": ("id INT, q1 INT, q2 INT, q3 INT", [(1, 10, 20, 30), (2, None, 5, None), (3, None, None, None)]),
}

JOINS = """
SELECT r.device, r.n, d.room FROM readings r JOIN devices d ON r.device = d.device
SELECT r.device, r.n, d.room FROM readings r LEFT JOIN devices d ON r.device = d.device
SELECT r.device, r.n, d.device AS other, d.room FROM readings r RIGHT JOIN devices d ON r.device = d.device
SELECT r.device, r.n, d.device AS other, d.room FROM readings r FULL OUTER JOIN devices d ON r.device = d.device
SELECT r.device, r.n FROM readings r LEFT SEMI JOIN devices d ON r.device = d.device
SELECT r.device, r.n FROM readings r LEFT ANTI JOIN devices d ON r.device = d.device
SELECT r.device, r.n FROM readings r SEMI JOIN devices d ON r.device = d.device AND d.lim > 19
SELECT r.device, r.n FROM readings r ANTI JOIN devices d ON r.device = d.device AND r.temperature > d.lim
SELECT r.device, d.room FROM readings r JOIN devices d ON r.device <=> d.device
SELECT r.device, d.room FROM readings r LEFT JOIN devices d ON r.device <=> d.device AND r.n > 1
SELECT count(*) AS n FROM readings CROSS JOIN devices
SELECT count(*) AS n FROM readings, devices, rooms
SELECT r.device, d.room FROM readings r, devices d WHERE r.device = d.device AND r.n >= 2
SELECT r.device, d.room, o.floor FROM readings r JOIN devices d ON r.device = d.device JOIN rooms o ON d.room = o.room
SELECT r.device, d.room, o.floor FROM readings r LEFT JOIN devices d ON r.device = d.device LEFT JOIN rooms o ON d.room = o.room
SELECT * FROM devices JOIN rooms USING (room)
SELECT * FROM devices LEFT JOIN rooms USING (room)
SELECT * FROM devices RIGHT JOIN rooms USING (room)
SELECT * FROM devices FULL JOIN rooms USING (room)
SELECT * FROM devices LEFT SEMI JOIN rooms USING (room)
SELECT * FROM devices LEFT ANTI JOIN rooms USING (room)
SELECT devices.room AS a, rooms.room AS b, room FROM devices FULL JOIN rooms USING (room)
SELECT rooms.* FROM devices RIGHT JOIN rooms USING (room)
SELECT * FROM devices NATURAL JOIN rooms
SELECT * FROM devices NATURAL LEFT JOIN rooms
SELECT count(*) AS n FROM nothing NATURAL JOIN readings
SELECT d.device, o.floor FROM devices d JOIN rooms o ON d.room = o.room AND o.floor > 1
SELECT d.device, o.floor FROM devices d LEFT JOIN rooms o ON d.room = o.room AND o.floor > 1
SELECT d.device, o.floor FROM devices d LEFT JOIN rooms o ON d.room = o.room AND d.lim > 19
SELECT d.device, o.floor FROM devices d LEFT JOIN rooms o ON d.room = o.room WHERE o.floor > 1
SELECT d.device, o.floor FROM devices d LEFT JOIN rooms o ON d.room = o.room WHERE o.floor IS NULL
SELECT d.device, o.floor FROM devices d FULL JOIN rooms o ON d.room = o.room WHERE d.lim > 1
SELECT d.device, o.floor FROM devices d FULL JOIN rooms o ON d.room = o.room WHERE o.floor > 1
SELECT d.device, o.floor FROM devices d FULL JOIN rooms o ON d.room = o.room WHERE coalesce(o.floor, 0) = 0
SELECT d.device, o.floor FROM devices d RIGHT JOIN rooms o ON d.room = o.room WHERE d.lim > 1
SELECT a.n AS x, b.n AS y FROM readings a JOIN readings b ON a.n < b.n AND a.device = b.device
SELECT a.n AS x, b.n AS y FROM readings a JOIN readings b ON a.n + 1 = b.n
SELECT a.n AS x, b.n AS y FROM readings a LEFT JOIN readings b ON a.n > b.n + 3
SELECT a.device, count(b.n) AS c FROM readings a LEFT JOIN readings b ON a.device = b.device GROUP BY a.device
SELECT r.device FROM readings r LEFT JOIN nothing n ON r.device = n.device WHERE n.device IS NULL AND r.n = 1
SELECT count(*) AS c FROM readings r JOIN nothing n ON r.device = n.device
SELECT count(*) AS c FROM nothing n LEFT JOIN readings r ON r.device = n.device
SELECT count(*) AS c FROM nothing n RIGHT JOIN readings r ON r.device = n.device
SELECT count(*) AS c FROM nothing n CROSS JOIN readings r
SELECT j.room FROM (devices JOIN rooms USING (room)) AS j
SELECT x.room FROM (SELECT * FROM devices) x JOIN (SELECT room AS place FROM rooms WHERE floor > 0) y ON x.room = y.place
SELECT d.device FROM devices d JOIN rooms o ON d.lim = o.floor + 1
SELECT r.temperature, d.lim FROM readings r JOIN devices d ON r.temperature = d.lim
SELECT device FROM readings JOIN devices ON readings.device = devices.device
SELECT r.device FROM readings r JOIN devices d ON r.device = x.device
SELECT d.room FROM readings r LEFT SEMI JOIN devices d ON r.device = d.device
SELECT * FROM devices JOIN rooms USING (floor)
SELECT r.n FROM readings r JOIN devices d ON r.n
SELECT a.room FROM rooms a JOIN rooms b ON a.floor = b.floor JOIN rooms c ON b.floor = c.floor WHERE a.floor <> 3
SELECT d.device, o.floor FROM devices d JOIN rooms o ON d.room = o.room OR d.lim < o.floor
SELECT d.device FROM devices d LEFT JOIN rooms o ON true WHERE d.device = 'a'
SELECT d.device FROM devices d LEFT JOIN rooms o ON false WHERE d.lim > 1
"""

SETS = """
SELECT device, n FROM readings UNION ALL SELECT device, n FROM nothing
SELECT device FROM readings UNION ALL SELECT device FROM devices
SELECT device FROM readings UNION SELECT device FROM devices
SELECT n FROM readings UNION ALL SELECT lim FROM devices
SELECT n AS a FROM readings UNION SELECT 1 UNION ALL SELECT 1
SELECT device FROM readings INTERSECT SELECT device FROM devices
SELECT device FROM readings INTERSECT ALL SELECT device FROM devices
SELECT device FROM readings EXCEPT SELECT device FROM devices
SELECT device FROM readings EXCEPT ALL SELECT device FROM devices
SELECT device FROM readings MINUS SELECT device FROM devices
SELECT 1 AS a UNION ALL SELECT 2 INTERSECT SELECT 2
(SELECT 1 AS a UNION ALL SELECT 2) INTERSECT SELECT 2
SELECT 1 AS a UNION ALL SELECT 2.5D
SELECT 1 AS a UNION ALL SELECT 3000000000
SELECT 1 AS a UNION ALL SELECT '7'
SELECT NULL AS a UNION ALL SELECT 'x'
SELECT true AS a UNION ALL SELECT 3
SELECT 1 AS a, 2 AS b UNION ALL SELECT 3
SELECT DATE'2020-01-01' AS a UNION ALL SELECT TIMESTAMP'2020-01-01 01:00:00'
SELECT a FROM (SELECT n AS a FROM readings UNION ALL SELECT floor FROM rooms) WHERE a > 3
SELECT a, count(*) AS c FROM (SELECT n AS a FROM readings UNION ALL SELECT floor FROM rooms) GROUP BY a
SELECT n FROM readings UNION ALL SELECT floor FROM rooms ORDER BY n DESC
SELECT n FROM readings UNION ALL SELECT floor FROM rooms ORDER BY 1 NULLS LAST
SELECT device FROM devices WHERE lim > 4 UNION SELECT room FROM rooms WHERE floor > 3
VALUES (1, 'a'), (2, NULL)
SELECT * FROM VALUES (1, 'a'), (2, NULL) AS t(x, y)
SELECT * FROM VALUES 1, 2, 3
SELECT x + 1 AS y FROM VALUES (1), (NULL), (3) AS t(x) WHERE x > 1
VALUES (1, 2), (3)
SELECT * FROM VALUES (1, 2.5D), (2L, 3) AS t(a, b)
SELECT * FROM (VALUES (1), (2)) AS t(a)
SELECT t.a FROM VALUES (named_struct('k', 1)) AS t(a)
SELECT 1 + 1 AS two, 'x' AS y
SELECT * FROM range(4)
SELECT id * 2 AS d FROM range(1, 10, 3)
SELECT * FROM range(5, 0, -2)
SELECT count(*) AS c FROM range(0)
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM b
WITH a(p, q) AS (SELECT 1, 2) SELECT q, p FROM a
WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH a AS (SELECT 2 AS x) SELECT x FROM a)
WITH a AS (SELECT device, sum(n) AS s FROM readings GROUP BY device) SELECT p.s AS x, q.s AS y FROM a p JOIN a q ON p.s = q.s + 1
SELECT t.b FROM (SELECT n AS a, device AS b FROM readings) AS t WHERE t.a = 4
SELECT b FROM (SELECT n, device FROM readings) AS t(a, b) WHERE a = 4
FROM readings SELECT device WHERE n = 4
SELECT DISTINCT device FROM readings
SELECT DISTINCT device, n > 2 AS big FROM readings
SELECT DISTINCT temperature FROM readings
"""

GROUPS = """
SELECT device, sum(n) AS s FROM readings GROUP BY device
SELECT device, sum(n) AS s FROM readings GROUP BY 1
SELECT upper(device) AS u, count(*) AS c FROM readings GROUP BY u
SELECT upper(device) AS u, n % 2 AS odd, count(*) AS c FROM readings GROUP BY ALL
SELECT n % 2 AS odd, count(*) AS c FROM readings GROUP BY n % 2
SELECT count(*) AS c FROM readings GROUP BY device
SELECT device, n, count(*) AS c FROM readings GROUP BY ROLLUP(device, n)
SELECT device, n, count(*) AS c FROM readings GROUP BY CUBE(device, n)
SELECT device, n, count(*) AS c, grouping(device) AS gd, grouping(n) AS gn, grouping_id() AS g FROM readings GROUP BY CUBE(device, n)
SELECT device, n, grouping_id(device, n) AS g FROM readings GROUP BY ROLLUP(device, n)
SELECT device, n, sum(n) AS s FROM readings GROUP BY GROUPING SETS ((device, n), (device), ())
SELECT device, n, sum(n) AS s FROM readings GROUP BY device, n GROUPING SETS ((device), (n))
SELECT device, n, sum(n) AS s FROM readings GROUP BY device, ROLLUP(n)
SELECT device, count(*) AS c FROM readings GROUP BY device WITH ROLLUP
SELECT device, n, count(*) AS c FROM readings GROUP BY device, n WITH CUBE
SELECT device, count(*) AS c FROM readings GROUP BY GROUPING SETS ((device), (device))
SELECT device, count(*) AS c FROM readings GROUP BY GROUPING SETS ((device), (device), ())
SELECT device, count(*) AS c FROM nothing GROUP BY ROLLUP(device)
SELECT count(*) AS c FROM nothing GROUP BY GROUPING SETS (())
SELECT device, n, count(*) AS c FROM readings GROUP BY ROLLUP((device, n))
SELECT device, n, sum(n) AS s FROM readings GROUP BY ROLLUP(device, n) HAVING s > 5
SELECT device, sum(n) AS s FROM readings GROUP BY ROLLUP(device) HAVING grouping(device) = 1
SELECT upper(device) AS u, sum(n) AS s FROM readings GROUP BY CUBE(upper(device))
SELECT device, grouping(device) AS g FROM readings GROUP BY device
SELECT device, grouping(n) AS g FROM readings GROUP BY ROLLUP(device)
SELECT count(*) AS c FROM readings HAVING count(*) > 5
SELECT count(*) AS c FROM readings HAVING count(*) > 50
SELECT sum(n) AS s FROM readings HAVING max(n) = 6
SELECT device FROM readings HAVING n > 1
SELECT device, sum(n) AS s FROM readings GROUP BY device HAVING sum(n) > 3 AND device IS NOT NULL
SELECT device, n FROM readings GROUP BY device
SELECT device, sum(n) FILTER (WHERE n > 1) AS s FROM readings GROUP BY device
SELECT window.start AS s, count(*) AS c FROM readings GROUP BY window(ts, '5 minutes')
SELECT device, window(ts, '10 minutes', '5 minutes').start AS s FROM readings WHERE device = 'a'
SELECT device, window(ts, '10 minutes', '5 minutes') AS w FROM readings WHERE n > 3
SELECT device, window(ts, '10 minutes').end AS e FROM readings WHERE n > 3
SELECT device, window.start AS s, count(*) AS c FROM readings GROUP BY ROLLUP(device), window(ts, '5 minutes')
"""

GENERATORS = """
SELECT id, tag FROM nested LATERAL VIEW explode(tags) t AS tag
SELECT id, tag FROM nested LATERAL VIEW OUTER explode(tags) t AS tag
SELECT id, t.pos, t.tag FROM nested LATERAL VIEW posexplode(tags) t AS pos, tag
SELECT id, pos, tag FROM nested LATERAL VIEW OUTER posexplode(tags) t AS pos, tag
SELECT id, name, value FROM nested LATERAL VIEW explode(props) p AS name, value
SELECT id, key, value FROM nested LATERAL VIEW OUTER explode(props) p
SELECT id, x, y FROM nested LATERAL VIEW inline(points) p
SELECT id, x, y FROM nested LATERAL VIEW OUTER inline(points) p AS x, y
SELECT id, tag, name FROM nested LATERAL VIEW explode(tags) t AS tag LATERAL VIEW explode(props) p AS name, value
SELECT id, u FROM nested LATERAL VIEW explode(tags) t AS tag LATERAL VIEW explode(array(tag, upper(tag))) v AS u
SELECT id, explode(tags) FROM nested
SELECT id, explode(tags) AS tag FROM nested WHERE id < 3
SELECT id, explode_outer(tags) AS tag FROM nested
SELECT explode(props) FROM nested
SELECT explode(props) AS (k, v) FROM nested
SELECT id, posexplode(tags) AS (p, tag) FROM nested
SELECT id, posexplode_outer(tags) FROM nested
SELECT id, inline(points) FROM nested
SELECT id, inline_outer(points) FROM nested
SELECT stack(2, 1, 'a', 2, 'b')
SELECT stack(2, 1, 'a', 2)
SELECT id, stack(2, 'q1', q1, 'q2', q2) AS (name, value) FROM wide
SELECT json_tuple('{"a": 1, "b": "x", "c": {"d": 2}, "e": null}', 'a', 'b', 'c', 'e', 'z')
SELECT t.a, t.b FROM VALUES ('{"a": 1.5}'), ('no'), (NULL) AS v(j) LATERAL VIEW json_tuple(j, 'a', 'b') t AS a, b
SELECT * FROM explode(array(1, 2))
SELECT * FROM posexplode(array('p', 'q')) AS t(i, v)
SELECT * FROM stack(2, 1, 2, 3) AS t(a, b)
SELECT id, e.tag FROM nested, LATERAL explode(tags) AS e(tag)
SELECT id, e.tag FROM nested LEFT JOIN LATERAL explode(tags) AS e(tag)
SELECT explode(collect_list(n)) AS v FROM readings
SELECT device, explode(array(min(n), max(n))) AS v FROM readings GROUP BY device
SELECT explode(array(1)) + 1 AS x
SELECT explode(array(1)) AS a, explode(array(2, 3)) AS b
SELECT explode(tags) AS (a, b) FROM nested
SELECT explode(1)
SELECT id FROM nested WHERE explode(tags) = 'x'
SELECT count(*) AS c FROM nested LATERAL VIEW explode(tags) t AS tag
SELECT tag, count(*) AS c FROM nested LATERAL VIEW explode(tags) t AS tag GROUP BY tag
SELECT id, tag FROM nested LATERAL VIEW explode(tags) t AS tag WHERE tag > 'x' AND id < 4
SELECT * FROM nested LATERAL VIEW explode(tags) t AS a, b
SELECT id, tag FROM nested LATERAL VIEW explode(tags) t AS tag ORDER BY tag DESC, id LIMIT 2
SELECT * FROM wide UNPIVOT (v FOR q IN (q1, q2, q3))
SELECT * FROM wide UNPIVOT INCLUDE NULLS (v FOR q IN (q1 AS one, q2, q3))
SELECT * FROM wide UNPIVOT EXCLUDE NULLS (v FOR q IN (q1, q3)) AS u
SELECT * FROM wide UNPIVOT ((v, w) FOR q IN ((q1, q2) AS first, (q2, q3)))
SELECT q, sum(v) AS s FROM wide UNPIVOT (v FOR q IN (q1, q2, q3)) GROUP BY q
SELECT * FROM wide UNPIVOT (v FOR q IN (nope))
SELECT * FROM (SELECT device, n FROM readings) PIVOT (sum(n) FOR device IN ('a', 'b' AS bee))
SELECT * FROM (SELECT device, n, temperature > 5 AS warm FROM readings) PIVOT (sum(n) AS s, count(*) AS c FOR device IN ('a', 'b'))
"""

OVERS = """
SELECT device, n, row_number() OVER (PARTITION BY device ORDER BY n, ts) AS r FROM readings
SELECT device, n, rank() OVER (ORDER BY n) AS r, dense_rank() OVER (ORDER BY n) AS d FROM readings
SELECT n, percent_rank() OVER (ORDER BY n) AS p, cume_dist() OVER (ORDER BY n) AS c FROM readings
SELECT n, ntile(3) OVER (ORDER BY n, ts) AS t FROM readings
SELECT n, ntile(20) OVER (ORDER BY n, ts) AS t FROM readings
SELECT device, ts, lag(n) OVER (PARTITION BY device ORDER BY ts) AS p, lead(n) OVER (PARTITION BY device ORDER BY ts) AS q FROM readings
SELECT ts, lag(n, 2) OVER (ORDER BY ts) AS p, lead(n, 2, -1) OVER (ORDER BY ts) AS q FROM readings
SELECT ts, lag(n) IGNORE NULLS OVER (ORDER BY ts) AS p, lead(n) IGNORE NULLS OVER (ORDER BY ts) AS q FROM readings
SELECT ts, lag(n, 0) OVER (ORDER BY ts) AS p, lag(n, -1) OVER (ORDER BY ts) AS q FROM readings
SELECT ts, first_value(n) OVER (ORDER BY ts) AS f, last_value(n) OVER (ORDER BY ts) AS l FROM readings
SELECT ts, nth_value(n, 2) OVER (ORDER BY ts) AS f, nth_value(n, 2) IGNORE NULLS OVER (ORDER BY ts) AS g FROM readings
SELECT ts, first_value(n, true) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS f FROM readings
SELECT ts, last_value(n) IGNORE NULLS OVER (ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS f FROM readings
SELECT device, n, sum(n) OVER (PARTITION BY device) AS s FROM readings
SELECT device, n, sum(n) OVER (PARTITION BY device ORDER BY n) AS s FROM readings
SELECT device, n, sum(n) OVER (ORDER BY n) AS s FROM readings
SELECT ts, n, sum(n) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM readings
SELECT ts, n, sum(n) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING) AS s FROM readings
SELECT ts, n, sum(n) OVER (ORDER BY ts ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING) AS s FROM readings
SELECT ts, n, count(*) OVER (ORDER BY ts ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING) AS s FROM readings
SELECT ts, n, count(n) OVER (ORDER BY ts ROWS 1 PRECEDING) AS s FROM readings
SELECT n, sum(n) OVER (ORDER BY n RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM readings
SELECT n, sum(n) OVER (ORDER BY n DESC RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM readings
SELECT n, count(*) OVER (ORDER BY n RANGE BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS s FROM readings
SELECT ts, count(*) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 1 MINUTE PRECEDING AND CURRENT ROW) AS c FROM readings
SELECT temperature, count(*) OVER (ORDER BY temperature RANGE BETWEEN 1.5 PRECEDING AND 1.5 FOLLOWING) AS c FROM readings
SELECT n, avg(temperature) OVER (ORDER BY n NULLS LAST ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS a FROM readings WHERE device <> 'b'
SELECT n, min(n) OVER (PARTITION BY device) AS lo, max(n) OVER (PARTITION BY device) AS hi, n - min(n) OVER (PARTITION BY device) AS d FROM readings
SELECT device, sum(n) AS s, sum(sum(n)) OVER (ORDER BY device) AS running FROM readings GROUP BY device
SELECT device, count(*) AS c, rank() OVER (ORDER BY count(*) DESC, device) AS r FROM readings GROUP BY device
SELECT device, n FROM readings QUALIFY row_number() OVER (PARTITION BY device ORDER BY n DESC) = 1
SELECT device, n, row_number() OVER (PARTITION BY device ORDER BY n, ts) AS r FROM readings QUALIFY r = 2
SELECT device, sum(n) OVER w AS s, count(n) OVER w AS c FROM readings WINDOW w AS (PARTITION BY device)
SELECT ts, sum(n) OVER (w ORDER BY ts) AS s FROM readings WINDOW w AS (PARTITION BY device)
SELECT collect_list(n) OVER (PARTITION BY device ORDER BY ts) AS l FROM readings
SELECT ts, collect_list(n) OVER (ORDER BY ts DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS l FROM readings
SELECT n, row_number() OVER (ORDER BY n, ts) AS r FROM readings ORDER BY r DESC LIMIT 3
SELECT x FROM (SELECT device AS x, row_number() OVER (PARTITION BY device ORDER BY ts) AS r FROM readings) WHERE r = 1
SELECT count(*) OVER () AS c FROM nothing
SELECT row_number() OVER () AS r FROM readings
SELECT n FROM readings WHERE row_number() OVER (ORDER BY n) = 1
SELECT sum(DISTINCT n) OVER (PARTITION BY device) AS s FROM readings
SELECT rank() OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS r FROM readings
SELECT sum(n) OVER (ORDER BY n ROWS BETWEEN 1 FOLLOWING AND 1 PRECEDING) AS s FROM readings
SELECT sum(n) OVER nope AS s FROM readings
SELECT n FROM readings QUALIFY n > 1
SELECT stddev(n) OVER (PARTITION BY device) AS s FROM readings
"""

SUBQUERIES = """
SELECT n FROM readings WHERE device IN (SELECT device FROM devices WHERE room = 'hall')
SELECT n FROM readings WHERE device NOT IN (SELECT device FROM devices WHERE room = 'hall')
SELECT n FROM readings WHERE device NOT IN (SELECT device FROM devices)
SELECT device, n FROM readings WHERE n NOT IN (SELECT floor FROM rooms WHERE floor > 100)
SELECT n FROM readings WHERE (device, n) IN (SELECT device, n FROM readings WHERE n > 4)
SELECT n FROM readings WHERE n > (SELECT avg(floor) FROM rooms)
SELECT n, (SELECT max(floor) FROM rooms) AS top FROM readings
SELECT n, (SELECT floor FROM rooms WHERE room = 'no such') AS top FROM readings WHERE n = 4
SELECT (SELECT floor FROM rooms) AS x
SELECT n FROM readings r WHERE EXISTS (SELECT 1 FROM devices d WHERE d.device = r.device)
SELECT n FROM readings r WHERE NOT EXISTS (SELECT 1 FROM devices d WHERE d.device = r.device)
SELECT n FROM readings r WHERE EXISTS (SELECT 1 FROM devices d WHERE d.device = r.device AND d.lim < r.temperature)
SELECT n FROM readings WHERE EXISTS (SELECT 1 FROM nothing)
SELECT n FROM readings WHERE NOT EXISTS (SELECT 1 FROM nothing) AND n > 5
SELECT device, (SELECT count(*) FROM readings r WHERE r.device = d.device) AS c FROM devices d
SELECT device, (SELECT sum(n) FROM readings r WHERE r.device = d.device) AS s FROM devices d
SELECT device, (SELECT max(n) + 1 FROM readings r WHERE r.device = d.device AND r.n < 3) AS s FROM devices d
SELECT n, device IN (SELECT device FROM devices WHERE room = 'hall') AS h FROM readings
SELECT n, EXISTS (SELECT 1 FROM devices d WHERE d.device = r.device) AS e FROM readings r
SELECT n FROM readings r WHERE n = 6 OR EXISTS (SELECT 1 FROM devices d WHERE d.device = r.device AND d.lim > 20)
SELECT n FROM readings WHERE device IN (SELECT device FROM devices) AND n IN (SELECT floor + 1 FROM rooms)
SELECT device, sum(n) AS s FROM readings GROUP BY device HAVING sum(n) > (SELECT max(floor) FROM rooms WHERE floor < 9)
SELECT n FROM readings WHERE n IN (SELECT floor FROM rooms UNION SELECT 6)
SELECT d.device FROM devices d WHERE d.lim > (SELECT avg(temperature) FROM readings r WHERE r.device = d.device)
SELECT n FROM readings WHERE n IN (SELECT device, n FROM readings)
SELECT n FROM readings WHERE n > (SELECT floor, room FROM rooms)
SELECT sum(n) AS s FROM readings WHERE temperature > (SELECT min(lim) FROM devices)
SELECT n + (SELECT 1) AS m FROM readings WHERE n = 4
SELECT count(*) AS c FROM readings WHERE n IN (SELECT n FROM readings WHERE n IN (SELECT floor FROM rooms))
SELECT room FROM rooms o WHERE floor IN (SELECT n FROM readings r WHERE r.n = o.floor)
"""

ORDERS = """
SELECT device, n FROM readings ORDER BY n, device
SELECT device, n FROM readings ORDER BY n DESC, device DESC
SELECT device, n FROM readings ORDER BY n NULLS LAST, device NULLS LAST, ts
SELECT device, n FROM readings ORDER BY n DESC NULLS FIRST, device, ts
SELECT temperature FROM readings ORDER BY temperature
SELECT temperature FROM readings ORDER BY temperature DESC
SELECT device, n FROM readings ORDER BY 2, 1
SELECT n FROM readings ORDER BY ALL
SELECT n, device FROM readings ORDER BY ALL DESC NULLS LAST
SELECT device AS d FROM readings ORDER BY upper(d), n, ts
SELECT device FROM readings ORDER BY n * -1, device, ts
SELECT n FROM readings ORDER BY n LIMIT 3
SELECT n FROM readings ORDER BY n LIMIT 3 OFFSET 2
SELECT n FROM readings ORDER BY n OFFSET 8
SELECT n FROM readings ORDER BY n LIMIT ALL
SELECT n FROM readings ORDER BY n LIMIT 0
SELECT n FROM readings ORDER BY n LIMIT 1 + 1
SELECT n FROM readings ORDER BY n OFFSET 100
SELECT device, sum(n) AS s FROM readings GROUP BY device ORDER BY s DESC, device LIMIT 2
SELECT device FROM readings GROUP BY device ORDER BY max(n) DESC, device
SELECT * FROM (SELECT n FROM readings ORDER BY n DESC LIMIT 2) ORDER BY n
SELECT DISTINCT device FROM readings ORDER BY device
SELECT DISTINCT device FROM readings ORDER BY n
SELECT n FROM readings ORDER BY 3
SELECT n FROM readings ORDER BY nope
SELECT n FROM readings LIMIT -1
"""


def shown(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(microseconds=1)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, dict):
        return [[shown(k), shown(v)] for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [shown(v) for v in value]
    return str(value)


def error_class(error):
    get = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    return (get() if get else None) or type(error).__name__


def main():
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.memory", "512m")
    spark = builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    for name, (schema, rows) in TABLES.items():
        spark.createDataFrame(rows, schema).coalesce(1).createOrReplaceTempView(name)
        print(json.dumps({"table": name, "schema": schema, "rows": shown(rows)}))
    for part in (JOINS, SETS, GROUPS, GENERATORS, OVERS, SUBQUERIES, ORDERS):
        for sql in part.strip().splitlines():
            case = {"sql": sql}
            try:
                frame = spark.sql(sql)
                rows = [shown(list(row)) for row in frame.collect()]
                case["schema"] = [[field.name, field.dataType.simpleString()] for field in frame.schema.fields]
                ordered = sql.rsplit(")", 1)[-1] if " OVER " in sql or "(SELECT" in sql else sql
                case["ordered"] = " ORDER BY " in ordered
                case["rows"] = rows
            except Exception as error:
                case["error"] = error_class(error)
            print(json.dumps(case), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
