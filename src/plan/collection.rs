//! The functions on arrays, maps and JSON text, and those that take a lambda.

/// What stands in a [`Function::Collection`](super::Function::Collection). Arguments are those of the SQL function of that name, in its
/// order, made into the types that `sql::collections` gives them; lambdas are [`ExprNode::Lambda`](super::ExprNode::Lambda).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    // Arrays.
    Array,
    ArrayRepeat,
    Sequence,
    Split,
    /// Also of maps.
    Size,
    /// `a[i]`, from 0; an error outside of the array.
    Index,
    /// `get(a, i)`, from 0; NULL outside of the array.
    Get,
    /// From 1, from the end where negative; an error outside of the array.
    ElementAt,
    TryElementAt,
    /// `a.name` of an array of structs; (array, INT number of the member).
    Members,
    Contains,
    Position,
    Remove,
    Append,
    Prepend,
    Insert,
    Distinct,
    Compact,
    Union,
    Intersect,
    Except,
    Overlap,
    /// All elements are STRING.
    Join,
    Max,
    Min,
    ReverseArray,
    /// (array, whether it ascends): NULLs are least.
    SortArray,
    /// NULLs last.
    ArraySort,
    /// (array, lambda).
    ArraySortBy,
    Slice,
    Flatten,
    Zip,
    ConcatArrays,
    // Maps.
    Map,
    MapFromArrays,
    MapFromEntries,
    MapKeys,
    MapValues,
    MapEntries,
    MapConcat,
    MapContainsKey,
    /// `m[k]`: NULL where there is no such key.
    MapValue,
    StrToMap,
    // With a lambda.
    Transform,
    Filter,
    Exists,
    ForAll,
    /// (array, start, merge, finish).
    Aggregate,
    ZipWith,
    MapFilter,
    TransformKeys,
    TransformValues,
    MapZipWith,
    // JSON.
    GetJsonObject,
    /// (text, name): the member of the outermost object as text; what `json_tuple` is made of.
    JsonMember,
    /// The schema is the expression's type.
    FromJson,
    ToJson,
    SchemaOfJson,
    JsonArrayLength,
    JsonObjectKeys,
}
