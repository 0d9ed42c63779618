//! Values of a program's own types, read by the strict reader through serde.

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
    value::{BorrowedStrDeserializer, StrDeserializer},
};

use super::{Elements, JsonError, Kind, Members, Reader};
use crate::encoding::scratch::Scratch;

/// Reads a whole document as a `T`.
///
/// The same rules hold as wherever else JSON is read: names twice, depth, number and string forms
/// (SEC-034). Texts without escapes are borrowed, others are unescaped into `scratch`. An enum is read
/// from the name of a variant without content.
pub fn from_slice<'j, T: serde::Deserialize<'j>>(
    document: &'j [u8],
    depth_max: u8,
    scratch: &mut Scratch<'j>,
) -> Result<T, DeserializeError> {
    let mut reader = Reader::new(document, depth_max)?;
    let value = T::deserialize(Value { reader: &mut reader, scratch })?;
    reader.end()?;
    Ok(value)
}

/// Why a document is no value of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeserializeError {
    /// Not acceptable JSON, or of another kind than the type has at this place.
    Json(JsonError),
    /// JSON, but not a value of the type: a member is missing or unknown, a number out of range.
    Mismatch,
}

impl core::fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Json(error) => error.fmt(f),
            Self::Mismatch => f.write_str("JSON does not have the wanted form"),
        }
    }
}

impl core::error::Error for DeserializeError {}

impl serde::de::Error for DeserializeError {
    /// Without serde's text, which repeats what a stranger sent.
    fn custom<T: core::fmt::Display>(_: T) -> Self {
        Self::Mismatch
    }
}

impl From<JsonError> for DeserializeError {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

/// The next value of a document.
struct Value<'r, 's, 'j> {
    reader: &'r mut Reader<'j>,
    scratch: &'s mut Scratch<'j>,
}

impl<'j> Value<'_, '_, 'j> {
    fn text(self) -> Result<&'j str, JsonError> {
        self.reader.string()?.read(self.scratch)
    }

    fn float<F: core::str::FromStr>(self) -> Result<F, DeserializeError> {
        self.reader.number()?.parse().map_err(|_| DeserializeError::Mismatch)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $read:ident,)*) => {
        $(fn $method<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            visitor.$visit(self.reader.$read()?)
        })*
    };
}

impl<'j> Deserializer<'j> for Value<'_, '_, 'j> {
    type Error = DeserializeError;

    integers! {
        deserialize_i8 visit_i64 integer,
        deserialize_i16 visit_i64 integer,
        deserialize_i32 visit_i64 integer,
        deserialize_i64 visit_i64 integer,
        deserialize_u8 visit_u64 unsigned,
        deserialize_u16 visit_u64 unsigned,
        deserialize_u32 visit_u64 unsigned,
        deserialize_u64 visit_u64 unsigned,
        deserialize_bool visit_bool boolean,
    }

    fn deserialize_any<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.reader.peek()? {
            Kind::Object => self.deserialize_map(visitor),
            Kind::Array => self.deserialize_seq(visitor),
            Kind::String => self.deserialize_str(visitor),
            Kind::Number => self.deserialize_f64(visitor),
            Kind::Bool => self.deserialize_bool(visitor),
            Kind::Null => self.deserialize_unit(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_f32(self.float()?)
    }

    fn deserialize_f64<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_str<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_option<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.reader.peek()? == Kind::Null {
            self.reader.null()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.reader.null()?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'j>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let elements = self.reader.array()?;
        let mut array = Array { elements, reader: self.reader, scratch: self.scratch };
        let value = visitor.visit_seq(&mut array)?;
        // A type that takes fewer elements than there are does not fit.
        if array.elements.next(array.reader)? {
            return Err(DeserializeError::Mismatch);
        }
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        let members = self.reader.object()?;
        visitor.visit_map(Object { members, reader: self.reader, scratch: self.scratch })
    }

    fn deserialize_struct<V: Visitor<'j>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'j>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let variant: StrDeserializer<'_, DeserializeError> =
            serde::de::IntoDeserializer::into_deserializer(self.text()?);
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.reader.skip()?;
        visitor.visit_unit()
    }

    fn deserialize_bytes<V: Visitor<'j>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(DeserializeError::custom("JSON has no bytes"))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'j>>
        i128 u128
    }

    fn deserialize_char<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'j>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'j>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'j>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_identifier<V: Visitor<'j>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }
}

struct Array<'r, 's, 'j> {
    elements: Elements,
    reader: &'r mut Reader<'j>,
    scratch: &'s mut Scratch<'j>,
}

impl<'j> SeqAccess<'j> for &mut Array<'_, '_, 'j> {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'j>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        if !self.elements.next(self.reader)? {
            return Ok(None);
        }
        seed.deserialize(Value { reader: self.reader, scratch: self.scratch }).map(Some)
    }
}

struct Object<'r, 's, 'j> {
    members: Members<'j>,
    reader: &'r mut Reader<'j>,
    scratch: &'s mut Scratch<'j>,
}

impl<'j> MapAccess<'j> for Object<'_, '_, 'j> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'j>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some(name) = self.members.next(self.reader)? else { return Ok(None) };
        let name = name.read(self.scratch)?;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'j>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, Self::Error> {
        seed.deserialize(Value { reader: self.reader, scratch: self.scratch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Led<'j> {
        on: bool,
        #[serde(borrow)]
        label: Option<&'j str>,
        #[serde(default)]
        level: u8,
        #[serde(default)]
        offset: f32,
        colour: Option<Colour>,
        #[serde(default)]
        pair: (i16, i16),
    }

    const PLAIN: Led<'static> =
        Led { on: true, label: None, level: 0, offset: 0.0, colour: None, pair: (0, 0) };

    #[track_caller]
    fn check(document: &str, expected: Result<Led<'_>, DeserializeError>) {
        let mut memory = [0; 64];
        let led = from_slice(document.as_bytes(), 4, &mut Scratch::new(&mut memory));
        assert_eq!(led, expected, "{document}");
    }

    #[test]
    fn values_of_a_type() {
        check(r#"{"on":true}"#, Ok(PLAIN));
        check(r#"{"\u006fn":true,"label":"a\n\u00e9"}"#, Ok(Led { label: Some("a\né"), ..PLAIN }));
        check(
            r#" {"pair":[-1,2],"on":true,"level":255,"offset":-1.5e0,"colour":"red","label":null} "#,
            Ok(Led { level: 255, offset: -1.5, colour: Some(Colour::Red), pair: (-1, 2), ..PLAIN }),
        );
        check(r#"{"on":true,"colour":"green"}"#, Ok(Led { colour: Some(Colour::Green), ..PLAIN }));
    }

    #[test]
    fn sec_032_another_form_is_an_error() {
        let json = |error| Err(DeserializeError::Json(error));
        let mismatch = || Err(DeserializeError::Mismatch);
        check("{}", mismatch());
        check(r#"{"on":true,"more":1}"#, mismatch());
        check(r#"{"on":1}"#, json(JsonError::Type));
        check(r#"{"on":null}"#, json(JsonError::Type));
        check(r#"{"on":true,"level":256}"#, mismatch());
        check(r#"{"on":true,"level":1.0}"#, json(JsonError::Number));
        check(r#"{"on":true,"colour":"blue"}"#, mismatch());
        check(r#"{"on":true,"colour":{"red":1}}"#, json(JsonError::Type));
        check(r#"{"on":true,"pair":[1]}"#, mismatch());
        check(r#"{"on":true,"pair":[1,2,3]}"#, mismatch());
        check(r#"[true]"#, json(JsonError::Type));
    }

    #[test]
    fn sec_034_the_rules_of_the_strict_reader_hold() {
        let json = |error| Err(DeserializeError::Json(error));
        check(r#"{"on":true,"on":false}"#, json(JsonError::Duplicate));
        check(r#"{"on":true,"\u006fn":false}"#, json(JsonError::Duplicate));
        check(r#"{"on":true} x"#, json(JsonError::Trailing));
        check("{\"on\":true,\"label\":\"a\tb\"}", json(JsonError::Character));
        check(r#"{"on":true,"pair":[[[[1]]]]}"#, json(JsonError::Type));
        let mut memory = [0; 8];
        let deep =
            from_slice::<serde::de::IgnoredAny>(b"[[[[[]]]]]", 4, &mut Scratch::new(&mut memory));
        assert_eq!(deep.err(), Some(DeserializeError::Json(JsonError::Depth)));
    }
}
