use crate::body::{BodyError, Members};
use crate::json::{Object, Value};

/// How often, and when last, a table was changed: `{"counter":2,"stateVersion":0,"timestamp":1700000000000}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataVersion {
    /// Number of changes.
    pub counter: i64,
    /// Term of the leader that changed it; 0 without replication.
    pub state_version: i64,
    /// Time of the last change, in ms since 1970.
    pub timestamp: i64,
}

impl DataVersion {
    /// Appends the version as a JSON object. That is also the text of the field `version` of the answer to 26.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.int("counter", self.counter);
        object.int("stateVersion", self.state_version);
        object.int("timestamp", self.timestamp);
        object.end();
    }

    /// Reads a body that is a version (322).
    pub fn decode(body: &[u8]) -> Result<Self, BodyError> {
        Self::read(&crate::body::parse_object(body)?)
    }

    pub(crate) fn read(value: &Value<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            counter: value.opt_int("counter")?.unwrap_or(0),
            state_version: value.opt_int("stateVersion")?.unwrap_or(0),
            timestamp: value.opt_int("timestamp")?.unwrap_or(0),
        })
    }
}
