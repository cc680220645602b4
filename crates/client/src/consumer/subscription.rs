//! Which messages of a topic a group wants.

use message::{names, tags};
use protocol::request::heartbeat::{EXPRESSION_TYPE_TAG, SubscriptionData};

use crate::error::{Error, Result};
use crate::message_view::MessageView;
use crate::unique_id::now_ms;

/// A topic and the tags wanted of it.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    data: SubscriptionData,
}

impl Subscription {
    /// `expression` is `*`, or tags separated by `||`.
    pub(super) fn new(topic: &str, expression: &str) -> Result<Self> {
        // Retry topics have a sign in front that topics of applications may have, too.
        names::validate_topic(topic).map_err(|error| Error::Invalid(error.to_string()))?;
        let mut tags: Vec<String> = Vec::new();
        let expression = expression.trim();
        if !expression.is_empty() && expression != "*" {
            for tag in expression.split("||").map(str::trim) {
                if tag.is_empty() || tag == "*" {
                    let problem = "write \"*\", or tags such as \"paid || refused\"";
                    return Err(Error::Invalid(format!("filter {expression:?} of topic {topic:?}; {problem}")));
                }
                if !tags.iter().any(|known| known == tag) {
                    tags.push(tag.to_owned());
                }
            }
        }
        Ok(Subscription {
            data: SubscriptionData {
                topic: topic.to_owned(),
                sub_string: if tags.is_empty() { "*".to_owned() } else { tags.join(" || ") },
                codes: tags.iter().map(|tag| tags::tags_code(tag)).collect(),
                tags,
                sub_version: now_ms(),
                expression_type: EXPRESSION_TYPE_TAG.to_owned(),
                class_filter_mode: false,
            },
        })
    }

    pub(super) fn topic(&self) -> &str {
        &self.data.topic
    }

    pub(super) fn data(&self) -> &SubscriptionData {
        &self.data
    }

    /// Brokers compare hashes of tags, which collide: the tag itself decides.
    pub(super) fn wants(&self, message: &MessageView) -> bool {
        self.data.tags.is_empty() || message.tag().is_some_and(|tag| self.data.tags.iter().any(|wanted| wanted == tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_view::tests::view;

    #[test]
    fn tags_are_wanted_by_name_not_by_hash() {
        // Both have the Java hash 2112.
        let subscription = Subscription::new("T", " Aa||x ").unwrap();
        assert_eq!(
            (subscription.data().sub_string.as_str(), &subscription.data().codes[..]),
            ("Aa || x", &[2112, 120][..])
        );
        assert!(subscription.wants(&view(0, "TAGS\u{1}Aa\u{2}")));
        assert!(!subscription.wants(&view(0, "TAGS\u{1}BB\u{2}")));
        assert!(!subscription.wants(&view(0, "")));
    }

    #[test]
    fn a_star_or_nothing_wants_everything() {
        for expression in ["*", "", "  "] {
            let subscription = Subscription::new("T", expression).unwrap();
            assert!(subscription.wants(&view(0, "")) && subscription.wants(&view(0, "TAGS\u{1}a\u{2}")));
            assert_eq!(subscription.data().sub_string, "*");
        }
    }

    #[test]
    fn half_an_expression_is_refused() {
        for expression in ["a ||", "|| a", "a || * || b"] {
            assert!(Subscription::new("T", expression).is_err(), "{expression}");
        }
        assert!(Subscription::new("a b", "*").is_err());
    }
}
