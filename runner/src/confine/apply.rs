//! Putting the layers on, one by one. Whatever fails is an error, unless the spec permits weaker confinement; read-only
//! mounts alone may always be missing.

use super::{Layers, ProcessLimits, Spec, landlock, mounts, system_calls};
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, setrlimit};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

/// Confines this process, which must have a single thread. The error says which layer is missing.
pub(super) fn all(spec: &Spec) -> Result<Layers, String> {
    let warden = getppid();
    // Inherited descriptors are rights that no later layer takes away.
    close_fds::set_fds_cloexec(3, &[]);
    rustix::process::setsid().map_err(|e| format!("a session of its own: {e}"))?;
    limit(spec.limits)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let read_only_mounts = mounts::read_only_except(&spec.own).is_ok();
    let no_capabilities = permit(spec, "dropping capabilities", drop_capabilities())?.is_some();
    die_with(warden)?;
    let no_new_privileges =
        permit(spec, "no new privileges", rustix::thread::set_no_new_privs(true).map_err(|e| e.to_string()))?.is_some();
    let landlock_abi = permit(spec, "landlock", landlock::restrict(spec))?.unwrap_or(0);
    let system_call_filter = permit(spec, "the system call filter", system_calls::filter())?.is_some();
    Ok(Layers {
        landlock_abi,
        system_call_filter,
        read_only_mounts,
        no_capabilities,
        no_new_privileges,
        weaker_permitted: spec.permit_weaker,
    })
}

fn permit<T>(spec: &Spec, layer: &str, applied: Result<T, String>) -> Result<Option<T>, String> {
    match applied {
        Ok(done) => Ok(Some(done)),
        Err(_) if spec.permit_weaker => Ok(None),
        Err(reason) => Err(format!("{layer}: {reason}")),
    }
}

/// Killed by the kernel when the warden dies. It may have died already, and then another process is the parent by now.
fn die_with(warden: Option<Pid>) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| format!("the parent-death signal: {e}"))?;
    if getppid() == warden { Ok(()) } else { Err("the warden is gone".to_owned()) }
}

fn limit(limits: ProcessLimits) -> Result<(), String> {
    let wanted = [
        (Resource::Core, Some(0)),
        (Resource::Nofile, Some(limits.files)),
        (Resource::Fsize, Some(limits.file_bytes)),
        (Resource::Nproc, Some(limits.processes)),
        (Resource::As, limits.memory_bytes),
    ];
    for (resource, most) in wanted {
        let Some(most) = most else { continue };
        let hard = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
        let limit = Rlimit { current: Some(hard), maximum: Some(hard) };
        setrlimit(resource, limit).map_err(|e| format!("limiting {resource:?}: {e}"))?;
    }
    Ok(())
}

/// No capabilities now, and none by being user 0 at an exec.
fn drop_capabilities() -> Result<(), String> {
    let had = rustix::thread::capabilities(None).map_err(|e| e.to_string())?;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        let bits = CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
        rustix::thread::set_capabilities_secure_bits(bits).map_err(|e| e.to_string())?;
        for number in 0..64 {
            // Beyond the last capability that the kernel knows, this fails.
            let one = CapabilitySet::from_bits_retain(1 << number);
            if rustix::thread::remove_capability_from_bounding_set(one).is_err() {
                break;
            }
        }
    } else if rustix::process::geteuid().is_root() && !had.permitted.is_empty() {
        return Err("user 0 without CAP_SETPCAP would get its capabilities back".to_owned());
    }
    rustix::thread::clear_ambient_capability_set().map_err(|e| e.to_string())?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(|e| e.to_string())
}
