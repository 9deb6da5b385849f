"""What Spark makes of an expression, as text: shared by the generators that record calls and random expressions.

ANSI mode, session time zone UTC, without the optimizer's rules that would know a result before a row is there.
"""

from pyspark.sql import SparkSession

RULES_OFF = ["ConstantFolding", "NullPropagation", "BooleanSimplification", "SimplifyConditionals", "OptimizeIn", "ReplaceNullWithFalseInPredicate"]


def session():
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "700m")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.ansi.enabled", "true")
        .config("spark.sql.variable.substitute", "false")
        .config("spark.sql.optimizer.excludedRules", ",".join(f"org.apache.spark.sql.catalyst.optimizer.{rule}" for rule in RULES_OFF))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("OFF")
    return spark


def error_class(error):
    """Spark's name for what went wrong, or Java's."""
    condition = getattr(error, "getCondition", lambda: None)()
    named = next((part.rstrip(":") for part in str(error).split() if part.rstrip(":").endswith(("Exception", "Error"))), type(error).__name__)
    return condition or named


def shown(name, type_):
    """SQL that makes a column into the text that is recorded: BINARY as hexadecimal digits, all else as CAST writes it."""
    return f"hex({name})" if type_ == "binary" else f"CAST({name} AS STRING)"
