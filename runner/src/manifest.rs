//! The tool manifest: which tools there are, what they touch, and what their inputs look like.
//!
//! The runner holds every job against the manifest once more, whatever the server says: a tool that is not in it, a
//! mode that the tool does not have, or an input that is not described there never runs.

use crate::action::{ActionSpec, Failure, Mode, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A tool manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest's content.
    pub version: String,
    /// The tools, by name.
    pub tools: BTreeMap<String, ToolEntry>,
}

/// What the manifest says of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolEntry {
    /// For people.
    pub description: String,
    /// What running it touches: `READ_REPO`, `WRITE_PATCH` …
    pub effects: BTreeSet<String>,
    /// Its inputs, by name.
    pub inputs: BTreeMap<String, InputEntry>,
    /// When it is stopped.
    pub timeout_seconds: u32,
    /// Whether a human must always see it.
    #[serde(default)]
    pub requires_human: bool,
    /// Where it writes.
    pub write_scope: WriteScope,
    /// The modes it has.
    pub modes: BTreeSet<Mode>,
    /// Information-flow labels.
    #[serde(default)]
    pub labels: BTreeSet<String>,
}

/// What the manifest says of one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEntry {
    /// Its JSON type.
    #[serde(rename = "type")]
    pub kind: InputKind,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
    /// The longest string, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The JSON type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// An object.
    Object,
}

/// Where a tool writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteScope {
    /// Nowhere.
    None,
    /// The project's working state.
    Sandbox,
    /// Shared, but not live.
    Staging,
    /// What counts as released.
    Prod,
}

impl Manifest {
    /// Reads a manifest. A member that this version does not know is an error: it might have been a limit.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The entry of an action's tool, when the action fits it.
    pub fn admit(&self, action: &ActionSpec) -> Result<&ToolEntry, Refusal> {
        let Some(tool) = self.tools.get(&action.tool) else {
            return Err(rejected(format!("tool `{}` is not in the manifest", action.tool)));
        };
        if !tool.modes.contains(&action.mode) {
            return Err(rejected(format!("tool `{}` has no mode `{}`", action.tool, action.mode.name())));
        }
        check_inputs(tool, &action.inputs).map_err(rejected)?;
        Ok(tool)
    }
}

fn rejected(detail: String) -> Refusal {
    Refusal::new(Failure::ManifestRejected, detail)
}

fn check_inputs(tool: &ToolEntry, inputs: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = inputs.keys().find(|name| !tool.inputs.contains_key(*name)) {
        return Err(format!("unexpected input `{name}`"));
    }
    for (name, entry) in &tool.inputs {
        match inputs.get(name) {
            Some(value) => check_input(name, entry, value)?,
            None if entry.required => return Err(format!("input `{name}` is missing")),
            None => {}
        }
    }
    Ok(())
}

fn check_input(name: &str, entry: &InputEntry, value: &Value) -> Result<(), String> {
    let fits = match entry.kind {
        InputKind::String => value.is_string(),
        InputKind::Boolean => value.is_boolean(),
        InputKind::Integer => value.is_i64() || value.is_u64(),
        InputKind::Object => value.is_object(),
    };
    if !fits {
        return Err(format!("input `{name}` is no {}", format!("{:?}", entry.kind).to_lowercase()));
    }
    let Some(text) = value.as_str() else {
        return Ok(());
    };
    if text.is_empty() {
        return Err(format!("input `{name}` is an empty string"));
    }
    match entry.max_length {
        Some(most) if u64::try_from(text.len()).is_ok_and(|length| length > most) => {
            Err(format!("input `{name}` is {} bytes long, at most {most} are allowed", text.len()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEFAULT: &[u8] = include_bytes!("../../policy/default/manifest.json");

    fn refusal(tool: &str, mode: Mode, inputs: &Value) -> String {
        let manifest = Manifest::parse(DEFAULT).unwrap();
        let action = ActionSpec::new(tool, mode, inputs.as_object().unwrap().clone());
        manifest.admit(&action).map_or_else(|refusal| refusal.detail, |_| String::new())
    }

    #[test]
    fn the_default_manifest_describes_every_tool_and_no_other() {
        let manifest = Manifest::parse(DEFAULT).unwrap();
        let names: Vec<&str> = manifest.tools.keys().map(String::as_str).collect();
        assert_eq!(names, crate::tools::NAMES);
        assert_eq!(manifest.version, "2.0");
    }

    #[test]
    fn actions_that_do_not_fit_are_named() {
        let long = "x".repeat(8193);
        let rows = [
            ("pytest", Mode::Commit, json!({}), "tool `pytest` is not in the manifest"),
            ("build", Mode::Draft, json!({}), "tool `build` has no mode `draft`"),
            ("echo", Mode::Commit, json!({"message": "m", "x": 1}), "unexpected input `x`"),
            ("echo", Mode::Commit, json!({}), "input `message` is missing"),
            ("echo", Mode::Commit, json!({"message": 1}), "input `message` is no string"),
            ("echo", Mode::Commit, json!({"message": ""}), "input `message` is an empty string"),
            (
                "echo",
                Mode::Commit,
                json!({"message": long}),
                "input `message` is 8193 bytes long, at most 8192 are allowed",
            ),
            ("publish", Mode::Commit, json!({"source": "a", "replace": "yes"}), "input `replace` is no boolean"),
            ("echo", Mode::Commit, json!({"message": "m"}), ""),
        ];
        for (tool, mode, inputs, expected) in rows {
            assert_eq!(refusal(tool, mode, &inputs), expected);
        }
    }

    #[test]
    fn an_unknown_member_is_an_error() {
        assert!(Manifest::parse(br#"{"version": "2.0", "tools": {}, "network": true}"#).is_err());
    }
}
