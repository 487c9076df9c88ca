//! The tool manifest: what a runner can do, and with which effects. A public blob, named by digest in every decision
//! and job.

use crate::effect::Effects;
use crate::envelope::WriteScope;
use crate::event::proposal::{Action, ExecutionMode};
use crate::id::ToolName;
use proof::hash::{Hash, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The JSON type of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputType {
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// An object.
    Object,
}

/// One input of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its JSON type.
    #[serde(rename = "type")]
    pub kind: InputType,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
    /// Longest string, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// For people.
    pub description: String,
    /// What running it touches.
    pub effects: Effects,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// When it is killed.
    pub timeout_seconds: u32,
    /// Whether a human must always see it.
    #[serde(default)]
    pub requires_human: bool,
    /// Where it writes.
    pub write_scope: WriteScope,
    /// Modes it can run in.
    pub modes: BTreeSet<ExecutionMode>,
    /// Information-flow labels.
    #[serde(default)]
    pub labels: BTreeSet<String>,
}

/// A tool manifest, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its own version.
    pub version: String,
    /// The tools.
    pub tools: BTreeMap<ToolName, Tool>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError(String);

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tool manifest: {}", self.0)
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads a manifest in any spelling of JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value = proof::canonical::parse(bytes).map_err(|e| ManifestError(e.to_string()))?;
        serde_json::from_value(value).map_err(|e| ManifestError(e.to_string()))
    }

    /// The canonical bytes: the public blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        proof::canonical::to_vec(self).unwrap_or_default()
    }

    /// The blob's SHA-256.
    pub fn digest(&self) -> Hash {
        sha256(&self.to_bytes())
    }
}

impl Tool {
    /// Checks an action's inputs. The error names the input and what would be right.
    pub fn check_inputs(&self, action: &Action) -> Result<(), String> {
        for name in action.inputs.keys().chain(action.bodies.keys()) {
            if !self.inputs.contains_key(name) {
                return Err(format!("unexpected input `{name}`"));
            }
        }
        for (name, input) in &self.inputs {
            match (action.inputs.get(name), action.bodies.get(name)) {
                (Some(_), Some(_)) => return Err(format!("input `{name}` is given twice")),
                (Some(value), None) => input.check(name, value)?,
                (None, Some(body)) => input.check_body(name, body.length)?,
                (None, None) if input.required => return Err(format!("input `{name}` is missing")),
                (None, None) => {}
            }
        }
        Ok(())
    }
}

impl Input {
    fn check_length(&self, name: &str, length: u64) -> Result<(), String> {
        match self.max_length {
            _ if length == 0 => Err(format!("input `{name}` is an empty string")),
            Some(max) if length > max => Err(format!("input `{name}` is {length} bytes, at most {max}")),
            _ => Ok(()),
        }
    }

    /// A body is a long string; nothing else can stand beside the log, where no gate could look at it.
    fn check_body(&self, name: &str, length: u64) -> Result<(), String> {
        match self.kind {
            InputType::String => self.check_length(name, length),
            InputType::Boolean | InputType::Integer | InputType::Object => {
                Err(format!("input `{name}` is not of type string, so it cannot be a body"))
            }
        }
    }

    fn check(&self, name: &str, value: &Value) -> Result<(), String> {
        match (self.kind, value) {
            (InputType::String, Value::String(text)) => {
                self.check_length(name, u64::try_from(text.len()).unwrap_or(u64::MAX))
            }
            (InputType::Boolean, Value::Bool(_)) | (InputType::Object, Value::Object(_)) => Ok(()),
            (InputType::Integer, Value::Number(n)) if n.is_i64() || n.is_u64() => Ok(()),
            _ => Err(format!("input `{name}` is not of type {}", format!("{:?}", self.kind).to_lowercase())),
        }
    }
}
