//! The parts of a JSON-RPC body that decisions rest on, read in one pass.

use super::{Fault, Id, Message};
use crate::{
    encoding::json::{JsonError, JsonStr, Kind, Reader},
    limits::{MESSAGE_MEMBERS_MAX, META_MEMBERS_MAX, PARAMS_MEMBERS_MAX},
};

/// A member as the body has it. What has the wrong type is never taken for absent (SEC-032).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Part<T> {
    #[default]
    Absent,
    Read(T),
    /// There, but of a type that this member cannot have.
    Wrong,
}

impl<T> Part<T> {
    pub(super) fn read(self) -> Option<T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub(super) const fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong)
    }
}

impl<T> From<Option<T>> for Part<T> {
    /// `None` stands for a value that was there but is not usable.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Wrong, Self::Read)
    }
}

/// The members of a body that are looked at. All others are passed over, but checked as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts<'b> {
    jsonrpc: Part<JsonStr<'b>>,
    id: Part<Id<'b>>,
    pub(super) method: Part<JsonStr<'b>>,
    has_result: bool,
    has_error: bool,
    params: Part<()>,
    /// `params.name`.
    name: Part<JsonStr<'b>>,
    /// `params.uri`.
    uri: Part<JsonStr<'b>>,
    /// `params.protocolVersion`, which `initialize` has.
    pub(super) protocol_version: Part<JsonStr<'b>>,
    /// `params.arguments` as its JSON text, whatever its type.
    pub(super) arguments: Option<&'b str>,
    /// Whether there is `params.cursor`, whatever its type.
    pub(super) has_cursor: bool,
    /// `params._meta`.
    pub(super) meta: Part<()>,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    pub(super) meta_version: Part<JsonStr<'b>>,
    /// `params._meta["io.modelcontextprotocol/clientCapabilities"]` as its JSON text.
    pub(super) client_capabilities: Part<&'b str>,
}

impl<'b> Parts<'b> {
    /// Reads the whole document, so that nothing of it is unchecked JSON afterwards.
    ///
    /// A name twice in an object that is looked into is refused: two readers could pick different
    /// values (SEC-020). `arguments` and unknown members are not looked into.
    pub(super) fn read(document: &'b [u8], depth_max: u8) -> Result<Self, Fault> {
        let mut reader = Reader::new(document, depth_max)?;
        let mut parts = Self::default();
        let shape = reader.peek()?;
        match shape {
            Kind::Object => parts.read_message(&mut reader)?,
            _ => reader.skip()?,
        }
        reader.end()?;
        match shape {
            Kind::Object => Ok(parts),
            Kind::Array => Err(Fault::Batch),
            Kind::String | Kind::Number | Kind::Bool | Kind::Null => Err(Fault::Envelope),
        }
    }

    /// What kind of message these members make (TS-20, TS-21).
    // Apart, for less code and less stack on a device.
    #[inline(never)]
    pub(super) fn message(&self) -> Result<Message<'b>, Fault> {
        let is_version_2 = self.jsonrpc.read().is_some_and(|version| version.eq_str("2.0"));
        if !is_version_2 || self.params.is_wrong() {
            return Err(Fault::Envelope);
        }
        match (self.method, self.id, self.has_result, self.has_error) {
            (Part::Read(_), Part::Read(id), false, false) => Ok(Message::Request { id }),
            (Part::Read(_), Part::Absent, false, false) => Ok(Message::Notification),
            (Part::Absent, Part::Read(_), true, false) => Ok(Message::Response),
            // An error answer to what could not be read has no `id` (TS-27).
            (Part::Absent, Part::Read(_) | Part::Absent, false, true) => Ok(Message::Response),
            _ => Err(Fault::Envelope),
        }
    }

    /// What a method is applied to, for the methods that are applied to something by name (TS-42).
    pub(super) fn name_of(&self, method: &str) -> Option<Part<JsonStr<'b>>> {
        match method {
            "tools/call" | "prompts/get" => Some(self.name),
            "resources/read" => Some(self.uri),
            _ => None,
        }
    }

    /// The `id` that an error answer to this body repeats: that of a request, and of what is
    /// neither a request nor an answer, but not that of somebody's answer.
    pub(super) fn id(&self) -> Option<Id<'b>> {
        if self.has_result || self.has_error { None } else { self.id.read() }
    }

    // Apart, for less code and less stack on a device.
    #[inline(never)]
    fn read_message(&mut self, reader: &mut Reader<'b>) -> Result<(), JsonError> {
        let mut members = reader.object_bounded::<MESSAGE_MEMBERS_MAX>()?;
        while let Some(name) = members.next(reader)? {
            if name.eq_str("jsonrpc") {
                self.jsonrpc = text(reader)?;
            } else if name.eq_str("id") {
                self.id = Id::read(reader)?.into();
            } else if name.eq_str("method") {
                self.method = text(reader)?;
            } else if name.eq_str("params") {
                self.params = self.read_params(reader)?;
            } else {
                self.has_result |= name.eq_str("result");
                self.has_error |= name.eq_str("error");
                reader.skip()?;
            }
        }
        Ok(())
    }

    fn read_params(&mut self, reader: &mut Reader<'b>) -> Result<Part<()>, JsonError> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(Part::Wrong);
        }
        let mut members = reader.object_bounded::<PARAMS_MEMBERS_MAX>()?;
        while let Some(name) = members.next(reader)? {
            if name.eq_str("name") {
                self.name = text(reader)?;
            } else if name.eq_str("uri") {
                self.uri = text(reader)?;
            } else if name.eq_str("arguments") {
                self.arguments = Some(reader.raw()?);
            } else if name.eq_str("protocolVersion") {
                self.protocol_version = text(reader)?;
            } else if name.eq_str("_meta") {
                self.meta = self.read_meta(reader)?;
            } else {
                self.has_cursor |= name.eq_str("cursor");
                reader.skip()?;
            }
        }
        Ok(Part::Read(()))
    }

    fn read_meta(&mut self, reader: &mut Reader<'b>) -> Result<Part<()>, JsonError> {
        if reader.peek()? != Kind::Object {
            reader.skip()?;
            return Ok(Part::Wrong);
        }
        let mut members = reader.object_bounded::<META_MEMBERS_MAX>()?;
        while let Some(name) = members.next(reader)? {
            if name.eq_str("io.modelcontextprotocol/protocolVersion") {
                self.meta_version = text(reader)?;
            } else if name.eq_str("io.modelcontextprotocol/clientCapabilities") {
                let is_object = reader.peek()? == Kind::Object;
                self.client_capabilities = Some(reader.raw()?).filter(|_| is_object).into();
            } else {
                reader.skip()?;
            }
        }
        Ok(Part::Read(()))
    }
}

/// Reads a string, or passes over whatever else is there.
fn text<'b>(reader: &mut Reader<'b>) -> Result<Part<JsonStr<'b>>, JsonError> {
    if reader.peek()? == Kind::String {
        return Ok(Part::Read(reader.string()?));
    }
    reader.skip()?;
    Ok(Part::Wrong)
}
