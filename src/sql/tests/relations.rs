//! Subqueries, turned tables, lists of values: what is refused, with which words.

use super::*;

#[test]
fn what_has_no_meaning_is_refused() {
    for (text, words) in [
        ("SELECT * FROM (SELECT 1 AS a) AS t(x, y)", "the alias names 2 columns, but there are 1"),
        ("WITH a(x, y) AS (SELECT 1) SELECT * FROM a", "`a` has 1 columns, but is given 2 names"),
        ("WITH a AS (SELECT 1 AS x), A AS (SELECT 2 AS x) SELECT * FROM a", "WITH defines `A` twice"),
        ("SELECT * EXCEPT (n, N) FROM readings", "EXCEPT names `N` twice"),
        ("SELECT n FROM readings ORDER BY -1", "no column number -1"),
        ("SELECT * FROM readings UNPIVOT (v FOR k IN (nope))", "there is no column `nope`"),
        ("SELECT * FROM readings UNPIVOT ((v, w) FOR k IN (n))", "UNPIVOT makes 2 columns of values, but here are 1"),
        ("SELECT * FROM readings PIVOT (upper(device) FOR n IN (1))", "PIVOT takes aggregates"),
        ("SELECT * FROM readings PIVOT (max(big) FOR n IN (n))", "a value of PIVOT is a constant"),
        ("SELECT * FROM readings PIVOT (max(big) FOR (n, ok) IN (1))", "PIVOT goes by 2 columns, but this value has 1"),
        ("SELECT stack(2, 1, 'x')", "column 0 of stack holds an INT and a STRING"),
        ("SELECT json_tuple('{}', 1)", "json_tuple takes texts, not an INT"),
        ("SELECT sum(n) OVER (ORDER BY n ROWS 3000000000 PRECEDING) AS s FROM readings", "of type INT"),
        ("SELECT sum(n) OVER (ORDER BY day RANGE INTERVAL 2 HOURS PRECEDING) AS s FROM readings", "bounded by whole days"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_subquery_sees_the_query_around_in_its_own_where_only() {
    for (text, words) in [
        ("SELECT (SELECT max(x.n) FROM readings x JOIN bare y ON x.n = r.n) AS s FROM readings r", "cannot stand in a join"),
        ("SELECT (WITH w AS (SELECT n FROM bare x WHERE x.n = r.n) SELECT max(n) FROM w) AS s FROM readings r", "own SELECT only"),
        ("SELECT (SELECT max(n) FROM (SELECT n FROM bare x WHERE x.n = r.n)) AS s FROM readings r", "own SELECT only"),
        ("SELECT (SELECT max(x.n) FROM bare x WHERE x.n > r.n) AS s FROM readings r", "by equalities only"),
        ("SELECT n FROM readings WHERE n IN (SELECT n, big FROM bare)", "yields 2 columns"),
        ("SELECT n FROM readings GROUP BY n, (SELECT 1)", "cannot stand here"),
    ] {
        let error = refused(Batch, text);
        assert!(error.contains(words), "{text}: {error}");
    }
    assert!(refused(Append, "SELECT n IN (SELECT n FROM bare b WHERE b.big > r.big) AS i FROM readings r").contains("over a stream"));
}
