//! `layout` of format "binary": fields in the order in which they stand in the frame.

use super::reader::{Context, Reader};
use super::text::Text;
use crate::format::layout::{
    BinaryField, BitField, Count, DEPTH_MAX, ELEMENTS_MAX, Endian, FIELDS_MAX, Group, Item, Kind, Layout, Scaling,
};

/// Bytes that an offset or a length may reach.
const BYTES_MAX: i64 = 1 << 20;
const TYPES: [(&str, Kind); 22] = [
    ("u8", Kind::Unsigned(1)),
    ("u16", Kind::Unsigned(2)),
    ("u24", Kind::Unsigned(3)),
    ("u32", Kind::Unsigned(4)),
    ("u48", Kind::Unsigned(6)),
    ("u64", Kind::Unsigned(8)),
    ("i8", Kind::Signed(1)),
    ("i16", Kind::Signed(2)),
    ("i24", Kind::Signed(3)),
    ("i32", Kind::Signed(4)),
    ("i48", Kind::Signed(6)),
    ("i64", Kind::Signed(8)),
    ("f32", Kind::Float),
    ("f64", Kind::Double),
    ("bcd8", Kind::Bcd(1)),
    ("bcd16", Kind::Bcd(2)),
    ("bcd24", Kind::Bcd(3)),
    ("bcd32", Kind::Bcd(4)),
    ("bcd48", Kind::Bcd(6)),
    ("bcd64", Kind::Bcd(8)),
    ("text", Kind::Text(None)),
    ("bytes", Kind::Bytes(None)),
];
const ENDIANS: [(&str, Endian); 2] = [("big", Endian::Big), ("little", Endian::Little)];

/// Integers so far, which a group may be counted by.
struct Known {
    endian: Endian,
    integers: Vec<String>,
    fields: usize,
}

/// `None` if it is wrong, which has then been reported.
pub fn read(context: &mut Context, reader: &mut Reader) -> Option<Layout> {
    let errors_before = context.diagnostics.len();
    let endian = reader.choice(context, "endian", &ENDIANS).unwrap_or(Endian::Big);
    let rest_ignored = reader.choice(context, "rest", &[("error", false), ("ignore", true)]).unwrap_or(false);
    reader.require(context, "layout", "[{ name = \"temperature\", type = \"i16\", scale = 0.1 }]");
    let mut known = Known { endian, integers: Vec::new(), fields: 0 };
    let items = items(context, reader, "layout", &mut known, 0)?;
    (context.diagnostics.len() == errors_before).then_some(Layout { items, rest_ignored })
}

fn items(context: &mut Context, reader: &mut Reader, key: &'static str, known: &mut Known, depth: usize) -> Option<Vec<Item>> {
    let readers = reader.tables(context, key, depth > 0, FIELDS_MAX)?;
    let mut items = Vec::with_capacity(readers.len());
    for mut reader in readers {
        known.fields += 1;
        if known.fields > FIELDS_MAX {
            context.error(reader.place, format!("a layout has at most {FIELDS_MAX} fields"), "leave some out");
            return None;
        }
        let item = if reader.has("skip") {
            reader.integer(context, "skip", 1..=BYTES_MAX).map(|bytes| Item::Skip(bytes as usize))
        } else if reader.has("fields") {
            group(context, &mut reader, known, depth).map(Item::Group)
        } else {
            field(context, &mut reader, known).map(Item::Field)
        };
        reader.finish(context, &[]);
        items.extend(item);
    }
    Some(items)
}

fn field(context: &mut Context, reader: &mut Reader, known: &mut Known) -> Option<BinaryField> {
    reader.require(context, "type", "\"u16\"");
    let known_kind = reader.choice(context, "type", &TYPES);
    let length = reader.integer(context, "length", 1..=BYTES_MAX).map(|length| length as usize);
    // A wrong type has been reported; the other keys are looked at all the same.
    let kind = match known_kind.unwrap_or(Kind::Unsigned(8)) {
        Kind::Text(_) => Kind::Text(length),
        Kind::Bytes(_) => Kind::Bytes(length),
        kind => {
            if length.is_some() && known_kind.is_some() {
                context.error(
                    reader.key_place("length"),
                    "only \"text\" and \"bytes\" have a length",
                    "the others say theirs by their type",
                );
            }
            kind
        }
    };
    let bits = if reader.has("bits") { bits(context, reader, kind, known) } else { Some(Vec::new()) };
    if !reader.has("bits") {
        reader.require(context, "name", "\"temperature\"");
    }
    let name = reader.text(context, "name").map(|text| text.value).unwrap_or_default();
    if kind.is_integer() && !reader.has("bits") {
        known.integers.push(name.clone());
    }
    let scaling = scaling(context, reader);
    if scaling.is_some() && (matches!(kind, Kind::Text(_) | Kind::Bytes(_)) || reader.has("bits")) {
        context.error(reader.place, "only a number has `scale` and `add`", "remove them");
    }
    let offset = reader.integer(context, "offset", 0..=BYTES_MAX).map(|offset| offset as usize);
    let endian = reader.choice(context, "endian", &ENDIANS).unwrap_or(known.endian);
    known_kind?;
    Some(BinaryField { name, offset, kind, endian, scaling, bits: bits? })
}

fn scaling(context: &mut Context, reader: &mut Reader) -> Option<Scaling> {
    let (scale, add) = (reader.number(context, "scale"), reader.number(context, "add"));
    if scale == Some(0.0) {
        context.error(reader.value_place("scale"), "a scale of 0 makes every value 0", "give the value of one step, such as 0.1");
    }
    (scale.is_some() || add.is_some()).then_some(Scaling { scale: scale.unwrap_or(1.0), add: add.unwrap_or(0.0) })
}

fn bits(context: &mut Context, reader: &mut Reader, kind: Kind, known: &mut Known) -> Option<Vec<BitField>> {
    let tables = reader.tables(context, "bits", false, 64)?;
    let Some(width) = kind.width().filter(|_| kind.is_integer()) else {
        context.error(reader.key_place("bits"), "only an integer has bits", "for example: type = \"u8\"");
        return None;
    };
    let mut fields = Vec::new();
    for mut bit in tables {
        known.fields += 1;
        bit.require(context, "name", "\"door_open\"");
        let name = bit.text(context, "name")?.value;
        let highest = width as i64 * 8 - 1;
        bit.require(context, "bit", "0");
        let lowest = bit.integer(context, "bit", 0..=highest)?;
        let width = bit.integer(context, "width", 1..=highest + 1 - lowest).unwrap_or(1);
        let scaling = scaling(context, &mut bit);
        bit.finish(context, &[]);
        fields.push(BitField { name, lowest: lowest as u32, width: width as u32, scaling });
    }
    Some(fields)
}

fn group(context: &mut Context, reader: &mut Reader, known: &mut Known, depth: usize) -> Option<Group> {
    if depth == DEPTH_MAX {
        context.error(reader.place, format!("groups lie within one another at most {DEPTH_MAX} deep"), "read the inner ones as \"bytes\"");
        return None;
    }
    reader.require(context, "name", "\"samples\"");
    let name = reader.text(context, "name")?.value;
    reader.require(context, "count", "\"rest\", a number, or the name of an integer before it");
    let count = count(context, reader, known);
    let integers = known.integers.len();
    let items = items(context, reader, "fields", known, depth + 1)?;
    known.integers.truncate(integers);
    Some(Group { name, count: count?, items })
}

fn count(context: &mut Context, reader: &mut Reader, known: &Known) -> Option<Count> {
    match reader.integer_or_text(context, "count", 1..=ELEMENTS_MAX as i64)? {
        Ok(count) => Some(Count::Fixed(count as usize)),
        Err(Text { value, .. }) if value == "rest" => Some(Count::Rest),
        Err(text) if known.integers.contains(&text.value) => Some(Count::Field(text.value)),
        Err(text) => {
            let help = "give a number, \"rest\", or the name of a field of whole numbers that stands before";
            context.error(text.place, "there is no such field before this group", help);
            None
        }
    }
}
