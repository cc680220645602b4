//! A value on its way from text into a field of [`Config`](super::Config), and back.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Durability, LogFormat, WhenExhausted};

/// A value that has been read and checked by its [`Kind`](super::kind::Kind).
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// true or false.
    Bool(bool),
    /// A plain number.
    Count(u32),
    /// Bytes.
    Size(u64),
    /// A time span.
    Duration(Duration),
    /// A name, a word out of a list, a log filter.
    Text(String),
    /// A directory.
    Path(PathBuf),
    /// An IP address and a port.
    Address(SocketAddr),
    /// The absent value of an optional key.
    Absent,
}

/// A field of the configuration: turns into a [`Value`] and is set from one.
pub trait Field: Sized {
    /// The field as a value.
    fn to_value(&self) -> Value;
    /// The field from a value; `None` if the value is not of its kind, which a test over all keys rules out.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! plain_field {
    ($type:ty, $variant:ident) => {
        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::$variant(self.clone())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    };
}

plain_field!(bool, Bool);
plain_field!(u32, Count);
plain_field!(u64, Size);
plain_field!(Duration, Duration);
plain_field!(String, Text);
plain_field!(PathBuf, Path);
plain_field!(SocketAddr, Address);

impl<T: Field> Field for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Absent, Field::to_value)
    }
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Absent => Some(None),
            present => T::from_value(present).map(Some),
        }
    }
}

macro_rules! word_field {
    ($type:ident { $($variant:ident = $word:literal),+ }) => {
        impl $type {
            /// The words of the configuration file, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word of the configuration file.
            pub fn word(self) -> &'static str {
                match self {
                    $($type::$variant => $word),+
                }
            }
        }

        impl Field for $type {
            fn to_value(&self) -> Value {
                Value::Text(self.word().to_owned())
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Text(word) => match word.as_str() {
                        $($word => Some($type::$variant),)+
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    };
}

word_field!(Durability { Disk = "disk", Memory = "memory" });
word_field!(WhenExhausted { SetAside = "set-aside", Rollback = "rollback" });
word_field!(LogFormat { Text = "text", Json = "json" });
