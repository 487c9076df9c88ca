//! Commands of every kind, one after the other from several clients, and what a server said to them.

use crate::acknowledged::Acknowledged;
use crate::chance::Chance;
use crate::proposals;
use crate::server::{ADMIN_KEY, Server};
use client::{Client, Error};
use domain::event::PrincipalKind;
use domain::event::approval::{Challenge, Verb};
use domain::event::key::{Principal, Scope};
use proof::{Checkpoint, Receipt, VerifierKey};
use schemas::approval::SubmitAnswer;
use schemas::key::CreateKey;
use std::collections::BTreeMap;
use std::future::Future;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// Clients that submit one command after the other.
pub const CLIENTS: u64 = 4;
/// A text of so many bytes lies beside the log.
const LONG: u64 = 3_000;
/// A text that is longer is a body.
const INLINE: usize = 1024;
/// Refusals after which a client gives up.
const REFUSALS_MAX: usize = 12;

/// What a server said.
#[derive(Debug)]
enum Said {
    Receipt(Box<Receipt>),
    Head(String),
    Bodies(String, usize),
    No(String),
}

/// All that a server said to a load.
#[derive(Debug, Default)]
pub struct Given {
    receipts: Vec<Receipt>,
    heads: Vec<String>,
    bodies: Vec<(String, usize)>,
    /// Reasons of refusals, each with how often.
    pub refused: BTreeMap<String, u64>,
}

impl Given {
    fn add(&mut self, said: Said) {
        match said {
            Said::Receipt(receipt) => self.receipts.push(*receipt),
            Said::Head(note) => self.heads.push(note),
            Said::Bodies(proposal, count) => self.bodies.push((proposal, count)),
            Said::No(reason) => *self.refused.entry(reason).or_default() += 1,
        }
    }

    /// How many commands were acknowledged.
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// Keeps all of it, to be held against the log.
    ///
    /// # Panics
    /// If a receipt or a head does not verify.
    pub fn kept_by(self, kept: &mut Acknowledged, pinned: &VerifierKey) {
        for receipt in &self.receipts {
            kept.keep(receipt, pinned);
        }
        for note in &self.heads {
            kept.keep_head(&Checkpoint::open(note, pinned).unwrap());
        }
        for (proposal, count) in self.bodies {
            kept.keep_bodies(&proposal, count);
        }
    }
}

/// One client, who submits and passes on whatever is answered.
struct Submitter {
    client: Client,
    name: String,
    chance: Chance,
    said: UnboundedSender<Said>,
    /// A question of this client's that nobody has answered yet.
    asked: Option<Challenge>,
}

impl Submitter {
    /// One command. An error means that the server is gone.
    async fn submit(&mut self, number: u64) -> Result<Receipt, Error> {
        let id = format!("{}-{number}", self.name);
        let long = "x".repeat(usize::try_from(self.chance.below(LONG)).unwrap());
        match self.chance.below(6) {
            0 => Ok(self.client.submit_intent(&proposals::intent(&id, &long)).await?.receipt),
            1 => Ok(self.client.submit_proposal(&proposals::secrets(&id)).await?.receipt),
            2 => {
                let ruled = self.client.submit_proposal(&proposals::write(&id, "a.txt", &long)).await?;
                if long.len() > INLINE {
                    self.say(Said::Bodies(id, 1));
                }
                Ok(ruled.receipt)
            }
            3 => Ok(self.client.create_key(&key(&id)).await?.receipt),
            4 if self.asked.is_some() => self.answer().await,
            _ => {
                let ruled = self.client.submit_proposal(&proposals::irreversible(&id, "a.txt", "x")).await?;
                self.asked = ruled.challenge;
                Ok(ruled.receipt)
            }
        }
    }

    /// Says yes to what was asked last.
    async fn answer(&mut self) -> Result<Receipt, Error> {
        let Challenge { proposal_id, nonce, .. } = self.asked.take().unwrap();
        let answer = SubmitAnswer { proposal_id, verb: Verb::Grant, nonce, reason: None };
        Ok(self.client.answer(&answer).await?.receipt)
    }

    fn say(&self, said: Said) {
        self.said.send(said).unwrap();
    }

    /// Submits so many commands, or until the server is gone or says no all the time.
    async fn run(mut self, count: u64) {
        let mut refusals = 0;
        for number in 0..count {
            match self.submit(number).await {
                Ok(receipt) => {
                    self.say(Said::Receipt(Box::new(receipt)));
                    refusals = 0;
                }
                Err(Error::Refused(problem)) => {
                    // A fault of the server's, never one of ours, and with a reason.
                    assert!(problem.status >= 500 && !problem.reason.is_empty(), "{problem:?}");
                    self.say(Said::No(problem.reason));
                    refusals += 1;
                }
                // Gone before or after it was on the disk: nobody was told anything.
                Err(Error::Unreachable(_) | Error::Unexpected(_)) => return,
            }
            if refusals == REFUSALS_MAX {
                return;
            }
            if number % 8 == 0
                && let Ok(head) = self.client.head().await
            {
                self.say(Said::Head(head.checkpoint));
            }
        }
    }
}

fn key(id: &str) -> CreateKey {
    CreateKey {
        principal: Principal { kind: PrincipalKind::Agent, id: id.parse().unwrap() },
        scopes: [Scope::ProposalCreate].into(),
        effect_scopes: None,
        max_risk: 1.0,
        expires: None,
        description: None,
    }
}

/// Puts a server under load until each client has submitted `count` commands, or the server is gone, or `end` comes; then
/// it is killed if `end` came, and left alone otherwise. `label` tells the commands of this load from those of others.
///
/// # Panics
/// If the server refuses a command for a reason of its sender's.
pub async fn until(
    server: &mut Server,
    label: &str,
    count: u64,
    chance: &mut Chance,
    end: impl Future<Output = ()>,
) -> Given {
    let (said, mut answers) = unbounded_channel();
    let client = server.client(ADMIN_KEY);
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|task| {
            let (client, name, said) = (client.clone(), format!("c-{label}-{task}"), said.clone());
            tokio::spawn(Submitter { client, name, chance: chance.fork(), said, asked: None }.run(count))
        })
        .collect();
    drop(said);
    tokio::pin!(end);
    let mut given = Given::default();
    let killed = loop {
        tokio::select! {
            () = &mut end => break true,
            said = answers.recv() => match said {
                Some(said) => given.add(said),
                None => break false,
            }
        }
    };
    if killed {
        server.kill_now();
    }
    for task in tasks {
        task.await.unwrap();
    }
    while let Some(said) = answers.recv().await {
        given.add(said);
    }
    given
}

/// The same without an end before its time.
pub async fn put_on(server: &mut Server, label: &str, count: u64, chance: &mut Chance) -> Given {
    until(server, label, count, chance, std::future::pending()).await
}
