//! What a group subscribes to: 345. (343 is a group header and a topic list.)

use crate::encode::Field;
use crate::header::{FieldError, Fields};
use crate::json::Object;
use crate::request::heartbeat::SubscriptionData;

/// Header of 345: this group's subscription of this topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuerySubscriptionHeader<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic.
    pub topic: Option<&'a str>,
}

impl<'a> QuerySubscriptionHeader<'a> {
    /// Reads the header.
    pub fn decode(fields: &Fields<'a>) -> Result<Self, FieldError> {
        Ok(Self { group: fields.str("group")?, topic: fields.opt_str("topic") })
    }

    /// The fields, as our tools send them.
    pub fn fields(&self) -> [Field<'a>; 2] {
        [("group", self.group.into()), ("topic", self.topic.into())]
    }
}

/// Body of the answer to 345.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySubscriptionAnswer {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// Its subscription, if there is one.
    pub subscription: Option<SubscriptionData>,
}

impl QuerySubscriptionAnswer {
    /// Appends the body.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("group", &self.group);
        if let Some(subscription) = &self.subscription {
            subscription.write(object.member("subscriptionData"));
        }
        object.string("topic", &self.topic);
        object.end();
    }
}
