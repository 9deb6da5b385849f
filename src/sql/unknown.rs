//! Function names that are not there: refused on purpose, missing, or misspelt.

use super::error::{SqlError, near};
use super::function_names;
use super::over;
use crate::plan::Span;

/// Spark 4.3's functions that are not here, in order; names that have come since are found before anyone looks here.
const MISSING: &str = "
    aes_decrypt aggregate approx_top_k approx_top_k_accumulate approx_top_k_combine approx_top_k_estimate array array_append array_compact
    array_contains array_distinct array_except array_insert array_intersect array_join array_max array_min array_position array_prepend
    array_remove array_repeat array_size array_sort array_union arrays_overlap arrays_zip bitmap_and_agg bitmap_construct_agg
    bitmap_or_agg cardinality cast collate collation collect_union count_min_sketch counter_diff cume_dist decimal dense_rank element_at
    exists explode explode_outer extract filter flatten forall from_avro from_csv from_json from_protobuf from_xml get get_json_object
    grouping grouping_id hll_sketch_agg hll_sketch_estimate hll_union hll_union_agg inline inline_outer is_valid_variant is_variant_null
    json_array_length json_object_keys json_tuple kll_merge_agg_bigint kll_merge_agg_double kll_merge_agg_float kll_sketch_agg_bigint
    kll_sketch_agg_double kll_sketch_agg_float kll_sketch_get_n_bigint kll_sketch_get_n_double kll_sketch_get_n_float
    kll_sketch_get_quantile_bigint kll_sketch_get_quantile_double kll_sketch_get_quantile_float kll_sketch_get_rank_bigint
    kll_sketch_get_rank_double kll_sketch_get_rank_float kll_sketch_merge_bigint kll_sketch_merge_double kll_sketch_merge_float
    kll_sketch_to_string_bigint kll_sketch_to_string_double kll_sketch_to_string_float lag lead make_interval make_time make_timestamp_ntz
    make_ym_interval map map_concat map_contains_key map_entries map_filter map_from_arrays map_from_entries map_keys map_values
    map_zip_with measure nth_value ntile parse_json percent_rank posexplode posexplode_outer rank reduce row_number schema_of_avro
    schema_of_csv schema_of_json schema_of_variant schema_of_variant_agg schema_of_xml sentences sequence size slice smallint sort_array
    split st_asbinary st_geogfromwkb st_geomfromwkb st_setsrid st_srid stack str_to_map struct theta_difference theta_intersection
    theta_intersection_agg theta_sketch_agg theta_sketch_estimate theta_union theta_union_agg time time_diff time_from_micros
    time_from_millis time_from_seconds time_to_micros time_to_millis time_to_seconds time_trunc timestamp_nanos tinyint to_avro to_csv
    to_json to_protobuf to_time to_timestamp_ntz to_variant_object to_xml transform transform_keys transform_values try_aes_decrypt
    try_element_at try_make_interval try_make_timestamp_ntz try_parse_json try_to_time try_variant_array_append try_variant_get
    try_variant_insert try_variant_set tuple_difference_double tuple_difference_integer tuple_difference_theta_double
    tuple_difference_theta_integer tuple_intersection_agg_double tuple_intersection_agg_integer tuple_intersection_double
    tuple_intersection_integer tuple_intersection_theta_double tuple_intersection_theta_integer tuple_sketch_agg_double
    tuple_sketch_agg_integer tuple_sketch_estimate_double tuple_sketch_estimate_integer tuple_sketch_summary_double
    tuple_sketch_summary_integer tuple_sketch_theta_double tuple_sketch_theta_integer tuple_union_agg_double tuple_union_agg_integer
    tuple_union_double tuple_union_integer tuple_union_theta_double tuple_union_theta_integer unix_nanos variant_array_append
    variant_delete variant_explode variant_explode_outer variant_get variant_insert variant_set variant_strip_nulls vector_avg
    vector_cosine_similarity vector_inner_product vector_l2_distance vector_norm vector_normalize vector_sum xpath xpath_boolean
    xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string zip_with
";

/// Refused: a replay of the same batch would give another answer.
const CLOCKS: &[&str] = &["now", "current_timestamp", "current_date", "curdate", "localtimestamp", "current_time", "localtime"];

/// Refused for the same reason.
const DICE: &[&str] = &[
    "rand",
    "random",
    "randn",
    "uuid",
    "randstr",
    "uniform",
    "shuffle",
    "monotonically_increasing_id",
    "spark_partition_id",
    "aes_encrypt",
];

/// Refused: they tell of Spark's session, its files, or run code of Java's.
const SESSION: &[&str] = &[
    "current_user",
    "session_user",
    "user",
    "version",
    "current_catalog",
    "current_database",
    "current_schema",
    "current_path",
    "input_file_name",
    "input_file_block_length",
    "input_file_block_start",
    "java_method",
    "reflect",
    "try_reflect",
];

/// Whether a function of that name, in any case, is there or is to come.
pub fn is_function(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut known = MISSING.split_ascii_whitespace().chain(over::NAMES.iter().copied()).chain(function_names());
    known.any(|known| known == name) || unknown(&name, Span::default()).message.contains("refused")
}

/// The error for a function that is not there.
pub fn unknown(name: &str, span: Span) -> SqlError {
    if CLOCKS.contains(&name) || DICE.contains(&name) {
        let error = SqlError::new(span, format!("`{name}` is refused: a replay would give another answer than the first run"));
        let arrived = "the hidden column `_arrived` of each source is the time at which the row arrived";
        return if CLOCKS.contains(&name) { error.help(arrived) } else { error };
    }
    if SESSION.contains(&name) {
        return SqlError::new(span, format!("`{name}` is refused: it has no meaning on a gateway"));
    }
    if name == "iff" {
        return SqlError::new(span, "there is no function `iff`").help("use if(condition, a, b)");
    }
    if MISSING.split_ascii_whitespace().any(|missing| missing == name) {
        return SqlError::unsupported(span, format_args!("the function `{name}`"));
    }
    let error = SqlError::new(span, format!("there is no function `{name}`"));
    match near(name, super::function_names()) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_gets_its_reason() {
        let message = |name: &str| unknown(name, Span::default()).message;
        assert!(message("now").contains("replay"));
        assert!(message("uniform").contains("replay"));
        assert!(message("current_user").contains("gateway"));
        assert!(message("xpath").contains("not supported"));
        assert!(message("levenstein").contains("there is no function"));
    }
}
