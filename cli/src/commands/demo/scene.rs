//! The play, scene by scene. Every expectation is checked: a demo that goes otherwise fails.

use super::project::PATCH;
use super::stage::{self, Agent, Stage};
use domain::authored::{self, StatementKind};
use domain::event::approval::{Answer, Verb};
use domain::event::decision::Ruling;
use domain::id::JobId;
use proof::hash::sha256;
use schemas::intent::SubmitIntent;
use schemas::job::JobOutput;
use schemas::proposal::{ProposalRuled, SubmitProposal};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What remains when the curtain has fallen.
pub(super) struct Outcome {
    pub(super) checkpoint_key: String,
    pub(super) root_key: String,
    pub(super) receipt: PathBuf,
    pub(super) released: String,
}

/// Longest wait for a job; the build of a small crate takes seconds.
const JOB_WAIT: Duration = Duration::from_secs(25);
const JOB_WAITS: u32 = 8;

pub(super) async fn play(stage: &Stage, dir: &Path, project: &Path) -> Result<Outcome, String> {
    intent(stage).await?;
    mend(stage).await?;
    secrets(stage).await?;
    let released = release(stage, project).await?;

    let receipt = stage.admin.proposal_receipt("demo-publish").await.map_err(|e| e.to_string())?;
    let path = dir.join("publish.receipt.json");
    std::fs::write(&path, receipt.to_json()).map_err(|e| e.to_string())?;
    let checkpoint_key = stage.admin.vkey().await.map_err(|e| e.to_string())?;
    Ok(Outcome { checkpoint_key, root_key: stage.root.verifier().to_string(), receipt: path, released })
}

async fn intent(stage: &Stage) -> Result<(), String> {
    stage::title("alice says what she wants");
    let intent = SubmitIntent {
        intent_id: Some("mend-the-till".parse().map_err(|_| "intent id".to_owned())?),
        from: Some("alice".into()),
        mode: Some("fix".into()),
        goal: "Make the till's test pass and release the program".into(),
        constraints: None,
        personal: false,
    };
    stage.alice.submit_intent(&intent).await.map_err(|e| e.to_string())?;
    stage.drawn().await
}

async fn mend(stage: &Stage) -> Result<(), String> {
    stage::title("casey reads the code, mends it, runs the tests; every proposal signed with casey's own key");
    let actions = json!([{"tool": "read_file", "inputs": {"path": "src/lib.rs"}}]);
    let read = job(stage, &stage.casey, proposal("Casey", "read", "Read the till's code", &["READ_REPO"], &actions)?);
    let read = read.await?;
    let text = read.outputs.first().cloned().flatten().unwrap_or_default();
    if !text.contains("skip(1)") {
        return Err("casey should have been given the file".into());
    }
    stage::say("casey got the file, and sees `.skip(1)`");
    let actions = json!([{"tool": "apply_patch", "inputs": {"patch": PATCH}}]);
    let patch = proposal("Casey", "mend", "Count the first price too", &["WRITE_PATCH"], &actions)?;
    job(stage, &stage.casey, undoable(patch, "apply the patch in reverse", Some("apply_patch"))).await?;
    let actions = json!([{"tool": "run_tests", "inputs": {}}]);
    let test = proposal("Casey", "test", "Run the project's tests", &["RUN_TESTS"], &actions)?;
    job(stage, &stage.casey, undoable(test, "tests run in a copy that is thrown away", None)).await?;
    Ok(())
}

async fn secrets(stage: &Stage) -> Result<(), String> {
    stage::title("casey reaches for secrets");
    let actions = json!([{"tool": "read_file", "inputs": {"path": ".env"}}]);
    let wanted = proposal("Casey", "secrets", "Look at the deploy credentials", &["READ_SECRETS"], &actions)?;
    expect(&submit(stage, &stage.casey, wanted).await?, Ruling::Deny)
}

async fn release(stage: &Stage, project: &Path) -> Result<String, String> {
    stage::title("jordan builds, and wants to publish");
    let build = proposal(
        "Jordan",
        "build",
        "Build the program",
        &["BUILD_ARTIFACT"],
        &json!([{"tool": "build", "inputs": {}}]),
    )?;
    job(stage, &stage.jordan, undoable(build, "delete the built file", None)).await?;
    publish(stage, project).await
}

async fn publish(stage: &Stage, project: &Path) -> Result<String, String> {
    let mut wanted = undoable(
        proposal(
            "Jordan",
            "publish",
            "Put the built program into released/",
            &["BUILD_ARTIFACT"],
            &json!([{"tool": "publish", "inputs": {"source": "target/release/till"}}]),
        )?,
        "delete released/till",
        None,
    );
    wanted.deployment_envelope =
        Some(json!({"model_id": "demo-model", "autonomy_budget": {"max_write_scope": "staging"}}));
    let ruled = submit(stage, &stage.jordan, wanted).await?;
    expect(&ruled, Ruling::RequireHuman)?;

    stage::title("bob looks at it and says yes, with a key that only he has");
    let pending = stage.admin.pending_approvals().await.map_err(|e| e.to_string())?;
    let asked = pending.into_iter().find(|asked| asked.proposal_id == ruled.proposal_id).ok_or("nobody asks bob")?;
    if sha256(&proof::canonical::value_to_vec(&asked.preview)) != asked.challenge.preview_digest {
        return Err("bob is shown something else than he would sign for".into());
    }
    let answer = Answer { proposal_id: asked.proposal_id, verb: Verb::Grant, challenge: asked.challenge, reason: None };
    let envelope = authored::sign(StatementKind::Answer, &stage.origin(), stage.seen(), &answer, stage.bob.secret())
        .map_err(|e| e.to_string())?;
    let accepted = stage.admin.answer_signed(envelope).await.map_err(|e| e.to_string())?;
    let job_id = accepted.job_id.ok_or("bob's yes should mint the job")?;
    let output = finish(stage, &stage.jordan, &job_id).await?;

    let file = project.join("released").join("till");
    let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let hash = sha256(&bytes);
    let artifacts = output.result.map(|result| result.artifacts).unwrap_or_default();
    if !artifacts.iter().any(|artifact| artifact.sha256 == hash) {
        return Err(format!("the released file's hash {hash} is not in the log: {artifacts:?}"));
    }
    Ok(hash.to_string())
}

fn proposal(
    agent: &str,
    name: &str,
    summary: &str,
    effects: &[&str],
    actions: &Value,
) -> Result<SubmitProposal, String> {
    let value = json!({
        "proposal_id": format!("demo-{name}"), "intent_id": "mend-the-till", "agent": agent, "summary": summary,
        "effects": effects, "actions": actions,
        "truth_account": {"observations": ["cargo test fails: every_price_counts"], "claims": []},
    });
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn undoable(mut proposal: SubmitProposal, how: &str, tool: Option<&str>) -> SubmitProposal {
    proposal.reversibility_class = Some("REVERSIBLE".into());
    proposal.rollback_proof = Some(match tool {
        Some(tool) => json!({"description": how, "rollback_tool": tool}),
        None => json!({"description": how, "manual_steps": [how]}),
    });
    proposal
}

async fn submit(stage: &Stage, agent: &Agent, proposal: SubmitProposal) -> Result<ProposalRuled, String> {
    let ruled = agent.submit(stage, proposal).await?;
    stage.drawn().await?;
    Ok(ruled)
}

fn expect(ruled: &ProposalRuled, ruling: Ruling) -> Result<(), String> {
    if ruled.ruling == ruling {
        return Ok(());
    }
    let (id, expected) = (&ruled.proposal_id, ruling.as_str());
    Err(format!("`{id}` was ruled {} {:?}, expected {expected}", ruled.ruling.as_str(), ruled.reasons))
}

/// Proposes something that should be allowed, and waits until it is done.
async fn job(stage: &Stage, agent: &Agent, proposal: SubmitProposal) -> Result<JobOutput, String> {
    let ruled = submit(stage, agent, proposal).await?;
    expect(&ruled, Ruling::Allow)?;
    let job_id = ruled.job_id.ok_or("an allowed proposal should have a job")?;
    finish(stage, agent, &job_id).await
}

/// Waits for a job's end, and shows that something is going on.
async fn finish(stage: &Stage, agent: &Agent, job_id: &JobId) -> Result<JobOutput, String> {
    let progress = stage::Progress::start();
    let mut output = None;
    for _ in 0..JOB_WAITS {
        let answer = agent.client.job_output(job_id.as_str(), JOB_WAIT).await.map_err(|e| e.to_string())?;
        if answer.result.is_some() || answer.status == "unknown" {
            output = Some(answer);
            break;
        }
    }
    progress.stop().await;
    stage.drawn().await?;
    let output = output.ok_or_else(|| format!("job `{job_id}` did not end"))?;
    if output.status == "completed" {
        return Ok(output);
    }
    let detail = output.result.as_ref().and_then(|result| result.detail.clone()).unwrap_or_default();
    let said: Vec<String> = output.outputs.iter().flatten().cloned().collect();
    Err(format!("job `{job_id}` is {}: {detail}\n{}", output.status, said.join("\n")))
}
