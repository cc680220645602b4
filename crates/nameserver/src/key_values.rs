//! The name server's configuration: keys in namespaces.

use std::collections::BTreeMap;

use crate::NameServer;

/// The namespace whose keys are topics and whose values are handed out with their routes.
pub const ORDER_TOPIC_CONFIG: &str = "ORDER_TOPIC_CONFIG";

/// A copy: the broker's log has the original, and whoever reads the log puts every change in here.
#[derive(Debug, Default)]
pub(crate) struct KeyValues {
    by_namespace: BTreeMap<String, BTreeMap<String, String>>,
}

impl KeyValues {
    pub fn get(&self, namespace: &str, key: &str) -> Option<&str> {
        Some(self.by_namespace.get(namespace)?.get(key)?.as_str())
    }
}

impl NameServer {
    /// Takes over a change of the configuration: `None` removes the key.
    pub fn put_key_value(&mut self, namespace: &str, key: &str, value: Option<&str>) {
        let by_namespace = &mut self.key_values.by_namespace;
        match value {
            Some(value) => {
                by_namespace.entry(namespace.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
            }
            None => {
                let Some(keys) = by_namespace.get_mut(namespace) else { return };
                keys.remove(key);
                if keys.is_empty() {
                    by_namespace.remove(namespace);
                }
            }
        }
    }

    /// A value.
    pub fn key_value(&self, namespace: &str, key: &str) -> Option<&str> {
        self.key_values.get(namespace, key)
    }

    /// All keys of a namespace with their values, in order; `None` when it has none.
    pub fn namespace(&self, namespace: &str) -> Option<impl Iterator<Item = (&str, &str)>> {
        let keys = self.key_values.by_namespace.get(namespace)?;
        Some(keys.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }
}
