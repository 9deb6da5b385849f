//! Every example of docs/sql.md gives the result that stands beside it.
//!
//! A table whose last two columns are `example` and `result` holds examples: in the first an expression, or a whole SELECT, in backticks, in
//! the second what it gives. Below "The examples are over `VALUES …`" up to the next heading, expressions are over those rows. Rows of a result are parted by `; `, their columns by `, `; `error` stands for a failure of any kind.

use tidemill::batch_query::{FileTable, NamedFile, OutputFormat, TableFiles, run};
use tidemill::format::TimestampUnit;
use tidemill::plan::OutputMode;
use tidemill::sql::{Catalog, parse_schema, plan_query};

const DOCUMENT: &str = include_str!("../../docs/sql.md");

struct Example {
    line: usize,
    sql: String,
    result: String,
}

/// A table row's cells, `\|` within them undone.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{0}");
    inner.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    let mut within = false;
    let mut over = None;
    for (index, line) in DOCUMENT.lines().enumerate() {
        if !line.starts_with('|') {
            within = false;
            if line.starts_with('#') {
                over = None;
            } else if let Some((rows, _)) = line.strip_prefix("The examples are over `").and_then(|rest| rest.split_once('`')) {
                over = Some(rows);
            }
            continue;
        }
        let cells = cells(line);
        let [.., example, result] = &cells[..] else { continue };
        if example == "example" && result == "result" {
            within = true;
        } else if within && !example.starts_with("---") && !example.is_empty() {
            let at = || format!("docs/sql.md:{}: the example and its result stand in backticks: {line}", index + 1);
            let expression = code(example).unwrap_or_else(|| panic!("{}", at()));
            let sql = over.map_or_else(|| expression.to_owned(), |rows| format!("SELECT {expression} FROM {rows}"));
            found.push(Example { line: index + 1, sql, result: code(result).unwrap_or_else(|| panic!("{}", at())).to_owned() });
        }
    }
    found
}

/// What a query gives over a table of one row, in the form of the document.
fn outcome(sql: &str) -> Result<String, String> {
    let table = FileTable::json("t", parse_schema("one INT").unwrap(), TimestampUnit::Seconds);
    let catalog = Catalog { sources: std::slice::from_ref(&table.schema), ..Catalog::default() };
    let whole = ["SELECT ", "WITH ", "FROM ", "VALUES "].iter().any(|word| sql.to_uppercase().starts_with(word));
    let text = if whole { sql.to_owned() } else { format!("SELECT {sql} AS x FROM t") };
    let query = plan_query("example", &text, OutputMode::Batch, &catalog).map_err(|error| error.message)?;
    let mut out = Vec::new();
    let file = NamedFile { name: "t".to_owned(), input: Ok(&b"{\"one\":1}\n"[..]) };
    let tables = vec![TableFiles { table, files: std::iter::once(file) }];
    let summary = run(tables, query, Vec::new(), OutputFormat::Table, 7, &mut out).map_err(|error| error.to_string())?;
    if let Some(reason) = summary.rejects.first() {
        return Err(reason.clone());
    }
    let printed = String::from_utf8(out).unwrap();
    // A rule, the names, a rule, the rows, a rule.
    let widths: Vec<usize> = printed.lines().next().unwrap_or_default().split('+').map(str::len).filter(|width| *width > 0).collect();
    let rows: Vec<String> = printed.lines().skip(3).filter(|line| line.starts_with('|')).map(|line| row(line, &widths)).collect();
    Ok(rows.join("; "))
}

/// The cells of a printed row, by the widths of the columns.
fn row(line: &str, widths: &[usize]) -> String {
    let mut rest = line.chars();
    let cells = widths.iter().map(|width| rest.by_ref().skip(1).take(*width).collect::<String>().trim_end().to_owned());
    cells.collect::<Vec<_>>().join(", ")
}

#[test]
fn examples_give_what_the_document_says() {
    let examples = examples();
    let mut wrong = Vec::new();
    for Example { line, sql, result } in &examples {
        match outcome(sql) {
            Ok(ours) if ours == *result => {}
            Err(_) if result == "error" => {}
            Ok(ours) => wrong.push(format!("docs/sql.md:{line}: {sql} gives `{ours}`, not `{result}`")),
            Err(reason) => wrong.push(format!("docs/sql.md:{line}: {sql} fails: {reason}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} examples:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
    assert!(examples.len() > 120, "only {} examples were found", examples.len());
}
