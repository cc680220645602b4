//! Whether two JSON bodies say the same kind of things, whatever the values.

use protocol::json::{Value, parse};

/// Objects whose members are named after topics, groups and the like: only the first members are compared.
const MAPS: [&str; 11] = [
    "attributes",
    "brokerAddrTable",
    "brokerAddrs",
    "clusterAddrTable",
    "data",
    "offsetTable",
    "subscriptionGroupTable",
    "subscriptionTable",
    "table",
    "topicConfigTable",
    "consumerTable",
];

/// How the body differs from the recorded one, in words.
pub fn differences(recorded: &[u8], ours: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    match (parse(recorded), parse(ours)) {
        (Ok(recorded), Ok(ours)) => compare("", &recorded, &ours, &mut found),
        (Ok(_), Err(error)) => found.push(format!("not json: {error}")),
        // Records and properties text: there or not.
        (Err(_), _) if recorded.is_empty() != ours.is_empty() => {
            found.push(format!("{} bytes rather than {}", ours.len(), recorded.len()));
        }
        (Err(_), _) => {}
    }
    found
}

fn compare(path: &str, recorded: &Value<'_>, ours: &Value<'_>, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(recorded_members), Value::Object(our_members)) => {
            let name = path.rsplit('.').next().unwrap_or_default();
            let is_map =
                MAPS.contains(&name) || recorded_members.iter().any(|(key, _)| !matches!(key, Value::String(_)));
            if is_map {
                if let (Some((a_key, a)), Some((b_key, b))) = (recorded_members.first(), our_members.first()) {
                    compare(&format!("{path}.key"), a_key, b_key, found);
                    compare(&format!("{path}.*"), a, b, found);
                }
                return;
            }
            for (key, value) in recorded_members {
                let Value::String(key) = key else { unreachable!("maps are compared above") };
                let path = format!("{path}.{key}");
                match ours.get(key) {
                    Some(ours) => compare(&path, value, ours, found),
                    None => found.push(format!("{path} is missing")),
                }
            }
            for (key, _) in our_members {
                let Value::String(key) = key else { continue };
                if recorded.get(key).is_none() {
                    found.push(format!("{path}.{key} is new"));
                }
            }
        }
        (Value::Array(recorded), Value::Array(ours)) => {
            if let (Some(recorded), Some(ours)) = (recorded.first(), ours.first()) {
                compare(&format!("{path}[]"), recorded, ours, found);
            }
        }
        (recorded, ours) => {
            let kind = |value: &Value<'_>| match value {
                Value::Int(_) => "a whole number",
                other => other.kind(),
            };
            if kind(recorded) != kind(ours) {
                found.push(format!("{path} is {} rather than {}", kind(ours), kind(recorded)));
            }
        }
    }
}
