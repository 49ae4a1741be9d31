//! Strict, bounded JSON, and the canonical form that TUF signs (OLPC canonical JSON). No schema here.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::TrustError;
use crate::limits::{MAX_JSON_DEPTH, MAX_JSON_INTEGER};

type Result<T, E = TrustError> = std::result::Result<T, E>;

/// Reads one JSON document; the caller bounds the number of bytes.
///
/// # Errors
/// Malformed JSON or bytes after it, an object with the same key twice, nesting deeper than
/// [`MAX_JSON_DEPTH`], an integer outside ±(2^53 − 1).
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|e| TrustError::Json(e.to_string()))
}

/// The bytes that a signature is over: members sorted by key, no white space, strings escaped in
/// `"` and `\` alone.
///
/// # Errors
/// A float or an integer outside ±(2^53 − 1) (they have no canonical form), or nesting deeper than
/// [`MAX_JSON_DEPTH`].
pub fn canonical(value: &Value) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write(value, 0, &mut out)?;
    Ok(out)
}

/// The form that relman writes: two-space indent, sorted keys, one newline at the end.
///
/// # Errors
/// As [`canonical`], since what is written is meant to be signed and read back.
pub fn pretty(value: &Value) -> Result<Vec<u8>> {
    canonical(value)?;
    let mut out = serde_json::to_vec_pretty(value).map_err(|e| TrustError::Json(e.to_string()))?;
    out.push(b'\n');
    Ok(out)
}

fn write(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<()> {
    if depth > MAX_JSON_DEPTH {
        return Err(TrustError::Json(too_deep()));
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            if !in_range(number) {
                return Err(TrustError::Json(format!(
                    "number {number} has no canonical form; wanted an integer within ±{MAX_JSON_INTEGER}"
                )));
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, depth + 1, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // Sorted here too, so that no feature of serde_json can change what is signed.
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (i, (key, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write(member, depth + 1, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn in_range(number: &Number) -> bool {
    match (number.as_u64(), number.as_i64()) {
        (Some(n), _) => n <= MAX_JSON_INTEGER,
        (None, Some(n)) => n.unsigned_abs() <= MAX_JSON_INTEGER,
        (None, None) => false,
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_JSON_DEPTH} levels")
}

/// Builds a [`Value`] the way serde_json does, and refuses what it lets pass.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict, E> {
        let depth = self.depth + 1;
        if depth > MAX_JSON_DEPTH {
            return Err(E::custom(too_deep()));
        }
        Ok(Strict { depth })
    }

    fn number<E: serde::de::Error>(number: Number) -> Result<Value, E> {
        if in_range(&number) {
            return Ok(Value::Number(number));
        }
        Err(E::custom(format_args!(
            "integer {number} is outside ±{MAX_JSON_INTEGER}"
        )))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Self::number(value.into())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Self::number(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut out = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if out.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "member {key:?} is there twice"
                )));
            }
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}
