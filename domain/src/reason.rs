//! Stable reason codes: every refusal names one. `docs/reasons.md` has a row for each, and a test keeps them equal.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)+) => {
        /// Why something was refused, escalated or could not be decided.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $text] #[serde(rename = $code)] $variant,)+
        }

        impl Reason {
            /// Every code, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code, as it stands in events and answers.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// One sentence for a person.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    // Rulings: these stand in `decision.recorded`.
    ForbiddenEffect = "FORBIDDEN_EFFECT", "an effect is forbidden, for everyone and always";
    UnknownEffect = "UNKNOWN_EFFECT", "an effect is not in the policy bundle";
    NoEffects = "NO_EFFECTS", "the proposal declares no effect at all";
    ToolNotInManifest = "TOOL_NOT_IN_MANIFEST", "an action names a tool that the manifest does not have";
    ToolInputInvalid = "TOOL_INPUT_INVALID", "an action's inputs do not fit the tool's manifest entry";
    EffectUndeclared = "EFFECT_UNDECLARED", "a tool has an effect that the proposal does not declare";
    SecretInCommand = "SECRET_IN_COMMAND", "the command carries what looks like a secret; it was not stored";
    EvidenceMissing = "EVIDENCE_MISSING", "an effect that is not read-only needs at least one observation";
    EvidenceKindMissing = "EVIDENCE_KIND_MISSING", "policy demands a kind of evidence that is absent";
    ClaimConfidenceInvalid = "CLAIM_CONFIDENCE_INVALID", "a claim lacks a confidence between 0 and 1";
    CitedEventMissing = "CITED_EVENT_MISSING", "an observation cites an event that is not in the log";
    EffectOutOfScope = "EFFECT_OUT_OF_SCOPE", "the agent may not have this effect";
    AgentKeyMismatch = "AGENT_KEY_MISMATCH", "an agent's key speaks for that agent only";
    RiskAboveAgentMax = "RISK_ABOVE_AGENT_MAX", "the risk exceeds what the agent may take alone";
    HumanOnlyEffect = "HUMAN_ONLY_EFFECT", "the effect always needs a human";
    ToolRequiresHuman = "TOOL_REQUIRES_HUMAN", "the tool always needs a human";
    ReversibilityUndeclared = "REVERSIBILITY_UNDECLARED", "an effect that is not read-only needs a reversibility class";
    ReversibilityUnknown = "REVERSIBILITY_UNKNOWN", "the reversibility class is not one of the three";
    RollbackProofMissing = "ROLLBACK_PROOF_MISSING", "the reversibility class needs a rollback proof with content";
    Irreversible = "IRREVERSIBLE", "an irreversible act needs a human, always";
    ExecutionModeUnknown = "EXECUTION_MODE_UNKNOWN", "the execution mode is not commit, draft or preview";
    ModeUnsupported = "MODE_UNSUPPORTED", "a tool does not support the execution mode";
    EnvelopeInvalid = "ENVELOPE_INVALID", "the deployment envelope is not valid";
    WriteScopeExceeded = "WRITE_SCOPE_EXCEEDED", "a tool needs a wider write scope than the envelope or the agent has";
    RuntimeExceeded = "RUNTIME_EXCEEDED", "the actions need more time or steps than the envelope allows";
    HumanApproved = "HUMAN_APPROVED", "the approvals that policy demands were given";
    HumanDenied = "HUMAN_DENIED", "a human said no";
    ApprovalExpired = "APPROVAL_EXPIRED", "nobody answered in time; silence never allows";

    // Refusals without an event: these stand in problem documents.
    ClockDiffers = "CLOCK_DIFFERS", "the time that was confirmed is not what the clock says";
    IndexUnreadable = "INDEX_UNREADABLE", "the index of what is over cannot be read; nothing is decided without it";
    Malformed = "MALFORMED", "the request cannot be read";
    KeyRequired = "KEY_REQUIRED", "the route needs a key";
    KeyUnknown = "KEY_UNKNOWN", "the key is not known here";
    KeyDisabled = "KEY_DISABLED", "the key is disabled";
    KeyExpired = "KEY_EXPIRED", "the key has expired";
    ScopeMissing = "SCOPE_MISSING", "the key lacks the scope that the route needs";
    KeyEffectScope = "KEY_EFFECT_SCOPE", "the key may not be used for these effects";
    KeyRiskCap = "KEY_RISK_CAP", "the risk exceeds the key's own cap";
    RootRequired = "ROOT_REQUIRED", "only a statement signed by the root key can do this";
    SignatureInvalid = "SIGNATURE_INVALID", "the statement's signature does not verify under the key it names";
    StatementMismatch = "STATEMENT_MISMATCH", "the signed statement does not say what the request says";
    ContentConflict = "CONTENT_CONFLICT", "the id was used before with other content";
    ProposalUnknown = "PROPOSAL_UNKNOWN", "there is no such proposal";
    NotPending = "NOT_PENDING", "the proposal is not waiting for a human";
    AlreadyAnswered = "ALREADY_ANSWERED", "this approver has answered already";
    ChallengeMismatch = "CHALLENGE_MISMATCH", "the answer is not to the open challenge";
    ChallengeExpired = "CHALLENGE_EXPIRED", "the challenge has expired";
    SelfApproval = "SELF_APPROVAL", "nobody approves what they proposed";
    ApproverKind = "APPROVER_KIND", "only a human or an admin can approve";
    SignedApprovalRequired = "SIGNED_APPROVAL_REQUIRED", "policy wants this approval signed with the approver's own key";
    PolicyChanged = "POLICY_CHANGED", "the policy changed since the decision; submit the proposal again";
    JobUnknown = "JOB_UNKNOWN", "there is no such job";
    JobNotOpen = "JOB_NOT_OPEN", "the job is not in a state that allows this";
    NoJob = "NO_JOB", "no job is waiting for this runner";
    RunnerUnknown = "RUNNER_UNKNOWN", "the runner is not registered";
    LeaseForeign = "LEASE_FOREIGN", "the lease belongs to another runner or attempt";
    LeaseExpired = "LEASE_EXPIRED", "the lease has expired";
    LeaseReplayed = "LEASE_REPLAYED", "the lease request is older than the runner's last lease";
    LeaseOpen = "LEASE_OPEN", "the lease has not expired yet";
    WarrantRequired = "WARRANT_REQUIRED", "a result without a warrant is accepted only for tools without effects";
    WarrantRefused = "WARRANT_REFUSED", "the runner refused the warrant and ran nothing";
    ArtifactsMissing = "ARTIFACTS_MISSING", "a completed job must name at least one artifact";
    AlreadyExists = "ALREADY_EXISTS", "it exists already";
    BlobUnknown = "BLOB_UNKNOWN", "there is no such body";
    NotDue = "NOT_DUE", "it is not due yet";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_are_what_serde_writes() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(reason).unwrap(), format!("\"{}\"", reason.code()));
        }
    }
}
