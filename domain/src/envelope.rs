//! The deployment envelope: which model runs under which limits. Its hash (DEH) travels with the job, spelt as M87's
//! runner recomputes it: nulls dropped, keys sorted, non-ASCII escaped, SHA-256.

use proof::hash::{Hash, sha256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Where a job may write. Ordered: a wider scope is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WriteScope {
    /// Nowhere.
    None,
    /// The working copy.
    Sandbox,
    /// Shared, but not live.
    Staging,
    /// Live.
    Prod,
}

/// Whose weights the model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelSource {
    /// Behind a provider's interface.
    Closed,
    /// Open weights: clamped, since nobody stands behind their training.
    Open,
}

/// How careful the deployment says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SafetyMode {
    /// The default.
    SafeDefault,
    /// Governed.
    Governed,
    /// Restricted.
    Restricted,
}

/// Limits on what a job may do on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutonomyBudget {
    /// Steps, 1 to 10,000.
    pub max_steps: u32,
    /// Tool calls, 1 to 1,000.
    pub max_tool_calls: u32,
    /// Agents at once, 1 to 10.
    pub max_parallel_agents: u32,
    /// Seconds, 1 to 3,600.
    pub max_runtime_seconds: u32,
    /// Calls to the outside, 0 to 100.
    pub max_external_io: u32,
    /// Where it may write.
    pub max_write_scope: WriteScope,
}

impl Default for AutonomyBudget {
    fn default() -> Self {
        Self {
            max_steps: 100,
            max_tool_calls: 50,
            max_parallel_agents: 1,
            max_runtime_seconds: 300,
            max_external_io: 10,
            max_write_scope: WriteScope::Sandbox,
        }
    }
}

/// How the model is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InferencePolicy {
    /// Whether it reasons at length.
    pub reasoning_mode: bool,
    /// Which tools it sees.
    pub tool_access_profile: String,
    /// How much machine it gets.
    pub max_compute_class: String,
}

impl Default for InferencePolicy {
    fn default() -> Self {
        Self { reasoning_mode: false, tool_access_profile: "default".into(), max_compute_class: "standard".into() }
    }
}

/// A deployment envelope, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentEnvelope {
    /// 1 to 256 characters.
    pub model_id: String,
    /// Whose weights.
    #[serde(default = "closed")]
    pub model_source: ModelSource,
    /// SHA-256 of the weights.
    #[serde(default)]
    pub weights_hash: Option<String>,
    /// SHA-256 of the recipe.
    #[serde(default)]
    pub post_training_recipe_hash: Option<String>,
    /// How the model is run.
    #[serde(default)]
    pub inference_policy: InferencePolicy,
    /// How careful it is.
    #[serde(default = "safe_default")]
    pub safety_mode: SafetyMode,
    /// What it may do on its own.
    #[serde(default)]
    pub autonomy_budget: AutonomyBudget,
}

fn closed() -> ModelSource {
    ModelSource::Closed
}

fn safe_default() -> SafetyMode {
    SafetyMode::SafeDefault
}

impl Default for DeploymentEnvelope {
    fn default() -> Self {
        Self {
            model_id: "m87-runner-v1".into(),
            model_source: closed(),
            weights_hash: None,
            post_training_recipe_hash: None,
            inference_policy: InferencePolicy::default(),
            safety_mode: safe_default(),
            autonomy_budget: AutonomyBudget::default(),
        }
    }
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeError(String);

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EnvelopeError {}

/// Clamps for open-weight models: steps, tool calls, seconds.
const OPEN_WEIGHT_MAX: (u32, u32, u32) = (50, 25, 120);

impl DeploymentEnvelope {
    /// Reads and checks what a proposer declared. Unknown members are ignored, as they always were; they are not hashed.
    pub fn parse(value: &Value) -> Result<Self, EnvelopeError> {
        let envelope: Self = serde_json::from_value(value.clone()).map_err(|e| EnvelopeError(e.to_string()))?;
        envelope.check()?;
        Ok(envelope)
    }

    fn check(&self) -> Result<(), EnvelopeError> {
        let budget = &self.autonomy_budget;
        let within = |name: &str, value: u32, low: u32, high: u32| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(EnvelopeError(format!("`{name}` is {value}, expected {low} to {high}")))
            }
        };
        within("autonomy_budget.max_steps", budget.max_steps, 1, 10_000)?;
        within("autonomy_budget.max_tool_calls", budget.max_tool_calls, 1, 1_000)?;
        within("autonomy_budget.max_parallel_agents", budget.max_parallel_agents, 1, 10)?;
        within("autonomy_budget.max_runtime_seconds", budget.max_runtime_seconds, 1, 3_600)?;
        within("autonomy_budget.max_external_io", budget.max_external_io, 0, 100)?;
        let chars = self.model_id.chars().count();
        if !(1..=256).contains(&chars) {
            return Err(EnvelopeError(format!("`model_id` has {chars} characters, expected 1 to 256")));
        }
        for (name, hash) in
            [("weights_hash", &self.weights_hash), ("post_training_recipe_hash", &self.post_training_recipe_hash)]
        {
            if hash.as_ref().is_some_and(|h| h.chars().count() != 64) {
                return Err(EnvelopeError(format!("`{name}` is not 64 characters")));
            }
        }
        Ok(())
    }

    /// The same envelope with the limits that open-weight models get; a closed one is unchanged.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        if self.model_source == ModelSource::Open {
            self.safety_mode = SafetyMode::SafeDefault;
            let (steps, calls, seconds) = OPEN_WEIGHT_MAX;
            let budget = &mut self.autonomy_budget;
            budget.max_steps = budget.max_steps.min(steps);
            budget.max_tool_calls = budget.max_tool_calls.min(calls);
            budget.max_runtime_seconds = budget.max_runtime_seconds.min(seconds);
            budget.max_write_scope = budget.max_write_scope.min(WriteScope::Sandbox);
        }
        self
    }

    /// The deployment envelope hash.
    pub fn hash(&self) -> Hash {
        let value = serde_json::to_value(self).unwrap_or(Value::Null);
        sha256(&ascii_json(&value))
    }
}

/// JSON as the DEH hashes it: nulls dropped from objects, keys in code-point order, compact, non-ASCII as `\uXXXX`.
/// Only whole numbers occur in an envelope.
pub fn ascii_json(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write_ascii(value, &mut out);
    out.into_bytes()
}

fn write_ascii(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            let mut first = true;
            for (key, item) in map.iter().filter(|(_, item)| !item.is_null()) {
                if !first {
                    out.push(',');
                }
                first = false;
                write_ascii_string(key, out);
                out.push(':');
                write_ascii(item, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_ascii(item, out);
            }
            out.push(']');
        }
        Value::String(text) => write_ascii_string(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn write_ascii_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deh(value: &Value) -> String {
        DeploymentEnvelope::parse(value).unwrap().hash().to_string()
    }

    // Vectors computed on a running copy of the predecessor.
    #[test]
    fn hashes_equal_the_predecessors() {
        let budget = json!({"max_steps":100,"max_tool_calls":50,"max_parallel_agents":1,"max_runtime_seconds":300,"max_external_io":10,"max_write_scope":"sandbox"});
        assert_eq!(
            DeploymentEnvelope::default().hash().to_string(),
            "1cb97e11989b341a71eefdf12b1837f725bf6a01e753a96b3934f76503f32f4d"
        );
        assert_eq!(
            deh(
                &json!({"model_id":"modèle-😀","model_source":"open","safety_mode":"governed","weights_hash":"a".repeat(64),"autonomy_budget":budget})
            ),
            "df31420fe6c27934e679f306e3d04baddb5252b75b54bca270dacdb109c79aa6"
        );
        assert_eq!(
            deh(&json!({"model_id":"x","autonomy_budget":{"max_write_scope":"prod","max_runtime_seconds":3600}})),
            "e3943e3e5ac5e0b455a376d27e746075803ba75cacff5935af6afa46c30fc373"
        );
        assert_eq!(
            sha256(&ascii_json(&json!({"model_id":"q\"\\\n\u{7f}/"}))).to_string(),
            "f0a5693de1173a02f997772a0652d69311ec70ec602c2d34b103559c74103fca"
        );
    }

    #[test]
    fn out_of_range_is_refused_and_says_where() {
        let error = DeploymentEnvelope::parse(&json!({"model_id":"x","autonomy_budget":{"max_steps":0}})).unwrap_err();
        assert_eq!(error.to_string(), "`autonomy_budget.max_steps` is 0, expected 1 to 10000");
        for bad in [
            json!({}),
            json!({"model_id":""}),
            json!({"model_id":"x","weights_hash":"ab"}),
            json!({"model_id":"x","autonomy_budget":{"max_write_scope":"everywhere"}}),
            json!([]),
        ] {
            assert!(DeploymentEnvelope::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn open_weights_are_clamped() {
        let open = DeploymentEnvelope::parse(
            &json!({"model_id":"llama","model_source":"open","safety_mode":"governed","autonomy_budget":{"max_write_scope":"prod","max_steps":9999}}),
        )
        .unwrap()
        .clamped();
        assert_eq!(open.safety_mode, SafetyMode::SafeDefault);
        assert_eq!(open.autonomy_budget.max_write_scope, WriteScope::Sandbox);
        assert_eq!(open.autonomy_budget.max_steps, 50);
        assert_eq!(open.autonomy_budget.max_runtime_seconds, 120);
    }
}
