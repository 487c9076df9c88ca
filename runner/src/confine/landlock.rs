//! Landlock: which files a program can reach, and no network or signals beyond it.

use super::Spec;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// What any program needs of the system to start, to find libraries, names and clocks, and to compile and link.
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

/// Restricts this thread, and so the program that it becomes. The result is the ABI that the kernel enforces; 3 is the
/// least, because before it a program could truncate files that it cannot write.
pub(super) fn restrict(spec: &Spec) -> Result<u32, String> {
    let status = rules(spec).map_err(|e| e.to_string())?;
    match status {
        LandlockStatus::Available { effective_abi, .. } => number(effective_abi),
        LandlockStatus::NotEnabled => Err("the kernel has it switched off".to_owned()),
        LandlockStatus::NotImplemented => Err("the kernel does not have it".to_owned()),
    }
}

fn rules(spec: &Spec) -> Result<LandlockStatus, RulesetError> {
    let read = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let least = if spec.permit_weaker { CompatLevel::BestEffort } else { CompatLevel::HardRequirement };
    let status = Ruleset::default()
        .set_compatibility(least)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V10))?
        .handle_access(AccessNet::from_all(ABI::V10))?
        .scope(Scope::from_all(ABI::V10))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(&spec.readable, read))?
        .add_rules(path_beneath_rules(&spec.writable, writable()))?
        .restrict_self()?;
    Ok(status.landlock)
}

/// Everything but making devices and speaking to them.
fn writable() -> BitFlags<AccessFs> {
    AccessFs::from_all(ABI::V10)
        & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev | AccessFs::ResolveUnix)
}

fn number(abi: ABI) -> Result<u32, String> {
    abi.to_string().parse().map_err(|_| format!("ABI {abi}"))
}
